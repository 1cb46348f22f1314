import { mkdir, mkdtemp, readdir, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { openCheckpoint, writeCheckpoint } from "../../src/files/checkpoint.js";
import type { HostTensor } from "../../src/files/hostTensor.js";
import { writeSafetensors } from "../../src/files/safetensorsWriter.js";
import { fixturePath } from "../data/fixtures.js";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "peft-checkpoint-"));
});

/** What reference/data/make_fixtures.py writes to sharded/. */
const STATE = new Map<string, HostTensor>(
  [10, 20, 50, 8, 30, 4].map((n, i) => [
    `layer.${i}.weight`,
    { dtype: "float32", shape: [n], data: Float32Array.from({ length: n }, (_, k) => k + i) },
  ]),
);

describe("openCheckpoint", () => {
  it.each(["sharded", "sharded/model.safetensors.index.json"])("reads shards as one: %s", async (name) => {
    const checkpoint = await openCheckpoint(fixturePath(name));
    expect(checkpoint.metadata).toEqual({ format: "pt" });
    const read = new Map<string, HostTensor>();
    for await (const [key, tensor] of checkpoint.readAll()) read.set(key, tensor);
    expect(new Map([...read].sort())).toEqual(STATE);
    expect(await checkpoint.read("layer.4.weight")).toEqual(STATE.get("layer.4.weight"));
    await expect(checkpoint.read("layer.9.weight")).rejects.toMatchObject({ code: "KEY_MISMATCH" });
    await checkpoint.close();
  });

  it("reads a folder with one file, of transformers or of diffusers, and the file itself", async () => {
    for (const name of ["model.safetensors", "diffusion_pytorch_model.safetensors"]) {
      const own = join(folder, name.split(".")[0]!);
      await writeSafetensors(join(own, name), STATE);
      for (const path of [own, join(own, name)]) {
        const checkpoint = await openCheckpoint(path);
        expect([...checkpoint.tensors.keys()]).toEqual([...STATE.keys()]);
        await checkpoint.close();
      }
    }
  });

  it("refuses pickled checkpoints with the way out, and says what is missing", async () => {
    await expect(openCheckpoint(folder)).rejects.toMatchObject({ code: "FILE_MISSING", place: folder });
    await expect(openCheckpoint(join(folder, "none"))).rejects.toMatchObject({ code: "FILE_MISSING" });
    const pickle = join(folder, "pytorch_model.bin");
    await writeFile(pickle, "");
    for (const path of [folder, pickle]) {
      await expect(openCheckpoint(path)).rejects.toMatchObject({
        code: "CHECKPOINT_INVALID",
        place: pickle,
        hint: expect.stringContaining("safetensors"),
      });
    }
  });

  it("refuses an index that is no index, leads elsewhere, or promises too much", async () => {
    await writeSafetensors(join(folder, "a.safetensors"), STATE);
    await writeSafetensors(join(folder, "..", "outside.safetensors"), STATE);
    const index = join(folder, "model.safetensors.index.json");
    for (const content of [
      [],
      null,
      { weight_map: [] },
      { weight_map: {} },
      { weight_map: { w: 3 } },
      { weight_map: { "layer.0.weight": "../outside.safetensors" } },
      { weight_map: { "layer.0.weight": "/etc/passwd" } },
      { weight_map: { "layer.7.weight": "a.safetensors" } },
    ]) {
      await writeFile(index, JSON.stringify(content));
      await expect(openCheckpoint(folder)).rejects.toMatchObject({ code: "CHECKPOINT_INVALID", place: index });
    }
    await writeFile(index, JSON.stringify({ weight_map: { w: "b.safetensors" } }));
    await expect(openCheckpoint(folder)).rejects.toMatchObject({ code: "FILE_MISSING" });
  });
});

describe("writeCheckpoint", () => {
  it("writes the shards and the index that huggingface_hub writes", async () => {
    await writeCheckpoint(folder, STATE, { maxShardBytes: 160 });
    const names = await readdir(fixturePath("sharded"));
    expect((await readdir(folder)).sort()).toEqual(names.sort());
    for (const name of names) {
      const expected = await readFile(join(fixturePath("sharded"), name));
      expect(Buffer.compare(await readFile(join(folder, name)), expected), name).toBe(0);
    }
  });

  it("removes what an earlier call left, and nothing else", async () => {
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, "config.json"), "{}");
    await writeFile(join(folder, "adapter_model.safetensors"), "");
    await writeCheckpoint(folder, STATE, { maxShardBytes: 160 });
    await writeCheckpoint(folder, STATE);
    const others = ["adapter_model.safetensors", "config.json"];
    expect((await readdir(folder)).sort()).toEqual([...others, "model.safetensors"]);
    await writeCheckpoint(folder, STATE, { maxShardBytes: 160 });
    expect(await readdir(folder)).not.toContain("model.safetensors");
    expect(await readdir(folder)).toEqual(expect.arrayContaining(others));
  });
});
