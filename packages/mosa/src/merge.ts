// Merging (`mosa.md` §3.6): the N experts of every place become one plain adapter, which costs what a plain adapter costs
// and is saved as one.

import { BottleneckConfig, compile, type Parameter, type ParameterData, PeftError, type PeftModel } from "@peft/core";
import * as tf from "@tensorflow/tfjs";
import { MosaConfig } from "./config.js";
import { mergedExperts } from "./experts.js";

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
 * await model.savePretrained("out"); // out/merged: a BOTTLENECK adapter, read by @peft/core alone
 * ```
 *
 * @returns the config of the plain adapter
 * @throws PeftError ADAPTER_UNKNOWN, ADAPTER_EXISTS; ARGUMENT_INVALID for an adapter of another method
 */
export async function mergeExperts(
  model: PeftModel,
  { adapterName = "default", mergedName = "merged" }: MergeExpertsOptions = {},
): Promise<BottleneckConfig> {
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

function plainConfig(config: MosaConfig): BottleneckConfig {
  const { style, modulesToSave, taskType, baseModelNameOrPath, revision } = config;
  const { norm: _, ...options } = config.adapterOptions();
  return new BottleneckConfig({ ...options, style, modulesToSave, taskType, baseModelNameOrPath, revision });
}

/** The numbers of every tensor of the plain adapter. The engine computes them, as it does in evaluation. */
async function mergedNumbers(
  source: ReadonlyMap<string, Parameter>,
  target: ReadonlyMap<string, Parameter>,
): Promise<Map<string, ParameterData>> {
  const numbers = new Map<string, ParameterData>();
  for (const key of target.keys()) {
    const mosaKey = key.replace(".bottleneck.", ".mosa.");
    const side = mosaKey.slice(0, mosaKey.lastIndexOf("."));
    const owner = source.get(`${side}.owner`);
    if (!owner) {
      numbers.set(key, await source.get(mosaKey)!.read());
      continue;
    }
    if (key.endsWith(".bias")) continue;
    const merge = compile(() =>
      mergedExperts({
        weight: source.get(`${side}.weight`)!,
        owner,
        initial: source.get(`${side}.initial`),
        bias: source.get(`${side}.experts.bias`)!,
        decay: source.get(`${side}.experts.decay`),
      }),
    );
    const merged = await merge();
    numbers.set(key, (await merged.weight.data()).slice() as Float32Array);
    numbers.set(key.replace(/weight$/, "bias"), (await merged.bias.data()).slice() as Float32Array);
    tf.dispose(merged);
  }
  return numbers;
}
