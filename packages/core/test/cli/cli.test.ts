// The command line as a user runs it: the built program in a process of its own.

import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as ort from "onnxruntime-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { PeftModel, readSafetensors, useEngine, ViTForImageClassification } from "../../src/index.js";
import { goldenArray, relativeError } from "../../src/testing/index.js";
import { FIXTURES } from "../fixtures.js";

const PROGRAM = fileURLToPath(new URL("../../dist/cli.js", import.meta.url));
const [HOST, ADAPTER] = [join(FIXTURES, "vit", "tiny"), join(FIXTURES, "lora", "qv")];
const SHAPE = [1, 3, 32, 32];
const pixels = { data: goldenArray(3, 3 * 32 * 32, 1), shape: SHAPE, dtype: "float32" as const };

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function peft(...args: string[]): Promise<Ended> {
  return peftIn(process.cwd(), ...args);
}

function peftIn(cwd: string, ...args: string[]): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(process.execPath, [PROGRAM, ...args], { cwd }, (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr });
    });
  });
}

let folder: string;
let expected: Float32Array;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "peft-cli-"));
  await useEngine("compiled", { threads: 2 });
  const model = await PeftModel.fromPretrained(await ViTForImageClassification.fromPretrained(HOST), ADAPTER);
  expected = await logitsOf(model);
  model.dispose();
});
afterAll(() => rm(folder, { recursive: true }));

async function logitsOf(model: PeftModel | ViTForImageClassification): Promise<Float32Array> {
  const { logits } = await model({ pixelValues: pixels });
  const data = (await logits.data<"float32">()).slice() as Float32Array;
  logits.dispose();
  return data;
}

describe("peft", () => {
  it("lists its commands, and says of an unknown one that it is", async () => {
    expect(await peft("--help")).toMatchObject({ code: 0, stdout: expect.stringMatching(/doctor.*inspect.*merge/s) });
    expect(await peft("train")).toMatchObject({ code: 2, stderr: expect.stringContaining('no command "train"') });
  });

  it("doctor says which engines run and what is installed", async () => {
    const { code, stdout } = await peft("doctor", "--json");
    expect(code).toBe(0);
    const { engines, packages } = JSON.parse(stdout);
    const ready = Object.fromEntries(engines.map((one: { engine: string; ready: boolean }) => [one.engine, one.ready]));
    expect(ready).toMatchObject({ "compiled:cpu": true, "eager:cpu": true });
    expect(packages).toContainEqual(expect.objectContaining({ package: "onnxruntime-node", version: "1.30.0" }));
    expect((await peft("doctor")).stdout).toMatch(/compiled:cpu +ready/);
  });

  it("inspect shows an adapter's config and tensors, a model's, and a file's", async () => {
    const adapter = await peft("inspect", ADAPTER, "--tensors");
    expect(adapter.stdout).toMatch(/adapter: .*\n[\s\S]*peft_type +LORA[\s\S]*10 tensors/);
    expect(adapter.stdout).toMatch(
      /base_model\.model\.vit\.layers\.0\.attention\.q_proj\.lora_A\.weight +float32 +\[4, 32\]/,
    );
    const model = JSON.parse((await peft("inspect", HOST, "--json")).stdout);
    expect(model).toMatchObject({ kind: "model", config: { architectures: ["ViTForImageClassification"] } });
    const file = await peft("inspect", join(ADAPTER, "adapter_model.safetensors"));
    expect(file.stdout).toMatch(/^weights: /);
  });

  it("merge writes a checkpoint with the adapter's logits", async () => {
    const out = join(folder, "merged");
    expect(await peft("merge", "--model", HOST, "--adapter", ADAPTER, "--out", out)).toMatchObject({ code: 0 });
    const merged = await ViTForImageClassification.fromPretrained(out);
    expect(relativeError(await logitsOf(merged), expected)).toBeLessThanOrEqual(1e-5);
    merged.dispose();
  });

  it("--use loads packages and files as the working directory has them", async () => {
    const [there, name] = [join(folder, "project"), "its-method"];
    const module = join(there, "node_modules", name);
    await mkdir(module, { recursive: true });
    await writeFile(
      join(module, "package.json"),
      JSON.stringify({ name, type: "module", exports: { import: "./m.js" } }),
    );
    await writeFile(join(module, "m.js"), "console.log('the package');");
    await writeFile(join(there, "own.mjs"), "console.log('the file');");
    const args = ["merge", "--model", HOST, "--adapter", ADAPTER, "--out", join(there, "out")];
    const uses = [name, "./own.mjs", join(there, "own.mjs")].flatMap((use) => ["--use", use]);
    expect(await peftIn(there, ...args, ...uses)).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^the package\nthe file\nmerged into/),
    });
    for (const missing of ["no-such-method", "./missing.mjs"]) {
      const { code, stderr } = await peftIn(there, ...args, "--use", missing);
      expect(code).toBe(1);
      expect(stderr).toMatch(/^peft merge: "[./\w-]+" cannot be loaded: Cannot find .* \(--use\)\n {2}hint: .*\n$/);
    }
  });

  it("convert writes the same numbers under the other spelling's names", async () => {
    const out = join(folder, "hf4");
    const args = ["--model", HOST, "--adapter", ADAPTER, "--out", out];
    expect(await peft("convert", ...args, "--to", "peft-hf4")).toMatchObject({ code: 0 });
    const [before, after] = await Promise.all(
      [ADAPTER, out].map((path) => readSafetensors(join(path, "adapter_model.safetensors"))),
    );
    const old = "base_model.model.vit.layers.0.attention.q_proj.lora_A.weight";
    const renamed = "base_model.model.vit.encoder.layer.0.attention.attention.query.lora_A.weight";
    expect(after!.get(renamed)!.data).toEqual(before!.get(old)!.data);
    expect(await peft("convert", ...args, "--to", "kohya")).toMatchObject({ code: 2 });
  });

  it.each([[], ["--keep-adapter"]])("export writes an ONNX file with the adapter's logits %s", async (...more) => {
    const out = join(folder, `model${more.length}.onnx`);
    const args = ["--model", HOST, "--adapter", ADAPTER, "--input", `pixelValues=${SHAPE}`, "--out", out];
    expect(await peft("export", ...args, ...more)).toMatchObject({ code: 0 });
    const session = await ort.InferenceSession.create(await readFile(out));
    const { logits } = await session.run({ pixel_values: new ort.Tensor("float32", pixels.data, SHAPE) });
    expect(relativeError(logits!.data as Float32Array, expected)).toBeLessThanOrEqual(1e-5);
  });

  it("ends with 1 and the error's code where files are wrong, and with 2 and the usage where the call is", async () => {
    const missing = await peft("inspect", join(folder, "nothing"));
    expect(missing).toMatchObject({ code: 1, stderr: expect.stringContaining("[FILE_MISSING]") });
    const halved = await peft("merge", "--model", HOST);
    expect(halved).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/--out is missing[\s\S]*Usage: peft merge/),
    });
    const unknown = await peft("merge", "--modle", HOST);
    expect(unknown).toMatchObject({ code: 2, stderr: expect.stringContaining("--modle") });
  });
});
