// What the low-rank update of a layer is, whatever the layer: two narrow factors whose product has the shape of the
// layer's weight. One file beside this for each kind of layer: linear, convolution, embedding.

import * as tf from "@tensorflow/tfjs";
import { Parameter, type ParameterData } from "../../engine/index.js";
import { PeftError } from "../../errors.js";
import { Dropout, Layer } from "../../nn/index.js";
import type { Factors } from "./product.js";

/** How A and B start; see `LoraFields.initLoraWeights`. */
export type LoraInit = boolean | "gaussian" | "orthogonal";

export interface LoraLayerOptions {
  readonly r: number;
  readonly alpha: number;
  readonly useRslora: boolean;
  readonly dropout: number;
  /** Whether B has a bias. */
  readonly bias: boolean;
  readonly init: LoraInit;
  readonly seed: number;
}

/** A layer with a weight that can be adapted. */
export type Weighted = Layer & { readonly weight: Parameter; readonly bias?: Parameter };

/** What takes the place of a layer's forward pass, and of its weight when it is merged. */
export interface Update {
  /** @param forward the layer as it is so far, other adapters included */
  apply(forward: (x: tf.Tensor) => tf.Tensor, x: tf.Tensor): tf.Tensor;
  /** Inside a function that runs on the engine: the weight with the update in it. */
  mergedWith(weight: tf.Tensor): tf.Tensor;
}

/** scaling * B A dropout(x), beside a layer of the host. */
export abstract class LoraLayer<Base extends Weighted = Weighted> extends Layer implements Update {
  readonly lora_dropout: Dropout;
  readonly #base: Base;
  /** alpha / r, or alpha / sqrt(r): a scalar that nobody trains, so that another value needs no new graph. */
  readonly #scaling: Parameter;
  /** The scaling that it was trained with. */
  #trained: number;
  #examples?: tf.Tensor;

  constructor(base: Base, options: LoraLayerOptions) {
    super();
    this.lora_dropout = new Dropout(options.dropout);
    this.#base = base;
    this.#trained = trainedScale(options);
    this.#scaling = new Parameter([], Float32Array.of(this.#trained), { name: "scaling" });
  }

  /** The adapted layer. */
  get base(): Base {
    return this.#base;
  }

  get scaling(): Parameter {
    return this.#scaling;
  }

  /** Scales by `factor` times what the config says. */
  setScale(factor: number): Promise<void> {
    return this.#scaling.write(Float32Array.of(this.#trained * factor));
  }

  /** Scales as other options say. */
  rescale(options: Pick<LoraLayerOptions, "r" | "alpha" | "useRslora">): Promise<void> {
    this.#trained = trainedScale(options);
    return this.setScale(1);
  }

  /** See `Attachment.setExamples`. */
  setExamples(examples: tf.Tensor | undefined): void {
    this.#examples = examples;
  }

  /**
   * The scaling in a function that runs on the engine: a scalar or, for some examples only, a number for each.
   *
   * @param x what is to be scaled
   * @throws PeftError TARGET_UNSUPPORTED for a layer whose first axis is another
   */
  protected scalingFor(x: tf.Tensor): tf.Tensor {
    const examples = this.#examples;
    if (!examples) return this.#scaling.value();
    if (x.shape[0] === examples.size) {
      return tf.mul(tf.reshape(examples, [-1, ...x.shape.slice(1).map(() => 1)]), this.#scaling.value());
    }
    throw new PeftError("TARGET_UNSUPPORTED", `a layer's first axis is ${x.shape[0]} and the batch ${examples.size}`, {
      place: this.path,
      hint: "examples have adapters of their own only where layers keep them apart along the first axis",
    });
  }

  /** The scaling as it is. */
  async scale(): Promise<number> {
    return (await this.#scaling.read())[0]!;
  }

  /** The parameters of the two factors: A, then B. */
  abstract get pair(): readonly [a: Parameter, b: Parameter];
  /** The bias of B. */
  get pairBias(): Parameter | undefined {
    return undefined;
  }

  /** Why no weight can hold the update; undefined where one can. */
  get unmergeable(): string | undefined {
    if (!this.pairBias || this.base.bias) return undefined;
    return `${this.base.path} has no bias that could hold the one that LoRA adds`;
  }

  /** scaling * (B A x + bias): what is added to the layer's output. */
  abstract update(x: tf.Tensor): tf.Tensor;
  /** What the layer itself computes, without its bias. */
  abstract bare(x: tf.Tensor): tf.Tensor;
  /** A and B inside a function that runs on the engine, B scaled: it is narrow, where their product is not. */
  protected scaledPair(): [a: tf.Tensor, b: tf.Tensor] {
    const [a, b] = this.pair;
    return [a.value(), tf.mul(b.value(), this.#scaling.value())];
  }

  /** scaling * B A in the layout of the layer's weight, inside a function that runs on the engine. */
  abstract product(): tf.Tensor;
  /** B A on the host, from the numbers of A and B. */
  abstract factors(a: ParameterData, b: ParameterData): Factors;
  /** Axes of the weight over which DoRA takes its norms, and the shape in which they broadcast to the output. */
  abstract readonly norm: { readonly axes: readonly number[]; readonly shape: readonly number[] };

  override forward(x: tf.Tensor): tf.Tensor {
    return this.update(this.lora_dropout.forward(x));
  }

  apply(forward: (x: tf.Tensor) => tf.Tensor, x: tf.Tensor): tf.Tensor {
    return tf.add(forward(x), this.forward(x));
  }

  mergedWith(weight: tf.Tensor): tf.Tensor {
    return tf.add(weight, this.product());
  }

  /** bias + scaling * the bias of B. */
  mergedBias(bias: tf.Tensor): tf.Tensor {
    return tf.add(bias, tf.mul(this.pairBias!.value(), this.#scaling.value()));
  }
}

function trainedScale({ r, alpha, useRslora }: Pick<LoraLayerOptions, "r" | "alpha" | "useRslora">): number {
  return alpha / (useRslora ? Math.sqrt(r) : r);
}
