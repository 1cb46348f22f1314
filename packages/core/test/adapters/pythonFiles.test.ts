import { dirname, join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import {
  type HostModel,
  type ParameterData,
  PeftModel,
  useEngine,
  ViTForImageClassification,
} from "../../src/index.js";
import {
  BOUNDS,
  changeError,
  expectClose,
  type Fixture,
  type FixtureOptimizer,
  fillGolden,
  fixtureTraining,
  gradientFloor,
  readAll,
  readFixture,
  SmallHost,
  stepOf,
  type TrainingBatch,
  trainSteps,
} from "../../src/testing/index.js";
import { FIXTURES } from "../fixtures.js";

const TINY = join(FIXTURES, "vit", "tiny");
/** The host that a fixture's JSON names, with the numbers that it had there. */
async function hostOf({ info }: Fixture<{ readonly host: string }>): Promise<HostModel> {
  if (info.host === "../vit/tiny") return ViTForImageClassification.fromPretrained(TINY);
  const host = new SmallHost();
  fillGolden(host.parameters());
  return host;
}
/** The fixture's name of a parameter; of several adapters each key begins with the adapter's name. */
const keyOf = (model: PeftModel) => (name: string) => {
  const colon = name.indexOf(":") + 1;
  return `${name.slice(0, colon)}base_model.model.${model.names.to("hf5", name.slice(colon))}`;
};

/** The adapter in a folder, or several that are active together. */
async function load(host: HostModel, directory: string, together: Info["adapter"]): Promise<PeftModel> {
  if (typeof together === "string") return PeftModel.fromPretrained(host, directory, { isTrainable: true });
  const model = new PeftModel(host);
  for (const [adapterName, folder] of Object.entries(together)) {
    await model.loadAdapter(join(dirname(directory), folder), { adapterName, isTrainable: true });
  }
  model.setAdapter(Object.keys(together));
  return model;
}
const rename = <T>(map: ReadonlyMap<string, T>, to: (name: string) => string): Map<string, T> =>
  new Map([...map].map(([name, value]) => [to(name), value]));

describe.each(["compiled", "eager"] as const)("adapter files of Python's PEFT, %s", (engine) => {
  beforeAll(async () => {
    await (engine === "compiled" ? useEngine("compiled", { threads: 2 }) : useEngine("eager"));
  });

  it.each([
    ["lora/qv", "qv"],
    ["lora/qv-hf4", "qv"],
    ["lora/patterns", "patterns"],
    ["lora/regex", "regex"],
    ["peft/lora-layers", "lora-layers"],
    ["peft/lora-groups", "lora-groups"],
    ["peft/lora-bias", "lora-bias"],
    ["peft/dora-layers", "dora-layers"],
    ["peft/dora-vit", "dora-vit"],
    ["peft/ia3-layers", "ia3-layers"],
    ["peft/ia3-vit", "ia3-vit"],
    ["peft/lora-and-dora", "lora-and-dora"],
  ])("%s gives the logits, gradients, steps and merged weights of %s", async (folder, numbers) => {
    const directory = join(FIXTURES, folder);
    const fixture = readFixture<Info>(dirname(directory), numbers);
    const host = await hostOf(fixture);
    const original = await readAll(host.parameters());
    const hostParameters = host.parameters();
    const batch = batchOf(fixture);
    const bare = await logitsOf(host, batch);
    const model = await load(host, directory, fixture.info.adapter);
    expect(model.printTrainableParameters()).toBe(fixture.info.trainableLine);

    const outputs = fixture.group("output");
    const { loss, logits, gradients } = await stepOf(model, batch, model.trainableParameters());
    const called = await logitsOf(model, batch);
    const disabled = await model.disableAdapter(() => logitsOf(model, batch));
    // Outside of the adapter's scope the host is what it was, biases too, where PEFT leaves its trained ones.
    expect(disabled).toEqual(bare);
    const found = new Map<string, ArrayLike<number>>([
      ["logits", called],
      ["loss", [loss]],
      ["disabledLogits", disabled],
    ]);
    if (outputs.has("mergedLogits")) {
      await model.merge();
      found.set("mergedLogits", await logitsOf(model, batch));
    } else await expect(model.merge()).rejects.toThrow(/groups/);
    expectClose(new Map([["logits", logits]]), new Map([["logits", outputs.get("logits")!]]), BOUNDS.outputs);
    if (numbers === "patterns") outputs.delete("disabledLogits");
    expectClose(found, outputs, BOUNDS.outputs);

    const mergedHost = await readAll(host.parameters());
    expectClose(mergedHost, fixture.group("merged"), BOUNDS.outputs);
    model.unmerge();

    const zero = fixture.info.zeroGradient;
    const wanted = fixture.group("grad");
    const floor = gradientFloor(wanted.values());
    for (const key of zero) wanted.delete(key);
    expectClose(rename(gradients, keyOf(model)), wanted, BOUNDS.gradients, { floor });
    expect([...gradients.keys()].length).toBe(fixture.group("grad").size);

    const settings = fixtureTraining(fixture.info.optimizer);
    const steps = await trainSteps(model, batch, model.trainableParameters(), settings);
    const [before, after] = [steps.before, steps.after].map((map) => rename(map, keyOf(model)));
    expectClose(new Map([["losses", steps.losses]]), new Map([["losses", fixture.info.losses]]), BOUNDS.outputs);
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

interface Info {
  readonly host: string;
  readonly adapter: string | Readonly<Record<string, string>>;
  readonly optimizer: FixtureOptimizer;
  readonly losses: number[];
  readonly trainableLine: string;
  readonly zeroGradient: string[];
}

function batchOf(fixture: Fixture<Info>): TrainingBatch {
  const batch = { pixelValues: fixture.input("pixels"), labels: fixture.input("labels") };
  return fixture.tensors.has("ids") ? { ...batch, inputIds: fixture.input("ids") } : batch;
}

async function logitsOf(model: HostModel, { labels: _, ...inputs }: TrainingBatch): Promise<ParameterData> {
  const { logits } = await model(inputs);
  const data = await logits.data();
  logits.dispose();
  return data as ParameterData;
}
