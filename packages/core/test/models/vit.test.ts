import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  compile,
  engineInfo,
  parseViTConfig,
  useEngine,
  ViTForImageClassification,
  ViTModel,
} from "../../src/index.js";
import {
  BOUNDS,
  changeError,
  expectClose,
  type FixtureOptimizer,
  fillGolden,
  fixtureTraining,
  goldenArray,
  gradientFloor,
  readFixture,
  stepOf,
  trainSteps,
} from "../../src/testing/index.js";
import { FIXTURES } from "../fixtures.js";

const FOLDER = join(FIXTURES, "vit");
const folder = (name: string): string => join(FOLDER, name);
const TINY = {
  hidden_size: 32,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  intermediate_size: 64,
  image_size: 32,
  patch_size: 8,
  id2label: { 0: "a", 1: "b", 2: "c", 3: "d", 4: "e" },
};
const golden = { data: goldenArray(7, 3 * 32 * 32, 1), shape: [1, 3, 32, 32], dtype: "float32" as const };

describe.each(["compiled", "eager"] as const)("the vision transformer, %s", (engine) => {
  beforeAll(async () => {
    await (engine === "compiled" ? useEngine("compiled", { threads: 2 }) : useEngine("eager"));
    expect(engineInfo()?.engine).toBe(engine);
  });
  afterAll(async () => {
    await useEngine("eager");
  });

  it("gives the golden logits and embeddings of the specification", async () => {
    const model = new ViTForImageClassification(parseViTConfig(TINY, "golden"));
    fillGolden(model.parameters());
    const run = compile((pixelValues) => {
      const { logits, hiddenStates } = model.forward({ pixelValues: pixelValues! });
      return { logits, embeddings: hiddenStates[0]! };
    });
    const { logits, embeddings } = await run(golden);
    const close = async (actual: ArrayLike<number>, wanted: number[]) => {
      for (const [i, x] of wanted.entries()) expect(Math.abs(actual[i]! - x)).toBeLessThan(2e-6);
    };
    await close(await logits.data(), [0.691543, 0.598588, 1.725123, 0.266433, -0.421578]);
    const embedded = await embeddings.data();
    await close(embedded, [-0.05918, 0.090511, -0.01489, -0.015314]);
    await close(embedded.slice(32), [-0.270488, -0.311239, 0.028152, 0.015726]);
  });

  it.each(["tiny", "odd"])(
    "equals Hugging Face's on %s: hidden states, logits, loss, gradients, five steps",
    async (name) => {
      const fixture = readFixture(FOLDER, name);
      const model = await ViTForImageClassification.fromPretrained(folder(name));
      const trained = model.parameters();
      const batch = { pixelValues: fixture.input("pixels"), labels: fixture.input("labels") };
      const outputs = fixture.group("output");

      const run = compile((pixelValues) => model.forward({ pixelValues: pixelValues! }).hiddenStates);
      const hidden = await run(batch.pixelValues);
      const numbers = await Promise.all(hidden.map((tensor) => tensor.data()));
      const { loss, logits, gradients } = await stepOf(model, batch, trained);
      const found = new Map<string, ArrayLike<number>>(numbers.map((data, i) => [`hidden.${i}`, data]));
      found.set("logits", logits).set("loss", [loss]);
      outputs.delete("lastHidden");
      expectClose(found, outputs, BOUNDS.outputs);

      const zero = fixture.info.zeroGradient as string[];
      const wanted = fixture.group("grad");
      const floor = gradientFloor(wanted.values());
      for (const key of zero) wanted.delete(key);
      expectClose(gradients, wanted, BOUNDS.gradients, { floor });

      const settings = fixtureTraining(fixture.info.optimizer as FixtureOptimizer);
      const { losses, before, after } = await trainSteps(model, batch, trained, settings);
      expectClose(
        new Map([["losses", losses]]),
        new Map([["losses", fixture.info.losses as number[]]]),
        BOUNDS.outputs,
      );
      const deltas = fixture.group("delta");
      for (const key of zero) deltas.delete(key);
      for (const [key, delta] of deltas) {
        expect(changeError(before.get(key)!, after.get(key)!, delta), key).toBeLessThan(BOUNDS.steps);
      }
      model.dispose();
    },
  );

  it("equals timm's on timm's own file, read without a Hugging Face config", async () => {
    const fixture = readFixture(FOLDER, "tiny-timm");
    const model = await ViTForImageClassification.fromPretrained(folder("tiny-timm"));
    expect(model.config.layerNormEps).toBe(1e-6);
    const { logits } = await model({ pixelValues: fixture.input("pixels") });
    expectClose(new Map([["logits", await logits.data()]]), fixture.group("output"), BOUNDS.outputs);
  });

  it("equals Hugging Face's bare model and its pooler", async () => {
    const fixture = readFixture(FOLDER, "tiny-bare");
    const model = await ViTModel.fromPretrained(folder("tiny-bare"));
    const run = compile((pixels) => {
      const output = model.forward(pixels!);
      return { lastHidden: output.lastHiddenState, pooler: model.pool(output) };
    });
    const { lastHidden, pooler } = await run(fixture.input("pixels"));
    const found = new Map([
      ["lastHidden", await lastHidden!.data()],
      ["pooler", await pooler!.data()],
    ]);
    expectClose(found, fixture.group("output"), BOUNDS.outputs);
  });
});
