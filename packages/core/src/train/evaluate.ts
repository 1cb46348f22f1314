// Evaluation: a model's loss and metrics over a source of batches.

import * as tf from "@tensorflow/tfjs";
import { withoutRepeats } from "../data/batches.js";
import type { Batch, BatchSource } from "../data/index.js";
import { type ByName, compileByName } from "../engine/compileByName.js";
import type { ModelInputs, ModelOutput } from "../models/index.js";
import type { Metric } from "./metrics.js";
import type { TrainableModel } from "./model.js";

export interface Metrics {
  /** The mean over the examples, or over what `batchWeight` counts. */
  readonly loss: number;
  /** The share of examples whose largest logit is their label's. Absent for what is not a classification. */
  readonly accuracy?: number;
  readonly examples: number;
  /** By the name of the metric. */
  readonly [name: string]: number | undefined;
}

export interface EvaluateOptions {
  /** Beside the loss, and the accuracy of a classification. @defaultValue none */
  readonly metrics?: readonly Metric[];
  /** What a batch's loss is the mean of. @defaultValue its number of examples */
  readonly batchWeight?: (batch: Batch) => number;
  readonly signal?: AbortSignal;
}

/** [loss, number of right answers or NaN], then the numbers of each metric. */
type Evaluation = ByName<tf.Tensor[]>;

interface Made {
  readonly metrics: readonly Metric[];
  readonly evaluation: Evaluation;
}

const calls = new WeakMap<TrainableModel, Made[]>();

/**
 * Evaluates a model on the first epoch of a source, each example once: what fills a last batch (`repeats`) is left out, since
 * it could not be kept out of a loss that is one number a batch.
 *
 * @throws the signal's reason when it is aborted; PeftError DATA_INVALID for a batch that the model cannot look up
 */
export async function evaluate(
  model: TrainableModel,
  source: BatchSource,
  { signal, metrics = [], batchWeight = ({ size }) => size }: EvaluateOptions = {},
): Promise<Metrics> {
  const { hooks } = model;
  let [loss, weight, correct, examples] = [0, 0, 0, 0];
  const sums: Float64Array[] = [];
  const evaluation = evaluationOf(model, metrics);
  await hooks?.beforeEvaluation?.();
  try {
    for await (const given of source.batches(0, { start: 0, signal })) {
      signal?.throwIfAborted();
      const batch = withoutRepeats(given);
      const { inputs, size } = batch;
      model.checkInputs?.(inputs);
      const names = Object.keys(inputs).sort();
      const results = await evaluation(names)(...names.map((name) => inputs[name]!));
      const [base, ...added] = await Promise.all(results.map((tensor) => tensor.data()));
      tf.dispose(results);
      const share = batchWeight(batch);
      loss += base![0]! * share;
      weight += share;
      correct += base![1]!;
      examples += size;
      for (const [i, numbers] of added.entries()) {
        sums[i] = metrics[i]!.keepsAll ? behind(sums[i], numbers) : plus(sums[i], numbers);
      }
    }
  } finally {
    await hooks?.afterEvaluation?.();
  }
  const named = metrics.map(({ name, value }, i) => [name, value(sums[i] ?? new Float64Array(), examples)] as const);
  const mean = { ...Object.fromEntries(named), loss: loss / weight, examples };
  return Number.isNaN(correct) ? mean : { ...mean, accuracy: correct / examples };
}

function plus(sums: Float64Array | undefined, numbers: ArrayLike<number>): Float64Array {
  const total = sums ?? new Float64Array(numbers.length);
  for (let i = 0; i < total.length; i++) total[i]! += numbers[i]!;
  return total;
}

function behind(kept: Float64Array | undefined, numbers: ArrayLike<number>): Float64Array {
  const before = kept ?? new Float64Array();
  const all = new Float64Array(before.length + numbers.length);
  all.set(before);
  all.set(numbers, before.length);
  return all;
}

/** The compiled functions over batches, made once for a model and its metrics. */
function evaluationOf(model: TrainableModel, metrics: readonly Metric[]): Evaluation {
  const made = calls.get(model) ?? [];
  calls.set(model, made);
  const same = (other: readonly Metric[]) => other.length === metrics.length && other.every((m, i) => m === metrics[i]);
  const known = made.find((one) => same(one.metrics));
  if (known) return known.evaluation;
  const evaluation = compileByName((batch) => {
    const output = model.forward(batch);
    const base = tf.stack([tf.reshape(model.loss(output, batch), []), countCorrect(output, batch)]);
    return [base, ...metrics.map((metric) => metric.sums(output, batch))];
  });
  made.push({ metrics, evaluation });
  return evaluation;
}

function countCorrect({ logits }: ModelOutput, { labels }: ModelInputs): tf.Tensor {
  const classifies =
    labels?.dtype === "int32" && labels.rank === 1 && logits.rank === 2 && labels.shape[0] === logits.shape[0];
  if (!classifies) return tf.scalar(Number.NaN);
  return tf.sum(tf.cast(tf.equal(tf.argMax(logits, 1), labels), "float32"));
}
