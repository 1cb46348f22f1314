// Replays what the original classes did in a fixture, with its owner maps and draws, and measures how far we are from it.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Batch,
  type BatchSource,
  getPeftModel,
  type HostArray,
  type HostModel,
  type ParameterData,
  PeftModel,
  SwinForImageClassification,
  Trainer,
  ViTForImageClassification,
} from "@peft/core";
import { type Fixture, type Numbers, readAll, readFixture } from "@peft/core/testing";
import { MosaConfig, type MosaFields } from "../config.js";
import type { MergeRule } from "../experts.js";
import { mergeExperts, mosaKeyOf } from "../merge.js";
import { mosaRecipe } from "../recipe.js";
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

interface Info
  extends Pick<
    MosaFields,
    "style" | "split" | "numExperts" | "bottleneck" | "scale" | "dropout" | "activation" | "addWeight" | "regWeight"
  > {
  readonly host: string;
  readonly layerNormEps: number;
  /** Of the draws. */
  readonly places: readonly string[];
  readonly steps: readonly { learningRate: number; loss: number }[];
  readonly gradientSteps: readonly number[];
  readonly optimizer: { learningRate: number; schedule: { warmupEpochs: number; epochs: number } };
  readonly official: Readonly<Record<string, { key: string; expert?: number }>>;
}

const PREFIX = "base_model.model.";

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

function hostOf(folder: string, { host, style, layerNormEps }: Info): Promise<HostModel> {
  const path = join(folder, host);
  return style === "swin"
    ? SwinForImageClassification.fromPretrained(path)
    : ViTForImageClassification.fromPretrained(path, { layerNormEps });
}

function configOf(info: Info, merge: MergeRule): MosaConfig {
  const { style, numExperts, bottleneck, split, scale, dropout, activation, addWeight, regWeight } = info;
  const common = { style, numExperts, bottleneck, split, scale, dropout, addWeight, regWeight, merge };
  return new MosaConfig({ ...common, ...(activation && { activation }) });
}

async function copyNumbers(from: PeftModel, to: PeftModel): Promise<void> {
  for (const [key, parameter] of to.adapterParameters()) {
    parameter.adopt((await from.adapterParameters().get(key)!.read()).slice());
  }
}

/** The fixture's start values and owner maps on a host, by the way of an adapter's file. */
async function adapted(host: HostModel, fixture: Fixture<Info>): Promise<PeftModel> {
  const { info, tensors } = fixture;
  const model = getPeftModel(host, configOf(info, "mean"));
  const starts = byKey(fixture, "start");
  for (const [key, parameter] of model.adapterParameters()) {
    const owner = tensors.get(PREFIX + key);
    if (owner) parameter.adopt(Int32Array.from(owner.data as Uint8Array));
    else if (!isDecay(key)) {
      parameter.adopt(Float32Array.from(starts.get(key) ?? starts.get(key.replace(/initial$/, "weight"))!));
    }
  }
  const folder = await mkdtemp(join(tmpdir(), "mosa-"));
  try {
    await model.savePretrained(folder);
    model.unload();
    return await PeftModel.fromPretrained(host, folder, { isTrainable: true });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Each step's batch, with the experts of each pass under the sites that they are drawn from. */
function draws(model: PeftModel, fixture: Fixture<Info>): Batch[] {
  const { data, shape } = fixture.input("draws");
  const [steps, passes, places] = shape as [number, number, number];
  const examples = { pixelValues: fixture.input("pixels"), labels: fixture.input("labels") };
  return Array.from({ length: steps }, (_, step) => {
    const experts: Record<string, HostArray> = {};
    for (const key of model.adapterParameters().keys()) {
      const found = /^(.*)\.(down|up)\.owner$/.exec(key);
      if (!found) continue;
      const place = fixture.info.places.indexOf(found[1]!);
      const at = (pass: number): number =>
        data[((step * passes + pass) * places + place) * 2 + (found[2] === "up" ? 1 : 0)]!;
      const drawn = Int32Array.from({ length: passes }, (_, pass) => at(pass));
      experts[key.replace(/owner$/, "experts")] = { data: drawn, shape: [passes], dtype: "int32" };
    }
    return { inputs: { ...examples, ...experts }, size: examples.labels.shape[0]! };
  });
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

/** Tensors of the fixture by our keys. */
function byKey(fixture: Fixture<Info>, group: string): Map<string, Numbers> {
  return new Map([...fixture.group(group)].map(([key, data]) => [key.replace(PREFIX, ""), data]));
}

/** A factor of decay, which the original does not have: it has whole tensors instead. */
function isDecay(key: string): boolean {
  return key.endsWith(".experts.decay");
}

/** What changed. */
function difference(end: ReadonlyMap<string, Numbers>, start: ReadonlyMap<string, Numbers>): Map<string, Numbers> {
  const changes = [...end].map(
    ([key, data]) => [key, Float64Array.from(data, (x, i) => x - start.get(key)![i]!)] as const,
  );
  return new Map(changes.filter(([key]) => !isDecay(key)));
}
