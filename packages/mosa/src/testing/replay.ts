// Replays what the original classes did in a fixture, with its owner maps and draws, and measures how far we are from it.

import { type Batch, type BatchSource, getPeftModel, type ParameterData, type PeftModel, Trainer } from "@peft/core";
import { type Fixture, type Numbers, readAll, readFixture } from "@peft/core/testing";
import { mergeExperts, mosaKeyOf } from "../merge.js";
import { mosaRecipe } from "../recipe.js";
import { adapted, byKey, configOf, draws, hostOf, type Info, isDecay, PREFIX } from "./fixtureModel.js";
import { probe } from "./probe.js";

/** The fixtures' names: the place of the adapters, the split side, N. */
export const CASES: readonly string[] = [
  "adaptformer-up-4",
  "adaptformer-up-4-trained",
  "adaptformer-down-2",
  "adaptformer-both-2",
  ...["pfeiffer", "houlsby", "swin", "lora"].flatMap((style) => [
    `${style}-up-4`,
    `${style}-down-2`,
    `${style}-both-2`,
  ]),
];

/** One quantity, ours and the original's, tensor by tensor. */
export interface Comparison {
  readonly name: string;
  readonly kind: "loss" | "output" | "gradients" | "steps";
  readonly ours: ReadonlyMap<string, Numbers>;
  readonly reference: ReadonlyMap<string, Numbers>;
}

/**
 * The ten steps of a fixture through the trainer, one epoch each, on the engine in use.
 *
 * @param folder of the fixture
 * @param name of the case, such as `adaptformer-up-4`
 */
export async function replay(folder: string, name: string): Promise<Comparison[]> {
  const fixture = readFixture<Info>(folder, name);
  const { info } = fixture;
  const host = await hostOf(folder, info);
  const model = await adapted(host, fixture);
  const joint = getPeftModel(await hostOf(folder, info), configOf(info, "joint-legacy"));
  const trained = model.trainableParameters();
  const batches = draws(model, fixture);
  const start = await readAll(trained);
  const mergedStart = await mergedNumbers(model);
  await copyNumbers(model, joint);
  const jointStart = await mergedNumbers(joint);
  const expertsStart = await expertWeights(model, info);

  const losses: number[] = [];
  const rates: number[] = [];
  const compared: Comparison[] = [];
  const probed = async (step: number): Promise<void> => {
    const { logits, grads } = await probe(model, batches[step - 1]!);
    if (step === 1) compared.push(one("logits of step 1", "output", logits, fixture.group("output").get("logits")!));
    if (!info.gradientSteps.includes(step)) return;
    compared.push({
      name: `gradients of step ${step}`,
      kind: "gradients",
      ours: new Map([...grads].filter(([key]) => !isDecay(key))),
      reference: byKey(fixture, `grad${step}`),
    });
  };
  const options = mosaRecipe({
    train: oneAnEpoch(batches),
    epochs: batches.length,
    learningRate: info.optimizer.learningRate,
    warmup: info.optimizer.schedule.warmupEpochs,
  });
  await probed(1);
  for await (const event of new Trainer(model, options).run()) {
    if (event.type !== "step") continue;
    losses.push(event.loss);
    rates.push(event.learningRate);
    if (event.step < batches.length) await probed(event.step + 1);
  }
  compared.unshift(
    one(
      "losses",
      "loss",
      losses,
      Float64Array.from(info.steps, ({ loss }) => loss),
    ),
    one(
      "learning rates",
      "loss",
      rates,
      Float64Array.from(info.steps, ({ learningRate }) => learningRate),
    ),
  );
  compared.push(
    {
      name: "p10 - p0",
      kind: "steps",
      ours: difference(await readAll(trained), start),
      reference: byKey(fixture, "delta"),
    },
    {
      name: "p10 - p0 of every expert, with what it does not own",
      kind: "steps",
      ours: difference(await expertWeights(model, info), expertsStart),
      reference: new Map([...fixture.group("official.delta")].filter(([name]) => expertsStart.has(name))),
    },
    await evaluated("logits in evaluation", model, fixture, "add"),
  );
  await copyNumbers(model, joint);
  compared.push(
    await merged("merged experts, from the start on", model, mergedStart, fixture, "add"),
    await evaluated("logits of the merged adapter", model, fixture, "add"),
    await merged("experts merged by joint, from the start on", joint, jointStart, fixture, "joint"),
    await evaluated("logits of experts merged by joint", joint, fixture, "joint"),
  );
  model.dispose();
  joint.dispose();
  return compared;
}

async function copyNumbers(from: PeftModel, to: PeftModel): Promise<void> {
  for (const [key, parameter] of to.adapterParameters()) {
    parameter.adopt((await from.adapterParameters().get(key)!.read()).slice());
  }
}

function oneAnEpoch(batches: readonly Batch[]): BatchSource {
  return {
    batchesPerEpoch: 1,
    async *batches(epoch) {
      yield batches[epoch]!;
    },
  };
}

/** The weights of experts as the original has them, by its names: in entries not owned nothing, or a decayed start. */
async function expertWeights(model: PeftModel, { official }: Info): Promise<Map<string, Numbers>> {
  const weights = new Map<string, Numbers>();
  for (const [name, { key, expert }] of Object.entries(official)) {
    if (expert === undefined || !key.endsWith(".weight")) continue;
    const side = key.slice(PREFIX.length, -".weight".length);
    const read = async (part: string): Promise<Numbers | undefined> =>
      model.adapterParameters().get(`${side}.${part}`)?.read();
    const [weight, owner] = [(await read("weight"))!, (await read("owner"))!];
    const [initial, decay] = [await read("initial"), await read("experts.decay")];
    const unowned = (j: number): number => (initial && decay ? decay[expert]! * initial[j]! : 0);
    weights.set(
      name,
      Float64Array.from(weight, (own, j) => (owner[j] === expert ? own : unowned(j))),
    );
  }
  return weights;
}

/** The plain adapter that the experts make, by its keys. */
async function mergedNumbers(model: PeftModel): Promise<Map<string, ParameterData>> {
  await mergeExperts(model);
  const numbers = await readAll(model.adapterParameters("merged"));
  model.deleteAdapter("merged");
  return numbers;
}

/** Merges for good, and compares the way that merged tensors went since the start. */
async function merged(
  name: string,
  model: PeftModel,
  start: ReadonlyMap<string, ParameterData>,
  fixture: Fixture<Info>,
  rule: "add" | "joint",
): Promise<Comparison> {
  await mergeExperts(model);
  const end = difference(await readAll(model.adapterParameters("merged")), start);
  model.deleteAdapter("default");
  model.setAdapter("merged");
  const wanted = byKey(fixture, `merged.${rule}`);
  const keys = [...end.keys()].filter((key) => wanted.has(mosaKeyOf(key)));
  const reference = new Map(keys.map((key) => [key, wanted.get(mosaKeyOf(key))!]));
  return {
    name,
    kind: "steps",
    ours: new Map(keys.map((key) => [key, end.get(key)!])),
    reference: difference(reference, start),
  };
}

async function evaluated(
  name: string,
  model: PeftModel,
  fixture: Fixture<Info>,
  rule: "add" | "joint",
): Promise<Comparison> {
  const { logits } = await model({ pixelValues: fixture.input("pixels") });
  const ours = (await logits.data()).slice() as Float32Array;
  logits.dispose();
  return one(name, "output", ours, fixture.group(`merged.${rule}`).get("logits")!);
}

function one(name: string, kind: Comparison["kind"], ours: Numbers, reference: Numbers): Comparison {
  return { name, kind, ours: new Map([[name, ours]]), reference: new Map([[name, reference]]) };
}

/** What changed. */
function difference(end: ReadonlyMap<string, Numbers>, start: ReadonlyMap<string, Numbers>): Map<string, Numbers> {
  const changes = [...end].map(
    ([key, data]) => [key, Float64Array.from(data, (x, i) => x - start.get(key)![i]!)] as const,
  );
  return new Map(changes.filter(([key]) => !isDecay(key)));
}
