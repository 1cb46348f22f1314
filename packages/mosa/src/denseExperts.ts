// Dense experts: N whole copies without masks, of which one is drawn in each pass, as AdaMix has it (Wang et al. 2022). The
// control that shows what sparsity brings (`mosa.md` §3.8, §4).

import { type Initializer, Parameter } from "@peft/core";
import * as tf from "@tensorflow/tfjs";
import { type ExpertScope, Experts, type ExpertsOptions, type MergedExperts, rowsOf } from "./experts.js";

export interface DenseExpertsOptions extends ExpertsOptions {
  /** What all experts start with. @defaultValue zeros */
  readonly init?: Initializer;
}

export class DenseExperts extends Experts {
  /** weight [N, out, in], the same in all experts at first; bias [N, out]. */
  readonly experts: { readonly weight: Parameter; readonly bias?: Parameter };

  constructor(inFeatures: number, outFeatures: number, options: DenseExpertsOptions) {
    super(inFeatures, outFeatures, options);
    const { numExperts, init, bias = true } = options;
    const shape = [numExperts, outFeatures, inFeatures];
    const copies = (name: string): Float32Array => {
      const one = init!([outFeatures, inFeatures], name);
      const all = new Float32Array(numExperts * one.length);
      for (let e = 0; e < numExperts; e++) all.set(one, e * one.length);
      return all;
    };
    const weight = init ? new Parameter(shape, copies) : Parameter.zeros(shape);
    this.experts = { weight, ...(bias && { bias: Parameter.zeros([numExperts, outFeatures]) }) };
    this.own([weight]);
  }

  protected override weights(experts: tf.Tensor): tf.Tensor {
    return rowsOf(this.experts.weight.value(), experts);
  }

  protected override biases(experts: tf.Tensor): tf.Tensor | undefined {
    return this.experts.bias && rowsOf(this.experts.bias.value(), experts);
  }

  override merged(): MergedExperts {
    const { weight, bias } = this.experts;
    return { weight: tf.mean(weight.value(), 0), ...(bias && { bias: tf.mean(bias.value(), 0) }) };
  }

  override scopes(): ExpertScope[] {
    const { weight, bias } = this.experts;
    const rows = (rank: number) => (tensor: tf.Tensor) => tf.reshape(tensor, [-1, ...new Array(rank - 1).fill(1)]);
    return [{ parameter: weight, spread: rows(3) }, ...(bias ? [{ parameter: bias, spread: rows(2) }] : [])];
  }

  override get fixed(): Parameter[] {
    return [];
  }

  override get owners(): Parameter[] {
    return [];
  }
}
