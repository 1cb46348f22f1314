// N sparse experts of one projection in their compact form (`mosa.md` §3.7): they start alike and own disjoint entries, so
// that all of them fit into one tensor, W_e = W0 + (owner == e) * U, with N biases beside it.

import { draw, type Initializer, isTraining, linear, Module, Parameter } from "@peft/core";
import * as tf from "@tensorflow/tfjs";
import { ownerMap, type SplitMode } from "./split.js";

export interface SplitLinearOptions {
  /** N */
  readonly numExperts: number;
  readonly splitMode: SplitMode;
  /** Of the owner map. */
  readonly seed: number;
  /** What all experts start with; left out: zeros, of which nothing needs to be kept. */
  readonly init?: Initializer;
}

export class SplitLinear extends Module {
  /** [out, in]: each entry as its owner has it, W0 + U. */
  readonly weight: Parameter;
  /** [out, in]: W0, which an expert keeps in the entries that it does not own; absent where it is zero. */
  readonly initial?: Parameter;
  /** [out, in], int32: the expert that owns the entry. */
  readonly owner: Parameter;
  /**
   * bias [N, out]: biases are replicated, not split. decay [N], where there is an `initial`: what weight decay has left of
   * it in each expert, at first 1. It is trained, without a gradient, so that it decays as the owned entries do.
   */
  readonly experts: { readonly bias: Parameter; readonly decay?: Parameter };
  readonly #out: number;
  readonly #in: number;
  #chosen: tf.Tensor | undefined;

  constructor(
    inFeatures: number,
    outFeatures: number,
    readonly options: SplitLinearOptions,
  ) {
    super();
    const { numExperts, splitMode: mode, seed, init } = options;
    const shape = [outFeatures, inFeatures] as const;
    this.#out = outFeatures;
    this.#in = inFeatures;
    this.weight = init ? new Parameter(shape, (name) => init(shape, name)) : Parameter.zeros(shape);
    // A tensor's first numbers hang on its name: these are to be those of the weight.
    if (init) this.initial = new Parameter(shape, (name) => init(shape, name.replace(/initial$/, "weight")));
    this.owner = new Parameter(shape, (name) => ownerMap(shape, { numExperts, mode, seed, name }), { dtype: "int32" });
    const bias = Parameter.zeros([numExperts, outFeatures]);
    this.experts = init
      ? { bias, decay: new Parameter([numExperts], () => new Float32Array(numExperts).fill(1)) }
      : { bias };
  }

  /** The site of its draws. */
  get site(): string {
    return `${this.path}.experts`;
  }

  /** Draws the expert of each pass, all samples and tokens of a pass sharing it: [passes], int32. */
  draw(passes: number): tf.Tensor {
    return draw(this.site, [passes], { kind: "integers", below: this.options.numExperts });
  }

  /** Runs the body with these experts, [passes], instead of one drawn. */
  withExperts<T>(experts: tf.Tensor, body: () => T): T {
    this.#chosen = experts;
    try {
      return body();
    } finally {
      this.#chosen = undefined;
    }
  }

  /**
   * In training an expert for each pass, else all of them merged.
   *
   * @param x [passes * batch, ..., in], one pass after the other
   * @param scale of the result
   * @returns [passes * batch, ..., out]
   */
  override forward(x: tf.Tensor, scale = 1): tf.Tensor {
    if (isTraining()) return this.#forward(x, this.#chosen ?? this.draw(1), scale);
    const { weight, bias } = mergedExperts({ ...this, ...this.experts });
    return linear(x, weight, bias, scale);
  }

  #forward(x: tf.Tensor, experts: tf.Tensor, scale: number): tf.Tensor {
    const passes = experts.shape[0]!;
    const scaled = (tensor: tf.Tensor): tf.Tensor => (scale === 1 ? tensor : tf.mul(tensor, scale));
    const rows = tf.reshape(x, [passes, x.size / passes / this.#in, this.#in]);
    const bias = tf.matMul(oneHot(experts, this.options.numExperts), this.experts.bias.value() as tf.Tensor2D);
    const y = tf.add(
      tf.matMul(rows, scaled(this.#weights(experts)), false, true),
      tf.reshape(scaled(bias), [passes, 1, this.#out]),
    );
    return tf.reshape(y, [...x.shape.slice(0, -1), this.#out]);
  }

  /** W_e of each pass, [passes, out, in], made where it is used. */
  #weights(experts: tf.Tensor): tf.Tensor {
    const passes = experts.shape[0]!;
    const own = tf.cast(tf.equal(this.owner.value(), tf.reshape(experts, [passes, 1, 1])), "float32");
    const trained = tf.mul(own, this.weight.value());
    if (!this.initial || !this.experts.decay) return trained;
    const kept = tf.customGrad((decay) => ({
      value: tf.matMul(oneHot(experts, this.options.numExperts), tf.reshape(decay as tf.Tensor, [-1, 1])),
      gradFunc: () => tf.zeros(this.experts.decay!.shape as [number]),
    }))(this.experts.decay.value());
    const common = tf.mul(this.initial.value(), tf.reshape(kept, [passes, 1, 1]));
    return tf.add(trained, tf.mul(tf.sub(1, own), common));
  }
}

/** The tensors of a split side. */
export interface ExpertParameters {
  /** [out, in] */
  readonly weight: Parameter;
  /** [out, in] */
  readonly owner: Parameter;
  /** [out, in]; absent where it is zero */
  readonly initial?: Parameter;
  /** [N, out] */
  readonly bias: Parameter;
  /** [N], where there is an `initial` */
  readonly decay?: Parameter;
}

/**
 * The mean of all experts (§3.6): weight [out, in], bias [out]. An up side becomes U / N: the expectation over the draws of
 * what is trained. Inside a compiled or eager function.
 */
export function mergedExperts({ weight, owner, initial, bias, decay }: ExpertParameters): {
  weight: tf.Tensor;
  bias: tf.Tensor;
} {
  const mean = { weight: tf.mul(weight.value(), 1 / bias.shape[0]!), bias: tf.mean(bias.value(), 0) };
  if (!initial || !decay) return mean;
  // Of an entry, all experts but its owner have the initial weight.
  const others = tf.sub(tf.sum(decay.value()), tf.gather(decay.value(), owner.value() as tf.Tensor2D));
  const rest = tf.mul(tf.mul(others, initial.value()), 1 / bias.shape[0]!);
  return { weight: tf.add(mean.weight, rest), bias: mean.bias };
}

/** [passes] to [passes, n]: 1 at the expert, else 0. */
export function oneHot(experts: tf.Tensor, n: number): tf.Tensor2D {
  const all = tf.tensor2d(
    Int32Array.from({ length: n }, (_, e) => e),
    [1, n],
    "int32",
  );
  return tf.cast(tf.equal(tf.reshape(experts, [-1, 1]), all), "float32") as tf.Tensor2D;
}
