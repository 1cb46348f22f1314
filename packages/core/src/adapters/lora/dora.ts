// Weight-decomposed LoRA (Liu et al. 2024): the weight's direction is learnt by LoRA and its length by a vector of
// magnitudes m, y = m / ||W + scaling B A|| * (W + scaling B A) x + b. As §4.3 of the paper advises and PEFT does, the norm
// is a constant in the gradient.

import * as tf from "@tensorflow/tfjs";
import { compile, isTraining, Parameter, type ParameterData } from "../../engine/index.js";
import { PeftError } from "../../errors.js";
import type { LoraLayer, Update } from "./layer.js";
import { eachRow, type Factors } from "./product.js";

/** The magnitudes of one adapted layer, around its LoRA. */
export class Dora implements Update {
  /** One number for each output channel; for an embedding one for each column. */
  readonly magnitude: Parameter;
  readonly #lora: LoraLayer;
  /** The host's own weight, whatever stands in its place when others are merged. */
  readonly #weight: Parameter;

  /** @throws PeftError TARGET_UNSUPPORTED for a convolution in groups, whose update no weight can hold */
  constructor(lora: LoraLayer) {
    if (lora.unmergeable) {
      throw new PeftError("TARGET_UNSUPPORTED", `DoRA is not possible here: ${lora.unmergeable}`, {
        place: lora.base.path,
        hint: "leave the layer out, with excludeModules",
      });
    }
    this.#lora = lora;
    this.#weight = lora.base.weight;
    this.magnitude = Parameter.zeros(lora.norm.shape);
  }

  apply(forward: (x: tf.Tensor) => tf.Tensor, x: tf.Tensor): tf.Tensor {
    const lora = this.#lora;
    const factor = tf.div(this.magnitude.value(), this.#norm());
    const { bias } = lora.base;
    const shaped = bias && tf.reshape(bias.value(), [...lora.norm.shape]);
    const result = forward(x);
    if (isTraining() && lora.lora_dropout.rate > 0) {
      // The update is of the dropped input, and so is the part of the layer that it stretches.
      const dropped = lora.lora_dropout.forward(x);
      const stretched = tf.mul(lora.bare(dropped), tf.sub(factor, 1));
      return tf.add(result, tf.add(stretched, tf.mul(lora.update(dropped), factor)));
    }
    const own = shaped ? tf.sub(result, shaped) : result;
    const stretched = tf.mul(tf.add(own, lora.update(x)), factor);
    return shaped ? tf.add(stretched, shaped) : stretched;
  }

  mergedWith(weight: tf.Tensor): tf.Tensor {
    const { axes } = this.#lora.norm;
    const factor = tf.div(this.magnitude.value(), this.#norm());
    const alongWeight = weight.shape.map((size, axis) => (axes.includes(axis) ? 1 : size));
    return tf.mul(this.#lora.mergedWith(weight), tf.reshape(factor, alongWeight));
  }

  /**
   * Gives the magnitudes of several layers their first values, the norms themselves. Those of layers whose numbers the
   * engine holds are computed there; whatever runs later comes after.
   */
  static start(all: readonly Dora[]): void {
    const away = all.filter((dora) => !dora.#startHere());
    if (away.length === 0) return;
    const there = compile(() => {
      for (const dora of away) dora.magnitude.assign(dora.#norm());
      return [];
    });
    // A device that fails here fails the next call too, where somebody listens.
    void there().catch(() => {});
  }

  /** Whether all numbers were on the host. */
  #startHere(): boolean {
    const [weight, a, b] = [this.#weight, ...this.#lora.pair].map((parameter) => parameter.peek());
    const scale = this.#lora.scaling.peek();
    if (!weight || !a || !b || !scale) return false;
    this.magnitude.adopt(Float32Array.from(normsOf(weight, this.#lora.factors(a, b), scale[0]!, this.#byRow)));
    return true;
  }

  get #byRow(): boolean {
    return this.#lora.norm.axes[0] !== 0;
  }

  /** ||W + scaling B A||, in the magnitudes' shape, as a constant: a function of no inputs has no gradient. */
  #norm(): tf.Tensor {
    const { axes, shape } = this.#lora.norm;
    const norm = tf.customGrad(() => {
      const whole = this.#lora.mergedWith(this.#weight.value());
      return { value: tf.reshape(tf.sqrt(tf.sum(tf.square(whole), [...axes])), [...shape]), gradFunc: () => [] };
    });
    return norm();
  }
}

function normsOf(weight: ParameterData, factors: Factors, scale: number, byRow: boolean): Float64Array {
  const squares = new Float64Array(byRow ? factors.rows : factors.columns);
  eachRow(factors, scale, (row, i) => {
    for (let j = 0; j < row.length; j++) squares[byRow ? i : j]! += (weight[i * row.length + j]! + row[j]!) ** 2;
  });
  return squares.map(Math.sqrt);
}
