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
  Trainer,
  ViTForImageClassification,
} from "@peft/core";
import { type Fixture, type Numbers, readAll, readFixture } from "@peft/core/testing";
import { MosaConfig, type MosaFields } from "../config.js";
import { mergeExperts } from "../merge.js";
import { mosaRecipe } from "../recipe.js";
import { probe } from "./probe.js";

/** One quantity, ours and the original's, tensor by tensor. */
export interface Comparison {
  readonly name: string;
  readonly kind: "loss" | "output" | "gradients" | "steps";
  readonly ours: ReadonlyMap<string, Numbers>;
  readonly reference: ReadonlyMap<string, Numbers>;
}

interface Info extends Pick<MosaFields, "numExperts" | "bottleneck" | "scale" | "dropout" | "addWeight" | "regWeight"> {
  readonly host: string;
  readonly layerNormEps: number;
  readonly split: MosaFields["split"];
  readonly activation: MosaFields["activation"];
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
  const { layerNormEps } = info;
  const host = await ViTForImageClassification.fromPretrained(join(folder, info.host), { layerNormEps });
  const model = await adapted(host, fixture);
  const trained = model.trainableParameters();
  const batches = draws(model, fixture);
  const start = await readAll(trained);
  const mergedStart = await mergedNumbers(model);
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
    await evaluated("logits in evaluation", model, fixture),
    await merged(model, mergedStart, fixture),
    await evaluated("logits of the merged adapter", model, fixture),
  );
  model.dispose();
  return compared;
}

/** The fixture's start values and owner maps on a host, by the way of an adapter's file. */
async function adapted(host: HostModel, fixture: Fixture<Info>): Promise<PeftModel> {
  const { info, tensors } = fixture;
  const { numExperts, bottleneck, split, scale, dropout, activation, addWeight, regWeight } = info;
  const config = new MosaConfig({ numExperts, bottleneck, split, scale, dropout, activation, addWeight, regWeight });
  const model = getPeftModel(host, config);
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
  const [steps, passes, blocks] = shape as [number, number, number];
  const examples = { pixelValues: fixture.input("pixels"), labels: fixture.input("labels") };
  return Array.from({ length: steps }, (_, step) => {
    const experts: Record<string, HostArray> = {};
    for (const key of model.adapterParameters().keys()) {
      const found = /layer\.(\d+)\..*\.(down|up)\.owner$/.exec(key);
      if (!found) continue;
      const at = (pass: number): number =>
        data[((step * passes + pass) * blocks + Number(found[1])) * 2 + (found[2] === "up" ? 1 : 0)]!;
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
  model: PeftModel,
  start: ReadonlyMap<string, ParameterData>,
  fixture: Fixture<Info>,
): Promise<Comparison> {
  await mergeExperts(model);
  const end = difference(await readAll(model.adapterParameters("merged")), start);
  model.deleteAdapter("default");
  model.setAdapter("merged");
  const wanted = [...byKey(fixture, "merged.add")].filter(([key]) => key !== "logits");
  const reference = new Map(wanted.map(([key, data]) => [key.replace(".mosa.", ".bottleneck."), data]));
  return {
    name: "merged experts, from the start on",
    kind: "steps",
    ours: new Map([...reference.keys()].map((key) => [key, end.get(key)!])),
    reference: difference(reference, start),
  };
}

async function evaluated(name: string, model: PeftModel, fixture: Fixture<Info>): Promise<Comparison> {
  const { logits } = await model({ pixelValues: fixture.input("pixels") });
  const ours = (await logits.data()).slice() as Float32Array;
  logits.dispose();
  return one(name, "output", ours, fixture.group("merged.add").get("logits")!);
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
