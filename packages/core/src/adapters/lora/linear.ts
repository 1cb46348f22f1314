// LoRA on a linear layer (Hu et al. 2021): y = W x + b + scaling * B A x.

import * as tf from "@tensorflow/tfjs";
import type { Parameter, ParameterData } from "../../engine/index.js";
import { Linear } from "../../nn/index.js";
import { linear } from "../../ops/index.js";
import { initializers } from "./init.js";
import { LoraLayer, type LoraLayerOptions } from "./layer.js";
import type { Factors } from "./product.js";

/** [..., in] to [..., out]. */
export class LinearLora extends LoraLayer<Linear> {
  /** weight [r, in] */
  readonly lora_A: Linear;
  /** weight [out, r], bias [out] */
  readonly lora_B: Linear;

  constructor(base: Linear, options: LoraLayerOptions) {
    super(base, options);
    const { r, bias, init, seed } = options;
    const [a, b] = initializers(init, r, seed);
    this.lora_A = new Linear(base.inFeatures, r, { bias: false, init: a });
    this.lora_B = new Linear(r, base.outFeatures, { bias, init: b });
  }

  override get pair(): readonly [Parameter, Parameter] {
    return [this.lora_A.weight, this.lora_B.weight];
  }

  override get pairBias(): Parameter | undefined {
    return this.lora_B.bias;
  }

  override get norm(): { axes: readonly number[]; shape: readonly number[] } {
    return { axes: [1], shape: [this.base.outFeatures] };
  }

  override update(x: tf.Tensor): tf.Tensor {
    const narrow = this.lora_A.forward(x);
    const scaling = this.scalingFor(narrow);
    const { weight, bias } = this.lora_B;
    // Scaled at the narrow side, where it costs r numbers a row.
    const wide = linear(tf.mul(narrow, scaling), weight.value());
    return bias ? tf.add(wide, tf.mul(bias.value(), scaling)) : wide;
  }

  override bare(x: tf.Tensor): tf.Tensor {
    return linear(x, this.base.weight.value());
  }

  override product(): tf.Tensor {
    const [a, b] = this.scaledPair();
    return tf.matMul(b as tf.Tensor2D, a as tf.Tensor2D);
  }

  override factors(a: ParameterData, b: ParameterData): Factors {
    const [rows, columns, r] = [this.base.outFeatures, this.base.inFeatures, this.lora_A.outFeatures];
    return { left: { data: b, step: r, rank: 1 }, right: { data: a, step: 1, rank: columns }, rows, columns, r };
  }
}
