// How LoRA is attached: which layers, with which rank and scaling, and which biases of the host go with them.

import type * as tf from "@tensorflow/tfjs";
import type { Parameter } from "../../engine/index.js";
import { env } from "../../env.js";
import { PeftError } from "../../errors.js";
import type { HostModel, Naming } from "../../models/index.js";
import { Conv2d, Embedding, getModule, Linear, type Module, slots } from "../../nn/index.js";
import { adapterParameters, composeAttachment } from "../attachment.js";
import { MergeableParameter, type Merges, mergeAll, unmergeAll } from "../mergeable.js";
import type { Attachment } from "../method.js";
import { describeTargets, patternIn } from "../resolved.js";
import { assertSameFields } from "../sameFields.js";
import { savedModules, savedParameters } from "../savedModules.js";
import { findTargets, firstMatch, type TargetRules } from "../targets.js";
import { copyModulesToSave, TrainedCopies } from "../trainedCopies.js";
import { type Part, unwrap, wrap } from "../wrap.js";
import { layersOf } from "./combine.js";
import type { LoraConfig } from "./config.js";
import { ConvLora } from "./conv.js";
import { Dora } from "./dora.js";
import { EmbeddingLora } from "./embedding.js";
import type { LoraLayer, LoraLayerOptions } from "./layer.js";
import { LinearLora } from "./linear.js";

/** Fields in which an adapter may differ from one that takes its place: they are in its tensors or its scalings. */
const SWAPPED = ["r", "lora_alpha", "rank_pattern", "alpha_pattern", "use_rslora", "init_lora_weights"];

export function attachLora(host: HostModel, config: LoraConfig, seed: number): Attachment {
  const rules = targetRules(host, config);
  const targets = findTargets(host, rules);
  const layers = targets.map((path) => loraAt(host, path, { ...optionsAt(path, host, config), seed }));
  const heads = copyModulesToSave(host, config, seed);
  const biases = new TrainedCopies(host, trainedBiases(host, config, targets));

  const places = slots(host);
  const parameters = new Map<string, Parameter>();
  const merges: Merges[number][] = [];
  // All are made before the first is put in its place, so that an error leaves the host as it is.
  const doras = new Map(config.useDora ? layers.map(([path, lora]) => [path, new Dora(lora)]) : []);
  const parts: Part[] = layers.map(([path, lora]) => {
    for (const [key, parameter] of adapterParameters(lora, path)) parameters.set(key, parameter);
    const dora = doras.get(path);
    if (dora) {
      const key = `${path}.lora_magnitude_vector`;
      dora.magnitude.name = key;
      parameters.set(key, dora.magnitude);
    }
    const update = dora ?? lora;
    const weight = new MergeableParameter(places.get(`${path}.weight`)!);
    merges.push([weight, (value) => update.mergedWith(value)]);
    if (lora.pairBias && lora.base.bias) {
      merges.push([new MergeableParameter(places.get(`${path}.bias`)!), (value) => lora.mergedBias(value)]);
    }
    return wrap(places.get(path)!, (forward, x) => (weight.isMerged ? forward(x!) : update.apply(forward, x!)));
  });
  Dora.start([...doras.values()]);
  const isAdapted = new Set(targets);
  for (const [name, parameter] of biases.parameters) parameters.set(biasKey(name, isAdapted), parameter);
  for (const [name, parameter] of heads.parameters) parameters.set(name, parameter);

  let current = config;
  const attachment = composeAttachment({
    parameters,
    parts: [heads, biases, ...merges.map(([parameter]) => parameter), ...parts],
    copies: [heads, biases],
    own: layers.map(([, lora]) => lora.scaling),
    layers: targets,
    describe: (naming) => describe(host, current, targets, naming),
    setScale: async (factorAt) => {
      await Promise.all(layers.map(([path, lora]) => lora.setScale(factorAt(path))));
    },
    ...(!config.useDora && {
      setExamples: (examples: tf.Tensor | undefined) => {
        for (const [, lora] of layers) lora.setExamples(examples);
      },
    }),
    swap: (next) => {
      assertSameFields(current, next, SWAPPED);
      return async () => {
        current = next as LoraConfig;
        await Promise.all(layers.map(([path, lora]) => lora.rescale(optionsAt(path, host, current))));
      };
    },
    merge:
      layers.map(([, lora]) => lora.unmergeable).find(Boolean) ??
      (async () => {
        warnOfTied(host, targets);
        await mergeAll(merges);
      }),
    unmerge: () => unmergeAll(merges),
  });
  layersOf.set(attachment, new Map(layers));
  return attachment;
}

function targetRules(host: HostModel, config: LoraConfig): TargetRules {
  const targetModules = config.targetModules ?? host.defaultTargets;
  if (!targetModules) {
    throw new PeftError("TARGET_NOT_FOUND", "this model has no usual targets for LoRA", {
      place: "targetModules",
      hint: 'name the modules to adapt, or "all-linear"',
    });
  }
  return { ...config, targetModules, modulesToSave: savedModules(host, config.modulesToSave) };
}

/** The kinds of layers that LoRA is for, each with what it becomes there. */
const KINDS: readonly ((module: Module, options: LoraLayerOptions) => LoraLayer | undefined)[] = [
  (module, options) => (module instanceof Linear ? new LinearLora(module, options) : undefined),
  (module, options) => (module instanceof Conv2d ? new ConvLora(module, options) : undefined),
  (module, options) => (module instanceof Embedding ? new EmbeddingLora(module, options) : undefined),
];

function loraAt(host: HostModel, path: string, options: LoraLayerOptions): [path: string, lora: LoraLayer] {
  const module = unwrap(getModule(host, path));
  assertCalled(host, path);
  for (const kind of KINDS) {
    const lora = kind(module, options);
    if (lora) return [path, lora];
  }
  throw new PeftError(
    "TARGET_UNSUPPORTED",
    `LoRA is for linear layers, convolutions and embeddings, and "${path}" is a ${module.constructor.name}`,
    {
      place: "targetModules",
      hint: "name the layers inside it, or exclude it with excludeModules",
    },
  );
}

/** @throws PeftError TARGET_UNSUPPORTED for a module that computes nothing in transformers, so that an adapter has no effect */
function assertCalled(host: HostModel, path: string): void {
  const tied = host.tiedWeights.find(({ parameter, isCalled }) => parameter === `${path}.weight` && !isCalled);
  if (!tied) return;
  const modules = tied.copies.map((copy) => copy.replace(/\.weight$/, ""));
  throw new PeftError("TARGET_UNSUPPORTED", `transformers never runs "${path}", only ${modules.join(", ")}`, {
    place: "targetModules",
    hint: "leave it out, since an adapter there has no effect in Python; FullConfig trains the tied weight as one",
  });
}

/** Merged numbers stand in the tensor that all have, where the adapter worked in one of its modules only. */
function warnOfTied(host: HostModel, targets: readonly string[]): void {
  for (const { parameter, copies } of host.tiedWeights) {
    if (!targets.some((path) => parameter === `${path}.weight`)) continue;
    const message = `merging into ${parameter} changes ${copies.join(", ")} too: they are one tensor`;
    env.warn({ code: "MERGE_TIED", message });
  }
}

function optionsAt(path: string, { names }: HostModel, config: LoraConfig): Omit<LoraLayerOptions, "seed"> {
  const r = firstMatch(config.rankPattern, path, names, "rankPattern") ?? config.r;
  if (config.initLoraWeights === "orthogonal" && r % 2 !== 0) {
    throw new PeftError("CONFIG_INVALID", `the start "orthogonal" needs an even rank, and "${path}" has ${r}`, {
      place: "initLoraWeights",
    });
  }
  return {
    r,
    alpha: firstMatch(config.alphaPattern, path, names, "alphaPattern") ?? config.loraAlpha,
    useRslora: config.useRslora,
    dropout: config.loraDropout,
    bias: config.loraBias,
    init: config.initLoraWeights,
  };
}

function trainedBiases(host: HostModel, config: LoraConfig, targets: readonly string[]): string[] {
  if (config.bias === "none") return [];
  const biases = [...host.parameters().keys()].filter((name) => name.endsWith(".bias"));
  const saved = savedParameters(host, savedModules(host, config.modulesToSave));
  const adapted = new Set(targets.map((path) => `${path}.bias`));
  return biases.filter((name) => (config.bias === "all" ? !saved.has(name) : adapted.has(name)));
}

/** PEFT keeps an adapted layer under `base_layer`, and its bias has that name in the file. */
function biasKey(name: string, targets: ReadonlySet<string>): string {
  const path = name.slice(0, -".bias".length);
  return targets.has(path) ? `${path}.base_layer.bias` : name;
}

function describe(
  host: HostModel,
  config: LoraConfig,
  targets: readonly string[],
  naming: Naming,
): Record<string, unknown> {
  const named = (patterns: Readonly<Record<string, number>>) => patternIn(host, patterns, targets, naming);
  return {
    ...config.toJSON(),
    ...describeTargets(host, targets, naming),
    rank_pattern: named(config.rankPattern),
    alpha_pattern: named(config.alphaPattern),
    fan_in_fan_out: false,
  };
}
