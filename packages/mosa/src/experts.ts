// N experts of one projection, of which a pass of training uses one and evaluation their mean (`mosa.md` §3.1, §3.3). How
// they are held is each kind's own: sparse ones fit into one tensor (sparseExperts.ts), dense ones do not (denseExperts.ts).

import { draw, isTraining, linear, Module, type Parameter } from "@peft/core";
import * as tf from "@tensorflow/tfjs";
import type { SplitMode } from "./split.js";

/**
 * How experts become one (§3.6): their mean; `joint-legacy` as the original's option "joint", each entry its owner's, all
 * divided by N; `owner` as that, but what starts at random keeps its size.
 */
export type MergeRule = "mean" | "joint-legacy" | "owner";

export const MERGE_RULES = ["mean", "joint-legacy", "owner"] as const;

export interface ExpertsOptions {
  /** N */
  readonly numExperts: number;
  readonly splitMode: SplitMode;
  /** Of the owner map. */
  readonly seed: number;
  /** Whether there are biases. @defaultValue true */
  readonly bias?: boolean;
  /** Whether biases are split as weights are, instead of each expert having its own. @defaultValue false */
  readonly splitBias?: boolean;
  readonly merge?: MergeRule;
}

/** What of a parameter an update may touch, from what is known of each expert: [N] in, what broadcasts to the parameter out. */
export type Spread = (experts: tf.Tensor) => tf.Tensor;

/** Of a parameter: which experts may move, and how many updates each has had. */
export interface ExpertScope {
  readonly parameter: Parameter;
  readonly spread: Spread;
}

export interface MergedExperts {
  /** [out, in] */
  readonly weight: tf.Tensor;
  /** [out] */
  readonly bias?: tf.Tensor;
}

const expertsOfParameter = new WeakMap<Parameter, Experts>();

export abstract class Experts extends Module {
  #chosen: tf.Tensor | undefined;

  constructor(
    readonly inFeatures: number,
    readonly outFeatures: number,
    readonly options: ExpertsOptions,
  ) {
    super();
  }

  /** N */
  get count(): number {
    return this.options.numExperts;
  }

  /** The site of its draws. */
  get site(): string {
    return `${this.path}.experts`;
  }

  /** Draws the expert of each pass, all samples and tokens of a pass sharing it: [passes], int32. */
  draw(passes: number): tf.Tensor {
    return draw(this.site, [passes], { kind: "integers", below: this.count });
  }

  /** Runs the body with these experts, [passes], instead of one drawn; in evaluation instead of all merged. */
  withExperts<T>(experts: tf.Tensor, body: () => T): T {
    this.#chosen = experts;
    try {
      return body();
    } finally {
      this.#chosen = undefined;
    }
  }

  /** W_e of each pass, [passes, out, in], made where it is used. */
  protected abstract weights(experts: tf.Tensor): tf.Tensor;
  /** b_e of each pass, [passes, out]. */
  protected abstract biases(experts: tf.Tensor): tf.Tensor | undefined;
  /** All experts as one, by the rule of its options. Inside a compiled or eager function. */
  abstract merged(): MergedExperts;
  /** Of every parameter that is trained. */
  abstract scopes(): ExpertScope[];
  /** Parameters that stay as they are. */
  abstract get fixed(): Parameter[];
  /** Of them those that hold an owner, which fits a byte. */
  abstract get owners(): Parameter[];

  /**
   * In training an expert for each pass, else all of them merged.
   *
   * @param x [passes * batch, ..., in], one pass after the other
   * @param scale of the result
   * @returns [passes * batch, ..., out]
   */
  override forward(x: tf.Tensor, scale = 1): tf.Tensor {
    const experts = this.#chosen ?? (isTraining() ? this.draw(1) : undefined);
    if (experts) return this.#forward(x, experts, scale);
    const { weight, bias } = this.merged();
    return linear(x, weight, bias, scale);
  }

  #forward(x: tf.Tensor, experts: tf.Tensor, scale: number): tf.Tensor {
    const passes = experts.shape[0]!;
    const scaled = (tensor: tf.Tensor): tf.Tensor => (scale === 1 ? tensor : tf.mul(tensor, scale));
    const rows = tf.reshape(x, [passes, x.size / passes / this.inFeatures, this.inFeatures]);
    const bias = this.biases(experts);
    const product = tf.matMul(rows, scaled(this.weights(experts)), false, true);
    const y = bias ? tf.add(product, tf.reshape(scaled(bias), [passes, 1, this.outFeatures])) : product;
    return tf.reshape(y, [...x.shape.slice(0, -1), this.outFeatures]);
  }

  /** Makes it known as what a parameter belongs to. */
  protected own(parameters: readonly Parameter[]): void {
    for (const parameter of parameters) expertsOfParameter.set(parameter, this);
  }
}

/** The experts that parameters belong to, by the path of the side; as many as there are. */
export function expertsAmong(parameters: ReadonlyMap<string, Parameter>): Map<string, Experts> {
  const found = [...parameters.values()].flatMap((parameter) => expertsOfParameter.get(parameter) ?? []);
  return new Map(found.map((experts) => [experts.path, experts]));
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

/** Rows of a tensor [N, ...], one for each pass, with a gradient into the rows: [passes, ...]. */
export function rowsOf(tensor: tf.Tensor, experts: tf.Tensor): tf.Tensor {
  const [n, ...rest] = tensor.shape as [number, ...number[]];
  const rows = tf.matMul(oneHot(experts, n), tf.reshape(tensor, [n, -1]));
  return tf.reshape(rows, [experts.shape[0]!, ...rest]);
}
