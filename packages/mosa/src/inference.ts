// Ways of using experts in evaluation, which the paper compares (`mosa.md` §3.6): merged, which is what a model does by
// itself; drawn at random; as an ensemble.

import type { ModelInputs, ModelOutput, PeftModel, TrainableModel } from "@peft/core";
import * as tf from "@tensorflow/tfjs";
import { type Experts, expertsAmong } from "./experts.js";
import { underExperts } from "./hooks.js";

/**
 * `merge`: all experts as one. `random`: an expert drawn at each place, a function of the call's seed and step as in training. `ensemble`: the mean
 * logits of N passes, the e-th of which uses the e-th expert everywhere, so that each place has each expert once.
 */
export type Inference = "merge" | "random" | "ensemble";

/**
 * A model as it is to be evaluated: for `evaluate`, or inside a compiled function. It shares everything with the model.
 *
 * @param adapterName @defaultValue "default"
 * @throws PeftError ADAPTER_UNKNOWN
 */
export function withInference(model: PeftModel, inference: Inference, adapterName = "default"): TrainableModel {
  const sides = [...expertsAmong(model.adapterParameters(adapterName)).values()];
  const forward = (inputs: ModelInputs): ModelOutput => model.forward(inputs);
  const ways: Readonly<Record<Inference, (inputs: ModelInputs) => ModelOutput>> = {
    merge: forward,
    random: (inputs) =>
      underExperts(
        sides,
        sides.map((side) => side.draw(1)),
        () => forward(inputs),
      ),
    ensemble: (inputs) => ensemble(sides, () => forward(inputs)),
  };
  return {
    forward: ways[inference],
    loss: (output, batch) => model.loss(output, batch),
    trainableParameters: () => model.trainableParameters(),
  };
}

function ensemble(sides: readonly Experts[], forward: () => ModelOutput): ModelOutput {
  const count = sides[0]?.count ?? 1;
  const outputs = Array.from({ length: count }, (_, e) => {
    const expert = tf.tensor1d([e], "int32");
    return underExperts(
      sides,
      sides.map(() => expert),
      forward,
    );
  });
  const mean = (tensors: tf.Tensor[]): tf.Tensor => tf.mul(tf.addN(tensors), 1 / count);
  return {
    logits: mean(outputs.map(({ logits }) => logits)),
    hiddenStates: outputs[0]!.hiddenStates.map((_, i) => mean(outputs.map(({ hiddenStates }) => hiddenStates[i]!))),
  };
}
