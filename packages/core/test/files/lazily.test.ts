import { mkdtemp, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openSafetensors, serializeSafetensors } from "../../src/files/index.js";

describe("a tensor that is read when it is wanted", () => {
  let folder: string;
  let path: string;
  const bytes = serializeSafetensors({
    a: { dtype: "float32", shape: [2], data: Float32Array.of(1, 2) },
    b: { dtype: "int32", shape: [1], data: Int32Array.of(7) },
  });

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "peft-lazily-"));
    path = join(folder, "model.safetensors");
    await writeFile(path, bytes);
  });
  afterEach(() => rm(folder, { recursive: true }));

  it("is there after the file was closed, as often as it is asked for", async () => {
    const file = await openSafetensors(path);
    const read = file.lazily("a");
    await file.close();
    expect(read().data).toEqual(Float32Array.of(1, 2));
    expect(read().data).not.toBe(read().data);
  });

  it("is refused when there is none of its name, before anything is read", async () => {
    const file = await openSafetensors(path);
    expect(() => file.lazily("c")).toThrow(expect.objectContaining({ code: "KEY_MISMATCH" }));
    await file.close();
  });

  it("is refused when the file was written anew, and when it is gone", async () => {
    const file = await openSafetensors(path);
    const read = file.lazily("b");
    await file.close();
    await utimes(path, 1, 1);
    expect(read).toThrow(expect.objectContaining({ code: "CHECKPOINT_INVALID", place: path }));
    await rm(path);
    expect(read).toThrow(expect.objectContaining({ code: "FILE_MISSING" }));
  });
});
