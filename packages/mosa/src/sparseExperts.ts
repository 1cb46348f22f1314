// Sparse experts in their compact form (`mosa.md` §3.7): they start alike and own disjoint entries, so that all of them fit
// into one tensor, W_e = W0 + (owner == e) * U, with N biases beside it.

import { type Initializer, Parameter } from "@peft/core";
import * as tf from "@tensorflow/tfjs";
import { type ExpertScope, Experts, type ExpertsOptions, type MergedExperts, oneHot, rowsOf } from "./experts.js";
import { ownerMap } from "./split.js";

export interface SplitLinearOptions extends ExpertsOptions {
  /** What all experts start with; left out: zeros, of which nothing needs to be kept. */
  readonly init?: Initializer;
}

export class SplitLinear extends Experts {
  /** [out, in]: each entry as its owner has it, W0 + U. */
  readonly weight: Parameter;
  /** [out, in]: W0, which an expert keeps in the entries that it does not own; absent where it is zero. */
  readonly initial?: Parameter;
  /** [out, in], int32: the expert that owns the entry. */
  readonly owner: Parameter;
  /** [out]: each entry as its owner has it, where biases are split; the other experts have 0 there. */
  readonly bias?: Parameter;
  /** [out], int32. */
  readonly bias_owner?: Parameter;
  /**
   * bias [N, out], where biases are replicated. decay [N], where there is an `initial`: what weight decay has left of it in
   * each expert, at first 1. It is trained, without a gradient, so that it decays as the owned entries do.
   */
  readonly experts: { readonly bias?: Parameter; readonly decay?: Parameter };

  constructor(inFeatures: number, outFeatures: number, options: SplitLinearOptions) {
    super(inFeatures, outFeatures, options);
    const { numExperts, splitMode, seed, init, bias = true, splitBias = false } = options;
    const shape = [outFeatures, inFeatures] as const;
    const owned = (of: readonly [number, number], held: readonly number[], mode: typeof splitMode): Parameter =>
      new Parameter(held, (name) => ownerMap(of, { numExperts, mode, seed, name }), { dtype: "int32" });
    this.weight = init ? new Parameter(shape, (name) => init(shape, name)) : Parameter.zeros(shape);
    // A tensor's first numbers hang on its name: these are to be those of the weight.
    if (init) this.initial = new Parameter(shape, (name) => init(shape, name.replace(/initial$/, "weight")));
    this.owner = owned(shape, shape, splitMode);
    if (bias && splitBias) {
      this.bias = Parameter.zeros([outFeatures]);
      this.bias_owner = owned([1, outFeatures], [outFeatures], "all");
    }
    const replicated = bias && !splitBias ? Parameter.zeros([numExperts, outFeatures]) : undefined;
    const decay = init ? new Parameter([numExperts], () => new Float32Array(numExperts).fill(1)) : undefined;
    this.experts = { ...(replicated && { bias: replicated }), ...(decay && { decay }) };
    this.own([this.weight]);
  }

  protected override weights(experts: tf.Tensor): tf.Tensor {
    const passes = experts.shape[0]!;
    const own = tf.cast(tf.equal(this.owner.value(), tf.reshape(experts, [passes, 1, 1])), "float32");
    const trained = tf.mul(own, this.weight.value());
    if (!this.initial || !this.experts.decay) return trained;
    const kept = tf.customGrad((decay) => ({
      value: tf.matMul(oneHot(experts, this.count), tf.reshape(decay as tf.Tensor, [-1, 1])),
      gradFunc: () => tf.zeros(this.experts.decay!.shape as [number]),
    }))(this.experts.decay.value());
    const common = tf.mul(this.initial.value(), tf.reshape(kept, [passes, 1, 1]));
    return tf.add(trained, tf.mul(tf.sub(1, own), common));
  }

  protected override biases(experts: tf.Tensor): tf.Tensor | undefined {
    if (this.experts.bias) return rowsOf(this.experts.bias.value(), experts);
    if (!this.bias || !this.bias_owner) return undefined;
    const own = tf.equal(this.bias_owner.value(), tf.reshape(experts, [-1, 1]));
    return tf.mul(tf.cast(own, "float32"), this.bias.value());
  }

  override merged(): MergedExperts {
    const bias = this.#mergedBias();
    return { weight: this.#mergedWeight(), ...(bias && { bias }) };
  }

  #mergedWeight(): tf.Tensor {
    const { merge = "mean" } = this.options;
    const share = tf.mul(this.weight.value(), 1 / this.count);
    if (!this.initial || !this.experts.decay || merge === "joint-legacy") return share;
    if (merge === "owner") return this.weight.value();
    // Of an entry, all experts but its owner have the initial weight.
    const decay = this.experts.decay.value();
    const others = tf.sub(tf.sum(decay), tf.gather(decay, this.owner.value() as tf.Tensor2D));
    return tf.add(share, tf.mul(tf.mul(others, this.initial.value()), 1 / this.count));
  }

  #mergedBias(): tf.Tensor | undefined {
    const { bias } = this.experts;
    if (!bias) return this.bias && tf.mul(this.bias.value(), 1 / this.count);
    if (this.options.merge !== "joint-legacy") return tf.mean(bias.value(), 0);
    // The original's masks of a replicated bias are all ones, so that the last expert has the last word.
    const last = tf.slice(bias.value(), [this.count - 1, 0], [1, this.outFeatures]);
    return tf.mul(tf.reshape(last, [this.outFeatures]), 1 / this.count);
  }

  override scopes(): ExpertScope[] {
    const { bias, decay } = this.experts;
    const gathered = (owner: Parameter) => (tensor: tf.Tensor) => tf.gather(tensor, owner.value() as tf.Tensor2D);
    const scopes: (ExpertScope | undefined)[] = [
      { parameter: this.weight, spread: gathered(this.owner) },
      this.bias && { parameter: this.bias, spread: gathered(this.bias_owner!) },
      bias && { parameter: bias, spread: (tensor) => tf.reshape(tensor, [-1, 1]) },
      decay && { parameter: decay, spread: (tensor) => tensor },
    ];
    return scopes.filter((scope) => scope !== undefined);
  }

  override get fixed(): Parameter[] {
    return [...this.owners, ...(this.initial ? [this.initial] : [])];
  }

  override get owners(): Parameter[] {
    return [this.owner, ...(this.bias_owner ? [this.bias_owner] : [])];
  }
}
