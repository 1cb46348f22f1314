// What every served training step has in common: how a host is filled, the options, and one step that has to end well.
import { adamW, type HostArray, type HostModel, type TrainingStep, type TrainingStepOptions } from "@peft/core";
import { noise } from "./noise.js";

/** As the PyTorch sides train. */
export const OPTIONS: TrainingStepOptions = { optimizer: adamW(), weightDecay: 0.01, clipNorm: 1 };

/** Numbers are made here as in PyTorch, not at the first step; ones and zeros stay as they are, being cheap. */
export function fill<Host extends HostModel>(host: Host): Host {
  for (const parameter of host.parameters().values()) {
    if (parameter.shape.length > 1) parameter.adopt(noise(parameter.size));
  }
  return host;
}

/** @param count steps done before this one */
export async function runStep(
  step: TrainingStep,
  inputs: Readonly<Record<string, HostArray>>,
  count: number,
): Promise<void> {
  const { loss } = await step.run(inputs, { learningRate: 1e-3, seed: 0, step: count });
  if (!Number.isFinite(loss)) throw new Error(`the loss is ${loss}`);
}
