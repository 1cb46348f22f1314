// The fixtures that `reference/` makes from original implementations (`reference/README.md`): a pair of numbers and facts.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type HostTensor, parseSafetensors } from "../files/index.js";
import type { HostArray } from "../hostArray.js";
import { adamW, adamWLegacy, noDecay } from "../train/index.js";
import type { TrainingSettings } from "./training.js";

export interface Fixture<Info> {
  /** What the JSON says. */
  readonly info: Info;
  readonly tensors: ReadonlyMap<string, HostTensor>;
  /** The floating tensors whose names begin with `<prefix>.`, without that beginning: a new map. */
  group(prefix: string): Map<string, Float32Array>;
  /** A tensor as an argument of a compiled function: a copy. @throws if there is none, or it holds no float32 or int32 */
  input(name: string): HostArray & { readonly data: Float32Array | Int32Array; readonly dtype: "float32" | "int32" };
}

/** The pair `<folder>/<name>.safetensors` and `<folder>/<name>.json`. */
export function readFixture<Info = Record<string, unknown>>(folder: string, name: string): Fixture<Info> {
  const path = join(folder, name);
  const { tensors } = parseSafetensors(readFileSync(`${path}.safetensors`));
  return {
    info: JSON.parse(readFileSync(`${path}.json`, "utf8")) as Info,
    tensors,
    group(prefix) {
      const found = new Map<string, Float32Array>();
      for (const [key, { dtype, data }] of tensors) {
        if (dtype === "float32" && key.startsWith(`${prefix}.`)) found.set(key.slice(prefix.length + 1), data);
      }
      return found;
    },
    input(key) {
      const tensor = tensors.get(key);
      if (tensor?.dtype !== "float32" && tensor?.dtype !== "int32") {
        throw new Error(`${path} has no float32 or int32 tensor "${key}"`);
      }
      return { data: tensor.data.slice(), shape: tensor.shape, dtype: tensor.dtype };
    },
  };
}

/** The optimizer of the original's steps, as a fixture's JSON has it. */
export interface FixtureOptimizer {
  /** torch's, or that of the MoSA repository (`mosa.md` §6.1). */
  readonly name: "AdamW" | "AdamW of mosa.md §6.1";
  readonly learningRate: number;
  readonly betas: readonly [number, number];
  readonly eps: number;
  readonly weightDecay: number;
  /** Present where biases have no weight decay. */
  readonly noDecay?: "names containing `bias`";
  readonly steps: number;
}

/** The same optimizer here. */
export function fixtureTraining(optimizer: FixtureOptimizer): TrainingSettings {
  const { name, learningRate, betas, eps, weightDecay, steps } = optimizer;
  const made = { AdamW: adamW, "AdamW of mosa.md §6.1": adamWLegacy }[name]({ betas, eps });
  return { optimizer: made, learningRate, weightDecay, steps, groups: optimizer.noDecay ? [noDecay] : [] };
}
