// Group normalisation (Wu and He 2018), as torch.nn.functional.group_norm.

import type * as tf from "@tensorflow/tfjs";
import { PeftError } from "../errors.js";
import { normaliseGroups } from "./channelNorm.js";

/**
 * Group normalisation: y = (x - mean) / sqrt(var + eps) * weight + bias, with the mean and the biased variance of each
 * sample's group of channels.
 *
 * @param x [batch, channels, ...]
 * @param weight [channels]
 * @param bias [channels]
 * @param groups the channels are cut into so many equal groups
 * @param eps added to the variance
 * @returns [batch, channels, ...]
 * @throws PeftError SHAPE_MISMATCH if weight or bias is not [channels], or the channels are no multiple of `groups`
 */
export function groupNorm(
  x: tf.Tensor,
  weight: tf.Tensor,
  bias: tf.Tensor,
  { groups, eps }: { groups: number; eps: number },
): tf.Tensor {
  const channels = x.shape[1];
  if (channels === undefined || [weight, bias].some((t) => t.rank !== 1 || t.shape[0] !== channels)) {
    const shapes = `weight [${weight.shape}], bias [${bias.shape}]`;
    throw new PeftError("SHAPE_MISMATCH", `groupNorm: ${shapes} do not fit x [${x.shape}]`);
  }
  if (!Number.isInteger(groups) || groups < 1 || channels % groups !== 0) {
    throw new PeftError("SHAPE_MISMATCH", `groupNorm: ${channels} channels cannot be cut into ${groups} groups`);
  }
  return normaliseGroups({ x, weight, bias }, groups, eps);
}
