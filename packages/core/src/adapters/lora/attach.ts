// How LoRA is attached: which layers, with which rank and scaling, and which biases of the host go with them.

import * as tf from "@tensorflow/tfjs";
import type { Parameter } from "../../engine/index.js";
import { PeftError } from "../../errors.js";
import type { HostModel, Naming } from "../../models/index.js";
import { getModule, Linear, type Slot, slots } from "../../nn/index.js";
import { adapterParameters, composeAttachment } from "../attachment.js";
import type { Attachment } from "../method.js";
import { describeTargets, patternIn } from "../resolved.js";
import { findTargets, firstMatch, isAtOrBelow, type TargetRules } from "../targets.js";
import { copyModulesToSave, savedModules, TrainedCopies } from "../trainedCopies.js";
import { unwrap, wrap } from "../wrap.js";
import type { LoraConfig } from "./config.js";
import { LoraLayer, type LoraLayerOptions, MergeableWeight } from "./layer.js";

export function attachLora(host: HostModel, config: LoraConfig, seed: number): Attachment {
  const rules = targetRules(host, config);
  const targets = findTargets(host, rules);
  const layers = targets.map((path) => [path, linearAt(host, path)] as const);
  const heads = copyModulesToSave(host, config, seed);
  const biases = new TrainedCopies(host, trainedBiases(host, config, targets));

  const places = slots(host);
  const parameters = new Map<string, Parameter>();
  const adapted = layers.map(([path, linear]) => {
    const lora = new LoraLayer(linear, { ...optionsAt(path, host, config), seed });
    for (const [key, parameter] of adapterParameters(lora, path)) parameters.set(key, parameter);
    const weight = new MergeableWeight(places.get(`${path}.weight`)!);
    const part = wrapLinear(places.get(path)!, lora, weight);
    return { lora, weight, part };
  });
  const isAdapted = new Set(targets);
  for (const [name, parameter] of biases.parameters) parameters.set(biasKey(name, isAdapted), parameter);
  for (const [name, parameter] of heads.parameters) parameters.set(name, parameter);

  return composeAttachment({
    parameters,
    parts: [heads, biases, ...adapted.flatMap(({ weight, part }) => [weight, part])],
    copies: [heads, biases],
    own: adapted.map(({ lora }) => lora.scaling),
    describe: (naming) => describe(host, config, targets, naming),
    setScale: async (factor) => {
      await Promise.all(adapted.map(({ lora }) => lora.setScale(factor)));
    },
    merge: async () => {
      // All are computed before the first is put in place, so that an error leaves the host as it is.
      const merged: Float32Array[] = [];
      for (const { lora, weight } of adapted) merged.push(await lora.mergedWith(await weight.read()));
      for (const [i, { weight }] of adapted.entries()) weight.merge(merged[i]!);
    },
    unmerge: () => {
      for (const { weight } of adapted) weight.unmerge();
    },
  });
}

function wrapLinear(slot: Slot, lora: LoraLayer, weight: MergeableWeight): ReturnType<typeof wrap> {
  return wrap(slot, (forward, x) => (weight.isMerged ? forward(x!) : tf.add(forward(x!), lora.forward(x!))));
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

function linearAt(host: HostModel, path: string): Linear {
  const module = unwrap(getModule(host, path));
  if (module instanceof Linear) return module;
  throw new PeftError(
    "TARGET_UNSUPPORTED",
    `LoRA is for linear layers, and "${path}" is a ${module.constructor.name}`,
    {
      place: "targetModules",
      hint: "name the linear layers inside it, or exclude it with excludeModules",
    },
  );
}

function optionsAt(path: string, { names }: HostModel, config: LoraConfig): Omit<LoraLayerOptions, "seed"> {
  return {
    r: firstMatch(config.rankPattern, path, names, "rankPattern") ?? config.r,
    alpha: firstMatch(config.alphaPattern, path, names, "alphaPattern") ?? config.loraAlpha,
    useRslora: config.useRslora,
    dropout: config.loraDropout,
    init: config.initLoraWeights,
  };
}

function trainedBiases(host: HostModel, config: LoraConfig, targets: readonly string[]): string[] {
  if (config.bias === "none") return [];
  const biases = [...host.parameters().keys()].filter((name) => name.endsWith(".bias"));
  const saved = isAtOrBelow(savedModules(host, config.modulesToSave));
  const adapted = new Set(targets.map((path) => `${path}.bias`));
  return biases.filter((name) => (config.bias === "all" ? !saved(name) : adapted.has(name)));
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
