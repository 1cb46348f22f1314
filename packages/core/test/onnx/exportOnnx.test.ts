// A model written as ONNX and run by ONNX Runtime on its own, as somebody without this library would.

import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as ort from "onnxruntime-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  BottleneckConfig,
  exportOnnx,
  getPeftModel,
  type HostModel,
  LoraConfig,
  useEngine,
  ViTForImageClassification,
} from "../../src/index.js";
import { goldenArray, relativeError } from "../../src/testing/index.js";
import { FIXTURES } from "../fixtures.js";

const SHAPE = [2, 3, 32, 32];
const pixels = { data: goldenArray(7, 2 * 3 * 32 * 32, 1), shape: SHAPE, dtype: "float32" as const };
const INPUTS = { pixelValues: { shape: SHAPE, dtype: "float32" as const } };

let folder: string;
beforeAll(async () => {
  await useEngine("compiled", { threads: 2 });
  folder = await mkdtemp(join(tmpdir(), "peft-onnx-"));
});
afterAll(() => rm(folder, { recursive: true }));

const host = () => ViTForImageClassification.fromPretrained(join(FIXTURES, "vit", "tiny"));

async function logitsOf(model: HostModel): Promise<Float32Array> {
  const { logits } = await model({ pixelValues: pixels });
  const data = await logits.data<"float32">();
  logits.dispose();
  return data.slice() as Float32Array;
}

/** Moves an adapter away from its beginning, at which it adds nothing. */
async function adapted(config: LoraConfig | BottleneckConfig) {
  const model = getPeftModel(await host(), config);
  for (const [i, parameter] of [...model.trainableParameters().values()].entries()) {
    await parameter.write(goldenArray(i + 1, parameter.size, 0.2));
  }
  return model;
}

async function runFile(path: string) {
  const session = await ort.InferenceSession.create(path);
  const found = await session.run({ pixel_values: new ort.Tensor("float32", pixels.data, SHAPE) });
  return { session, logits: found.logits!.data as Float32Array };
}

describe("an exported model", () => {
  const CASES: [string, () => Promise<HostModel>][] = [
    ["a host", host],
    ["a host with LoRA", () => adapted(new LoraConfig({ r: 4, loraDropout: 0.1 }))],
    ["a host with bottleneck adapters", () => adapted(new BottleneckConfig({ bottleneck: 8 }))],
    ["a host with LoRA merged", async () => (await adapted(new LoraConfig({ r: 4 }))).mergeAndUnload()],
  ];
  it.each(CASES)("of %s gives the same logits in ONNX Runtime, by names as in Python", async (name, make) => {
    const model = await make();
    const path = join(folder, `${name.replaceAll(" ", "-")}.onnx`);
    await exportOnnx(model, path, INPUTS);
    const { session, logits } = await runFile(path);
    expect(session.inputNames).toEqual(["pixel_values"]);
    expect(session.outputNames).toEqual(["logits"]);
    expect(relativeError(logits, await logitsOf(model))).toBeLessThanOrEqual(1e-5);
    // Operators of ONNX alone, so that any runtime has them.
    expect((await readFile(path)).includes("com.microsoft")).toBe(false);
    model.dispose();
  });
});

describe("what cannot be exported", () => {
  it("leaves no file: inputs that the model refuses", async () => {
    const model = await host();
    const before = await readdir(folder);
    const inputs = { pixelValues: { shape: [1, 5, 32, 32], dtype: "float32" as const } };
    await expect(exportOnnx(model, join(folder, "bad.onnx"), inputs)).rejects.toMatchObject({ code: "SHAPE_MISMATCH" });
    expect(await readdir(folder)).toEqual(before);
    model.dispose();
  });
});
