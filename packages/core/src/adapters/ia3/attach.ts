// How (IA)3 is attached: which layers, and which of them are feed-forward layers.

import type { Parameter } from "../../engine/index.js";
import { PeftError } from "../../errors.js";
import type { HostModel, Naming } from "../../models/index.js";
import { Conv2d, getModule, Linear, slots } from "../../nn/index.js";
import { adapterParameters, composeAttachment } from "../attachment.js";
import { MergeableParameter, type Merges, mergeAll, unmergeAll } from "../mergeable.js";
import type { Attachment } from "../method.js";
import { fullMatch } from "../pythonPattern.js";
import { resolvedNames } from "../resolved.js";
import { assertSameFields } from "../sameFields.js";
import { savedModules } from "../savedModules.js";
import { findTargets, inEitherSpelling } from "../targets.js";
import { copyModulesToSave } from "../trainedCopies.js";
import { unwrap, wrap } from "../wrap.js";
import type { IA3Config } from "./config.js";
import { Ia3Vector } from "./layer.js";

/** Fields in which an adapter may differ from one that takes its place: they are in its tensors. */
const SWAPPED = ["feedforward_modules", "init_ia3_weights"];

export function attachIa3(host: HostModel, config: IA3Config, seed: number): Attachment {
  const { excludeModules } = config;
  const targetModules = config.targetModules ?? host.ia3Targets?.targetModules;
  if (!targetModules) {
    throw new PeftError("TARGET_NOT_FOUND", "this model has no usual targets for (IA)3", {
      place: "targetModules",
      hint: "name keys, values and the last layers of feed-forward networks, these in feedforwardModules too",
    });
  }
  const modulesToSave = savedModules(host, config.modulesToSave);
  const targets = findTargets(host, { targetModules, excludeModules, modulesToSave });
  const isFeedforward = feedforward(host, config);
  const layers = targets.map((path) => {
    const options = { isFeedforward: isFeedforward(path), init: config.initIa3Weights, seed };
    return [path, new Ia3Vector(layerAt(host, path), options)] as const;
  });
  const heads = copyModulesToSave(host, config, seed);

  const places = slots(host);
  const parameters = new Map<string, Parameter>();
  const merges: Merges[number][] = [];
  const parts = layers.map(([path, vector]) => {
    for (const [key, parameter] of adapterParameters(vector, path)) parameters.set(key, parameter);
    const weight = new MergeableParameter(places.get(`${path}.weight`)!);
    merges.push([weight, (value) => vector.mergedWith(value)]);
    if (vector.bias) {
      const bias = new MergeableParameter(places.get(`${path}.bias`)!);
      merges.push([bias, (value) => vector.mergedBias(value)]);
    }
    return wrap(places.get(path)!, (forward, x) => (weight.isMerged ? forward(x!) : vector.apply(forward, x!)));
  });
  for (const [name, parameter] of heads.parameters) parameters.set(name, parameter);

  return composeAttachment({
    parameters,
    parts: [heads, ...merges.map(([parameter]) => parameter), ...parts],
    copies: [heads],
    layers: targets,
    describe: (naming) => describe(host, config, targets, isFeedforward, naming),
    swap: (next) => {
      assertSameFields(config, next, SWAPPED);
      const other = feedforward(host, next as IA3Config);
      const stranger = targets.find((path) => other(path) !== isFeedforward(path));
      if (stranger === undefined) return async () => {};
      throw new PeftError("ARGUMENT_INVALID", `"${stranger}" is a feed-forward layer to one of the adapters only`, {
        place: "hotswapAdapter",
      });
    },
    merge: () => mergeAll(merges),
    unmerge: () => unmergeAll(merges),
  });
}

function layerAt(host: HostModel, path: string): Linear | Conv2d {
  const module = unwrap(getModule(host, path));
  if (module instanceof Linear || module instanceof Conv2d) return module;
  throw new PeftError(
    "TARGET_UNSUPPORTED",
    `(IA)3 is for linear layers and convolutions, and "${path}" is a ${module.constructor.name}`,
    { place: "targetModules", hint: "name the layers inside it, or exclude it with excludeModules" },
  );
}

/** PEFT's rule: a pattern must match the whole path, an entry of a list be its end, whether after a dot or not. */
export function feedforward(host: HostModel, config: IA3Config): (path: string) => boolean {
  const feedforwardModules = config.feedforwardModules ?? host.ia3Targets?.feedforwardModules ?? [];
  if (typeof feedforwardModules !== "string") {
    return inEitherSpelling(host.names, (path) => feedforwardModules.some((entry) => path.endsWith(entry)));
  }
  const pattern = fullMatch(feedforwardModules, "feedforwardModules");
  return inEitherSpelling(host.names, (path) => pattern.test(path));
}

function describe(
  host: HostModel,
  config: IA3Config,
  targets: readonly string[],
  isFeedforward: (path: string) => boolean,
  naming: Naming,
): Record<string, unknown> {
  // Apart, since PEFT wants the names of feed-forward modules to be among those of the targets.
  const inner = resolvedNames(host, targets.filter(isFeedforward), naming);
  const others = targets.filter((path) => !isFeedforward(path));
  return {
    ...config.toJSON(),
    target_modules: [...resolvedNames(host, others, naming), ...inner].sort(),
    feedforward_modules: inner,
    exclude_modules: null,
    fan_in_fan_out: false,
  };
}
