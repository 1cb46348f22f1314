// Replays what the original classes did in a fixture, with its owner maps and draws, and measures how far we are from it.

import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Batch,
  type BatchSource,
  compile,
  getPeftModel,
  gradients,
  type HostArray,
  type HostModel,
  type HostTensor,
  inTraining,
  type Parameter,
  type ParameterData,
  PeftModel,
  parseSafetensors,
  type StepContext,
  Trainer,
  ViTForImageClassification,
} from "@peft/core";
import * as tf from "@tensorflow/tfjs";
import { MosaConfig, type MosaFields } from "../config.js";
import { mergeExperts } from "../merge.js";
import { mosaRecipe } from "../recipe.js";

export type Numbers = ArrayLike<number>;

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
 * @param path of the fixture, without `.json`
 */
export async function replay(path: string): Promise<Comparison[]> {
  const info = JSON.parse(await readFile(`${path}.json`, "utf8")) as Info;
  const { tensors } = parseSafetensors(await readFile(`${path}.safetensors`));
  const host = await ViTForImageClassification.fromPretrained(join(path, "..", info.host), {
    layerNormEps: info.layerNormEps,
  });
  const model = await adapted(host, info, tensors);
  const trained = model.trainableParameters();
  const batches = draws(model, tensors);
  const start = await readAll(trained);
  const mergedStart = await mergedNumbers(model);
  const expertsStart = await expertWeights(model, info);

  const probe = new Probe(model);
  const losses: number[] = [];
  const rates: number[] = [];
  const compared: Comparison[] = [];
  const probed = async (step: number): Promise<void> => {
    const { logits, grads } = await probe.at(batches[step - 1]!);
    if (step === 1) compared.push(one("logits of step 1", "output", logits, numbersOf(tensors, "output.logits")));
    if (!info.gradientSteps.includes(step)) return;
    compared.push({
      name: `gradients of step ${step}`,
      kind: "gradients",
      ours: grads,
      reference: group(tensors, `grad${step}.`),
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
      reference: group(tensors, "delta."),
    },
    {
      name: "p10 - p0 of every expert, with what it does not own",
      kind: "steps",
      ours: difference(await expertWeights(model, info), expertsStart),
      reference: new Map([...expertsStart.keys()].map((name) => [name, numbersOf(tensors, `official.delta.${name}`)])),
    },
    await evaluated("logits in evaluation", model, tensors),
    await merged(model, mergedStart, tensors),
    await evaluated("logits of the merged adapter", model, tensors),
  );
  model.dispose();
  return compared;
}

/** The fixture's start values and owner maps on a host, by the way of an adapter's file. */
async function adapted(host: HostModel, info: Info, tensors: ReadonlyMap<string, HostTensor>): Promise<PeftModel> {
  const { numExperts, bottleneck, split, scale, dropout, activation, addWeight, regWeight } = info;
  const config = new MosaConfig({ numExperts, bottleneck, split, scale, dropout, activation, addWeight, regWeight });
  const model = getPeftModel(host, config);
  const starts = group(tensors, "start.");
  for (const [key, parameter] of model.adapterParameters()) {
    const owner = tensors.get(PREFIX + key);
    if (owner) parameter.adopt(Int32Array.from(owner.data as Uint8Array));
    else if (!key.endsWith(".decay")) {
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
function draws(model: PeftModel, tensors: ReadonlyMap<string, HostTensor>): Batch[] {
  const { data, shape } = tensors.get("draws") as { data: Int32Array; shape: readonly number[] };
  const [steps, passes, blocks] = shape as [number, number, number, number];
  const input = (name: string, dtype: HostArray["dtype"]): HostArray => {
    const tensor = tensors.get(name)!;
    return { data: tensor.data as Float32Array, shape: tensor.shape, dtype };
  };
  const examples = { pixelValues: input("pixels", "float32"), labels: input("labels", "int32") };
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

/** The gradients and first logits of a step that is about to be taken, without taking it. */
class Probe {
  constructor(readonly model: PeftModel) {}

  async at({ inputs }: Batch): Promise<{ logits: Numbers; grads: Map<string, Numbers> }> {
    const { model } = this;
    const hooks = model.hooks!;
    const trained = model.trainableParameters();
    const names = Object.keys(inputs);
    const step = compile((...values) =>
      inTraining(() => {
        let logits: tf.Tensor | undefined;
        const context: StepContext = {
          batch: Object.fromEntries(names.map((name, i) => [name, values[i]!])),
          forward: (given) => model.forward(given),
          criterion: (output, batch) => {
            logits ??= tf.keep(tf.clone(output.logits));
            return model.loss(output, batch);
          },
        };
        const { gradients: grads } = gradients(() => hooks.loss!(context), [...trained.values()]);
        return { logits: logits!, grads };
      }),
    );
    // The method counts in its loss, which is to be without effect here.
    const state = [...hooks.state!.values()];
    const before: ParameterData[] = await Promise.all(state.map((parameter) => parameter.read()));
    const found = await step(...names.map((name) => inputs[name]!));
    for (const [i, parameter] of state.entries()) parameter.adopt(before[i]!);
    const numbers = await Promise.all(found.grads.map((tensor) => tensor.data()));
    const logits = (await found.logits.data()).slice() as Float32Array;
    tf.dispose(found);
    const grads = new Map([...trained.keys()].map((key, i) => [key, numbers[i]!.slice() as Float32Array]));
    for (const key of grads.keys()) if (key.endsWith(".decay")) grads.delete(key);
    return { logits, grads };
  }
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
  tensors: ReadonlyMap<string, HostTensor>,
): Promise<Comparison> {
  await mergeExperts(model);
  const end = difference(await readAll(model.adapterParameters("merged")), start);
  model.deleteAdapter("default");
  model.setAdapter("merged");
  const plainKey = (key: string): string => key.replace(".mosa.", ".bottleneck.");
  const wanted = [...group(tensors, "merged.add.")].filter(([key]) => key !== "logits");
  const reference = new Map(wanted.map(([key, data]) => [plainKey(key), data]));
  return {
    name: "merged experts, from the start on",
    kind: "steps",
    ours: new Map([...reference.keys()].map((key) => [key, end.get(key)!])),
    reference: difference(reference, start),
  };
}

async function evaluated(
  name: string,
  model: PeftModel,
  tensors: ReadonlyMap<string, HostTensor>,
): Promise<Comparison> {
  const { logits } = await model({ pixelValues: tensors.get("pixels") as HostArray });
  const ours = (await logits.data()).slice() as Float32Array;
  logits.dispose();
  return one(name, "output", ours, numbersOf(tensors, "merged.add.logits"));
}

function numbersOf(tensors: ReadonlyMap<string, HostTensor>, name: string): Numbers {
  return tensors.get(name)!.data as Float32Array;
}

function one(name: string, kind: Comparison["kind"], ours: Numbers, reference: Numbers): Comparison {
  return { name, kind, ours: new Map([[name, ours]]), reference: new Map([[name, reference]]) };
}

function group(tensors: ReadonlyMap<string, HostTensor>, prefix: string): Map<string, Numbers> {
  return new Map(
    [...tensors]
      .filter(([key]) => key.startsWith(prefix))
      .map(([key, { data }]) => [key.slice(prefix.length).replace(PREFIX, ""), data as Float32Array]),
  );
}

async function readAll(parameters: ReadonlyMap<string, Parameter>): Promise<Map<string, ParameterData>> {
  const numbers = new Map<string, ParameterData>();
  for (const [key, parameter] of parameters) numbers.set(key, await parameter.read());
  return numbers;
}

/** What changed, without the factors of decay, which the original does not have. */
function difference(end: ReadonlyMap<string, Numbers>, start: ReadonlyMap<string, Numbers>): Map<string, Numbers> {
  const changes = [...end].map(
    ([key, data]) => [key, Float64Array.from(data, (x, i) => x - start.get(key)![i]!)] as const,
  );
  return new Map(changes.filter(([key]) => !key.endsWith(".decay")));
}
