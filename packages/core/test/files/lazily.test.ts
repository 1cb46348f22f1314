import { mkdtemp, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  openSafetensors,
  serializeSafetensors,
  toBFloat16,
  toFloat16,
  toFloat32,
  writeSafetensors,
} from "../../src/files/index.js";

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
    expect(read()).toEqual(Float32Array.of(1, 2));
    expect(read()).not.toBe(read());
  });

  it("is widened to float32 whatever it is in the file, in one piece or in many", async () => {
    // More than one piece, and a last one that is not whole.
    const values = Float32Array.from({ length: 300_001 }, (_, i) => (i % 2048) - 1024);
    const halves = { half: toFloat16(values), brain: toBFloat16(values) };
    await writeSafetensors(path, {
      half: { dtype: "float16", shape: [300_001], data: halves.half },
      brain: { dtype: "bfloat16", shape: [300_001], data: halves.brain },
      none: { dtype: "float16", shape: [0, 3], data: new Uint16Array() },
      whole: { dtype: "int64", shape: [2], data: BigInt64Array.of(-3n, 4n) },
    });
    const file = await openSafetensors(path);
    await file.close();
    expect(Buffer.compare(Buffer.from(file.lazily("half")().buffer), Buffer.from(values.buffer))).toBe(0);
    const brain = toFloat32({ dtype: "bfloat16", shape: [300_001], data: halves.brain });
    expect(Buffer.compare(Buffer.from(file.lazily("brain")().buffer), Buffer.from(brain.buffer))).toBe(0);
    expect(file.lazily("none")()).toEqual(new Float32Array());
    expect(file.lazily("whole")()).toEqual(Float32Array.of(-3, 4));
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
