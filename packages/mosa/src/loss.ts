// The loss of a step (`mosa.md` §3.4): two passes over the same batch, of which the second is held to the first, and only
// on request to the labels.

import { klDivergence, type ModelInputs, type ModelOutput } from "@peft/core";
import * as tf from "@tensorflow/tfjs";

/** Of the mean squares between hidden states; a constant of the original. */
const DEEP_WEIGHT = 0.01;
/** Blocks whose outputs are compared. */
const DEEP_BLOCKS = 6;

/**
 * Which blocks the deep loss compares. The paper speaks of deep features; its code takes the first six (§3.9).
 */
export type DeepRegBlocks = "first6" | "last6";

export const DEEP_REG_BLOCKS = ["first6", "last6"] as const;

/** A batch twice, one pass after the other, so that the host's weights are read once for both. */
export function twice(inputs: ModelInputs): ModelInputs {
  const entries = Object.entries(inputs).map(([name, x]) => [name, x.rank === 0 ? x : tf.concat([x, x], 0)] as const);
  return Object.fromEntries(entries);
}

/** The outputs of the two passes of a batch made by `twice`. */
export function halves({ logits, hiddenStates }: ModelOutput): [ModelOutput, ModelOutput] {
  const half = (tensor: tf.Tensor, which: number): tf.Tensor => {
    const [rows, ...rest] = tensor.shape as [number, ...number[]];
    return tf.slice(tensor, [(which * rows) / 2, ...rest.map(() => 0)], [rows / 2, ...rest]);
  };
  const output = (which: number): ModelOutput => ({
    logits: half(logits, which),
    hiddenStates: hiddenStates.map((state) => half(state, which)),
  });
  return [output(0), output(1)];
}

/**
 * 1/2 (KL(sg softmax(q) || softmax(p)) + KL(sg softmax(p) || softmax(q))), the mean over the batch; sg stops the gradient.
 *
 * @param p [rows, classes], logits
 * @param q [rows, classes], logits
 * @returns a scalar
 */
export function symmetricKl(p: tf.Tensor, q: tf.Tensor): tf.Tensor {
  return tf.mul(tf.add(klDivergence(p, q), klDivergence(q, p)), 0.5);
}

/**
 * 0.01 / L * the sum over six of the L blocks of mean((H_i - H'_i)^2), with a gradient into both passes.
 *
 * @param first the embeddings' output and each block's, [batch, tokens, width]
 * @returns a scalar
 */
export function deepLoss(first: readonly tf.Tensor[], second: readonly tf.Tensor[], which: DeepRegBlocks): tf.Tensor {
  const blocks = first.length - 1;
  const from = which === "first6" ? 1 : Math.max(1, first.length - DEEP_BLOCKS);
  const terms = first
    .slice(from, from + DEEP_BLOCKS)
    .map((state, i) => tf.mean(tf.square(tf.sub(state, second[from + i]!))));
  return tf.mul(tf.addN(terms), DEEP_WEIGHT / blocks);
}

export interface LossWeights {
  /** Of the second pass's own cross-entropy. */
  readonly addWeight: number;
  /** Of the divergence between the passes, and of the deep loss. */
  readonly regWeight: number;
  readonly deepReg: boolean;
  readonly deepRegBlocks: DeepRegBlocks;
}

/**
 * CE(p) + addWeight CE(q) + regWeight KLsym(p, q) + regWeight deepLoss, the last where it is wanted.
 *
 * @param criterion the task's loss of a pass
 */
export function twoPassLoss(
  p: ModelOutput,
  q: ModelOutput,
  criterion: (output: ModelOutput) => tf.Tensor,
  { addWeight, regWeight, deepReg, deepRegBlocks }: LossWeights,
): tf.Tensor {
  const terms = [tf.reshape(criterion(p), [])];
  if (addWeight > 0) terms.push(tf.mul(tf.reshape(criterion(q), []), addWeight));
  if (regWeight > 0) {
    terms.push(tf.mul(symmetricKl(p.logits, q.logits), regWeight));
    if (deepReg) terms.push(tf.mul(deepLoss(p.hiddenStates, q.hiddenStates, deepRegBlocks), regWeight));
  }
  return tf.addN(terms);
}
