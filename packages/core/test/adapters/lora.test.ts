import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { type ParameterData, PeftModel, useEngine, ViTForImageClassification } from "../../src/index.js";
import {
  BOUNDS,
  changeError,
  expectClose,
  type FixtureOptimizer,
  fixtureTraining,
  gradientFloor,
  readAll,
  readFixture,
  stepOf,
  trainSteps,
} from "../../src/testing/index.js";
import { FIXTURES } from "../fixtures.js";

const TINY = join(FIXTURES, "vit", "tiny");
const adapter = (name: string): string => join(FIXTURES, "lora", name);
const keyOf = (model: PeftModel) => (name: string) => `base_model.model.${model.names.to("hf5", name)}`;
const rename = <T>(map: ReadonlyMap<string, T>, to: (name: string) => string): Map<string, T> =>
  new Map([...map].map(([name, value]) => [to(name), value]));

describe.each(["compiled", "eager"] as const)("LoRA files of Python's PEFT, %s", (engine) => {
  beforeAll(async () => {
    await (engine === "compiled" ? useEngine("compiled", { threads: 2 }) : useEngine("eager"));
  });

  it.each([
    ["qv", "qv"],
    ["qv-hf4", "qv"],
    ["patterns", "patterns"],
    ["regex", "regex"],
  ])("%s gives the logits, gradients, steps and merged weights of %s", async (name, numbers) => {
    const fixture = readFixture(join(FIXTURES, "lora"), numbers);
    const host = await ViTForImageClassification.fromPretrained(TINY);
    const original = await readAll(host.parameters());
    const hostParameters = host.parameters();
    const bare = await logitsOf(host, fixture.input("pixels"));
    const model = await PeftModel.fromPretrained(host, adapter(name), { isTrainable: true });
    expect(model.printTrainableParameters()).toBe(fixture.info.trainableLine);

    const batch = { pixelValues: fixture.input("pixels"), labels: fixture.input("labels") };
    const outputs = fixture.group("output");
    const { loss, logits, gradients } = await stepOf(model, batch, model.trainableParameters());
    const called = await logitsOf(model, fixture.input("pixels"));
    const disabled = await model.disableAdapter(() => logitsOf(model, fixture.input("pixels")));
    // Outside of the adapter's scope the host is what it was, biases too, where PEFT leaves its trained ones.
    expect(disabled).toEqual(bare);
    await model.merge();
    const merged = await logitsOf(model, fixture.input("pixels"));
    const found = new Map<string, ArrayLike<number>>([
      ["logits", called],
      ["mergedLogits", merged],
      ["loss", [loss]],
      ["disabledLogits", disabled],
    ]);
    expectClose(new Map([["logits", logits]]), new Map([["logits", outputs.get("logits")!]]), BOUNDS.outputs);
    if (numbers === "patterns") outputs.delete("disabledLogits");
    expectClose(found, outputs, BOUNDS.outputs);

    const mergedHost = await readAll(host.parameters());
    expectClose(mergedHost, fixture.group("merged"), BOUNDS.outputs);
    model.unmerge();

    const zero = fixture.info.zeroGradient as string[];
    const wanted = fixture.group("grad");
    const floor = gradientFloor(wanted.values());
    for (const key of zero) wanted.delete(key);
    expectClose(rename(gradients, keyOf(model)), wanted, BOUNDS.gradients, { floor });
    expect([...gradients.keys()].length).toBe(fixture.group("grad").size);

    const settings = fixtureTraining(fixture.info.optimizer as FixtureOptimizer);
    const steps = await trainSteps(model, batch, model.trainableParameters(), settings);
    const [before, after] = [steps.before, steps.after].map((map) => rename(map, keyOf(model)));
    expectClose(
      new Map([["losses", steps.losses]]),
      new Map([["losses", fixture.info.losses as number[]]]),
      BOUNDS.outputs,
    );
    for (const [key, delta] of fixture.group("delta")) {
      if (zero.includes(key)) continue;
      expect(changeError(before!.get(key)!, after!.get(key)!, delta), key).toBeLessThan(BOUNDS.steps);
    }

    expect(model.unload()).toBe(host);
    expect([...host.parameters().values()]).toEqual([...hostParameters.values()]);
    expect(await readAll(host.parameters())).toEqual(original);
    host.dispose();
  });
});

async function logitsOf(
  model: ViTForImageClassification | PeftModel,
  pixelValues: ReturnType<ReturnType<typeof readFixture>["input"]>,
): Promise<ParameterData> {
  const { logits } = await model({ pixelValues });
  const data = await logits.data();
  logits.dispose();
  return data as ParameterData;
}
