// Batch normalisation with a trained scale and shift, and running moments that a training step moves. PyTorch's BatchNorm1d
// and BatchNorm2d are the same layer here.

import * as tf from "@tensorflow/tfjs";
import { isTraining, Parameter } from "../engine/index.js";
import { batchNorm, batchNormTraining } from "../ops/index.js";
import { ones } from "./init.js";
import { Layer } from "./module.js";

export interface BatchNormLayerOptions {
  /** Added to the variance. @defaultValue 1e-5 */
  eps?: number;
  /** The share of the batch's moments in the new running ones. @defaultValue 0.1 */
  momentum?: number;
}

/**
 * Normalises each channel, [batch, channels, ...] to the same shape: in a training step by the batch's moments, otherwise by
 * the running ones. What is counted and averaged has the names and places that it has in a checkpoint, and no gradient.
 */
export class BatchNorm extends Layer {
  /** [channels] */
  readonly weight: Parameter;
  /** [channels] */
  readonly bias: Parameter;
  /** [channels] */
  readonly running_mean: Parameter;
  /** [channels], unbiased */
  readonly running_var: Parameter;
  /** How many training steps the moments have seen, a scalar: int64 in PyTorch, float32 here, exact up to 2^24. */
  readonly num_batches_tracked: Parameter;
  readonly eps: number;
  readonly momentum: number;

  constructor(
    readonly channels: number,
    { eps = 1e-5, momentum = 0.1 }: BatchNormLayerOptions = {},
  ) {
    super();
    this.eps = eps;
    this.momentum = momentum;
    this.weight = new Parameter([channels], () => ones([channels], ""));
    this.bias = Parameter.zeros([channels]);
    this.running_mean = Parameter.zeros([channels]);
    this.running_var = new Parameter([channels], () => ones([channels], ""));
    this.num_batches_tracked = Parameter.zeros([]);
  }

  override forward(x: tf.Tensor): tf.Tensor {
    const [weight, bias] = [this.weight.value(), this.bias.value()];
    const moments = { mean: this.running_mean.value(), variance: this.running_var.value() };
    if (!isTraining()) return batchNorm(x, weight, bias, moments, this);
    const { y, running } = batchNormTraining(x, weight, bias, moments, this);
    this.running_mean.assign(running.mean);
    this.running_var.assign(running.variance);
    this.num_batches_tracked.assign(tf.add(this.num_batches_tracked.value(), 1));
    return y;
  }
}
