// LoRA on a two-dimensional convolution, as PEFT has it: A is a convolution of the layer's own windows down to r channels,
// B one of 1x1 up again. The host's groups are B's alone; A sees all channels.

import * as tf from "@tensorflow/tfjs";
import type { Parameter, ParameterData } from "../../engine/index.js";
import { PeftError } from "../../errors.js";
import { Conv2d } from "../../nn/index.js";
import { conv2d } from "../../ops/index.js";
import { initializers } from "./init.js";
import { LoraLayer, type LoraLayerOptions } from "./layer.js";
import type { Factors } from "./product.js";

/** [batch, in, height, width] to [batch, out, height', width']. */
export class ConvLora extends LoraLayer<Conv2d> {
  /** weight [r, in, kernel height, kernel width] */
  readonly lora_A: Conv2d;
  /** weight [out, r / groups, 1, 1], bias [out] */
  readonly lora_B: Conv2d;

  /** @throws PeftError TARGET_UNSUPPORTED where the rank cannot be shared among the groups, or for a start that is linear layers' own */
  constructor(base: Conv2d, options: LoraLayerOptions) {
    super(base, options);
    const { r, bias, init, seed } = options;
    const { groups = 1, ...windows } = base.windows;
    if (r % groups !== 0) {
      throw new PeftError("TARGET_UNSUPPORTED", `a rank of ${r} cannot be shared among ${groups} groups of channels`, {
        place: base.path,
        hint: "choose a multiple, by rankPattern for this layer alone, or leave the layer out",
      });
    }
    if (init === "orthogonal") {
      throw new PeftError("TARGET_UNSUPPORTED", 'the start "orthogonal" is for linear layers', { place: base.path });
    }
    const kernel = base.weight.shape.slice(2) as [number, number];
    const [a, b] = initializers(init, r, seed);
    this.lora_A = new Conv2d(base.inChannels, r, { kernel, bias: false, init: a, ...windows });
    this.lora_B = new Conv2d(r, base.outChannels, { kernel: [1, 1], bias, init: b, groups });
  }

  override get pair(): readonly [Parameter, Parameter] {
    return [this.lora_A.weight, this.lora_B.weight];
  }

  override get pairBias(): Parameter | undefined {
    return this.lora_B.bias;
  }

  override get unmergeable(): string | undefined {
    if ((this.base.windows.groups ?? 1) === 1) return super.unmergeable;
    return `${this.base.path} is a convolution in groups, and LoRA's update of it sees the channels of all of them`;
  }

  override get norm(): { axes: readonly number[]; shape: readonly number[] } {
    return { axes: [1, 2, 3], shape: [1, this.base.outChannels, 1, 1] };
  }

  override update(x: tf.Tensor): tf.Tensor {
    const narrow = this.lora_A.forward(x);
    const scaling = this.scalingFor(narrow);
    const { weight, bias, windows } = this.lora_B;
    const wide = conv2d(tf.mul(narrow, scaling), weight.value(), undefined, windows);
    return bias ? tf.add(wide, tf.mul(tf.reshape(bias.value(), [...this.norm.shape]), scaling)) : wide;
  }

  override bare(x: tf.Tensor): tf.Tensor {
    return conv2d(x, this.base.weight.value(), undefined, this.base.windows);
  }

  override product(): tf.Tensor {
    const [a, b] = this.scaledPair();
    const r = this.lora_A.outChannels;
    const flat = tf.matMul(tf.reshape(b, [-1, r]), tf.reshape(a, [r, -1]));
    return tf.reshape(flat, [...this.base.weight.shape]);
  }

  override factors(a: ParameterData, b: ParameterData): Factors {
    const r = this.lora_A.outChannels;
    const columns = this.lora_A.weight.size / r;
    const rows = this.base.outChannels;
    return { left: { data: b, step: r, rank: 1 }, right: { data: a, step: 1, rank: columns }, rows, columns, r };
  }
}
