// Evaluation: a model's loss and accuracy over a source of batches.

import * as tf from "@tensorflow/tfjs";
import type { BatchSource } from "../data/index.js";
import { type CompiledFunction, compile } from "../engine/index.js";
import type { ModelInputs, ModelOutput } from "../models/index.js";
import type { TrainableModel } from "./model.js";

export interface Metrics {
  /** The mean over the examples. */
  readonly loss: number;
  /** The share of examples whose largest logit is their label's. Absent for what is not a classification. */
  readonly accuracy?: number;
  readonly examples: number;
}

export interface EvaluateOptions {
  readonly signal?: AbortSignal;
}

const calls = new WeakMap<TrainableModel, Map<string, CompiledFunction<tf.Tensor>>>();

/**
 * Evaluates a model on the first epoch of a source. The last batch runs at its own size: padded rows could not be kept
 * out of a loss that is one number a batch.
 *
 * @throws the signal's reason when it is aborted
 */
export async function evaluate(
  model: TrainableModel,
  source: BatchSource,
  { signal }: EvaluateOptions = {},
): Promise<Metrics> {
  const { hooks } = model;
  let [loss, correct, examples] = [0, 0, 0];
  await hooks?.beforeEvaluation?.();
  try {
    for await (const { inputs, size } of source.batches(0, { start: 0, signal })) {
      signal?.throwIfAborted();
      const names = Object.keys(inputs).sort();
      const result = await evaluation(model, names)(...names.map((name) => inputs[name]!));
      const [batchLoss, batchCorrect] = await result.data<"float32">();
      result.dispose();
      loss += batchLoss! * size;
      correct += batchCorrect!;
      examples += size;
    }
  } finally {
    await hooks?.afterEvaluation?.();
  }
  const mean = { loss: loss / examples, examples };
  return Number.isNaN(correct) ? mean : { ...mean, accuracy: correct / examples };
}

/** A compiled function from a batch to [loss, number of right answers or NaN], made once for a model. */
function evaluation(model: TrainableModel, names: readonly string[]): CompiledFunction<tf.Tensor> {
  const made = calls.get(model) ?? new Map<string, CompiledFunction<tf.Tensor>>();
  calls.set(model, made);
  const known = made.get(names.join());
  if (known) return known;
  const call = compile((...tensors) => {
    const batch = Object.fromEntries(names.map((name, i) => [name, tensors[i]!]));
    const output = model.forward(batch);
    return tf.stack([tf.reshape(model.loss(output, batch), []), countCorrect(output, batch)]);
  });
  made.set(names.join(), call);
  return call;
}

function countCorrect({ logits }: ModelOutput, { labels }: ModelInputs): tf.Tensor {
  const classifies =
    labels?.dtype === "int32" && labels.rank === 1 && logits.rank === 2 && labels.shape[0] === logits.shape[0];
  if (!classifies) return tf.scalar(Number.NaN);
  return tf.sum(tf.cast(tf.equal(tf.argMax(logits, 1), labels), "float32"));
}
