// Merging (`mosa.md` §3.6): the N experts of every place become one plain adapter, which costs what a plain adapter costs
// and is saved as one: a bottleneck adapter or, of MoSL, PEFT's LoRA.

import {
  BottleneckConfig,
  compile,
  LoraConfig,
  type Parameter,
  type ParameterData,
  PeftError,
  type PeftModel,
} from "@peft/core";
import * as tf from "@tensorflow/tfjs";
import { MosaConfig } from "./config.js";
import { expertsAmong } from "./experts.js";
import { loraPath, loraTargets } from "./lora.js";

export interface MergeExpertsOptions {
  /** The MoSA adapter. @defaultValue "default" */
  readonly adapterName?: string;
  /** Of the plain adapter that is made. @defaultValue "merged" */
  readonly mergedName?: string;
}

/**
 * Makes one plain adapter of a MoSA adapter's experts, beside it and not active, on the same host. It computes what the
 * MoSA adapter does in evaluation. The experts stay as they are and can be trained further.
 *
 * ```ts
 * await mergeExperts(model);
 * model.deleteAdapter("default");
 * model.setAdapter("merged");
 * await model.savePretrained("out"); // out/merged: a BOTTLENECK adapter, read by @peft/core alone; of MoSL a LORA, by PEFT
 * ```
 *
 * @returns the config of the plain adapter
 * @throws PeftError ADAPTER_UNKNOWN, ADAPTER_EXISTS; ARGUMENT_INVALID for an adapter of another method
 */
export async function mergeExperts(
  model: PeftModel,
  { adapterName = "default", mergedName = "merged" }: MergeExpertsOptions = {},
): Promise<BottleneckConfig | LoraConfig> {
  const source = model.adapterParameters(adapterName);
  const config = model.peftConfig.get(adapterName);
  // By name: the ES module and the CommonJS build, loaded in one process, have a class each.
  if (config?.peftType !== MosaConfig.peftType) {
    throw new PeftError("ARGUMENT_INVALID", `the adapter is ${config?.peftType}, not MOSA`, { place: adapterName });
  }
  const plain = plainConfig(config as MosaConfig);
  model.addAdapter(mergedName, plain);
  try {
    const target = model.adapterParameters(mergedName);
    const numbers = await mergedNumbers(source, target);
    for (const [key, data] of numbers) target.get(key)!.adopt(data);
  } catch (error) {
    model.deleteAdapter(mergedName);
    throw error;
  }
  return plain;
}

function plainConfig(config: MosaConfig): BottleneckConfig | LoraConfig {
  const { style, modulesToSave, taskType, baseModelNameOrPath, revision } = config;
  const common = { modulesToSave, taskType, baseModelNameOrPath, revision };
  const { norm: _, learnsScale, ...options } = config.adapterOptions();
  if (style === "lora") {
    const { bottleneck: r, scale } = options;
    // The scale is loraAlpha / r. Dropout is left out: PEFT's acts in another place.
    return new LoraConfig({ r, loraAlpha: r * scale, targetModules: loraTargets(config.mode!), ...common });
  }
  return new BottleneckConfig({ ...options, ...(learnsScale && { scale: "learned" }), style, ...common });
}

/** The numbers of every tensor of the plain adapter. The engine computes them, as it does in evaluation. */
async function mergedNumbers(
  source: ReadonlyMap<string, Parameter>,
  target: ReadonlyMap<string, Parameter>,
): Promise<Map<string, ParameterData>> {
  const experts = expertsAmong(source);
  const numbers = new Map<string, ParameterData>();
  for (const key of target.keys()) {
    const mosaKey = mosaKeyOf(key);
    const side = experts.get(mosaKey.slice(0, mosaKey.lastIndexOf(".")));
    if (!side) {
      numbers.set(key, await source.get(mosaKey)!.read());
      continue;
    }
    if (key.endsWith(".bias")) continue;
    const merge = compile(() => {
      const { weight, bias } = side.merged();
      return bias ? [weight, bias] : [weight];
    });
    const merged = (await merge()) as tf.Tensor[];
    const [weight, bias] = await Promise.all(merged.map((tensor) => tensor.data()));
    numbers.set(key, weight!.slice() as Float32Array);
    if (bias) numbers.set(key.replace(/weight$/, "bias"), bias.slice() as Float32Array);
    tf.dispose(merged);
  }
  return numbers;
}

/** Where MoSA's file has what a plain adapter's has under this key. */
export function mosaKeyOf(key: string): string {
  const lora = /^(.*)\.lora_([AB])\.weight$/.exec(key);
  if (lora) return `${loraPath(lora[1]!)}.${lora[2] === "A" ? "down" : "up"}.weight`;
  return key.replace(".bottleneck.", ".mosa.");
}
