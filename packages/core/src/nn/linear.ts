// The linear layer, with PyTorch's layout of the weight.

import type * as tf from "@tensorflow/tfjs";
import { Parameter } from "../engine/index.js";
import { linear } from "../ops/index.js";
import { type Initializer, zeros } from "./init.js";
import { Layer } from "./module.js";

export interface LinearOptions {
  /** @defaultValue true */
  bias?: boolean;
  /** Initial weight. @defaultValue zeros, for weights that are about to be loaded */
  init?: Initializer;
}

/** y = x W^T + b over the last axis: [..., in] to [..., out]. */
export class Linear extends Layer {
  /** [out, in] */
  readonly weight: Parameter;
  /** [out] */
  readonly bias?: Parameter;

  constructor(
    readonly inFeatures: number,
    readonly outFeatures: number,
    { bias = true, init = zeros }: LinearOptions = {},
  ) {
    super();
    const shape = [outFeatures, inFeatures];
    this.weight = new Parameter(shape, (name) => init(shape, name));
    if (bias) this.bias = Parameter.zeros([outFeatures]);
  }

  /** @param scale of the result */
  override forward(x: tf.Tensor, scale = 1): tf.Tensor {
    return linear(x, this.weight.value(), this.bias?.value(), scale);
  }
}
