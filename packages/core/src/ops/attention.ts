// Scaled dot-product attention of several heads. The backward pass computes the probabilities again from the queries and
// keys, so that nothing of the size heads x tokens x tokens outlives the forward pass (as in FlashAttention, Dao et al. 2022).

import * as tf from "@tensorflow/tfjs";
import type { Emitter } from "../engine/emit.js";
import type { Attrs, Node, Value } from "../engine/graph.js";
import { defineOp } from "../engine/op.js";
import { PeftError } from "../errors.js";

/** [batch, tokens, heads * width] as [batch, heads, tokens, width]. */
function emitSplit(e: Emitter, value: Value, heads: number): string {
  const [batch, tokens, width] = value.shape as [number, number, number];
  // Once for the forward and the backward pass, which then keep this form of the value and not the other.
  return e.once(`heads ${heads} of ${value.id}`, () => {
    const apart = e.reshape(e.of(value), [batch, tokens, heads, width / heads]);
    return e.op("Transpose", [apart], { perm: [0n, 2n, 1n, 3n] });
  });
}

function emitJoin(e: Emitter, name: string, shape: readonly number[]): string {
  return e.reshape(e.op("Transpose", [name], { perm: [0n, 2n, 1n, 3n] }), shape);
}

function emitProduct(
  e: Emitter,
  a: string,
  b: string,
  options: { transA?: boolean; transB?: boolean; alpha?: number },
): string {
  const { transA = false, transB = false, alpha = 1 } = options;
  if (!transA && !transB && alpha === 1) return e.op("MatMul", [a, b]);
  return e.op("FusedMatMul", [a, b], { transA: transA ? 1n : 0n, transB: transB ? 1n : 0n, alpha }, "com.microsoft");
}

function emitProbabilities(e: Emitter, q: string, k: string, mask: string | undefined, scale: number): string {
  const scores = emitProduct(e, q, k, { transB: true, alpha: scale });
  return e.op("Softmax", [mask ? e.op("Add", [scores, mask]) : scores], { axis: -1n });
}

function split(x: tf.Tensor, heads: number): tf.Tensor {
  const [batch, tokens, width] = x.shape as [number, number, number];
  return tf.transpose(tf.reshape(x, [batch, tokens, heads, width / heads]), [0, 2, 1, 3]);
}

function join(x: tf.Tensor): tf.Tensor {
  const [batch, heads, tokens, width] = x.shape as [number, number, number, number];
  return tf.reshape(tf.transpose(x, [0, 2, 1, 3]), [batch, tokens, heads * width]);
}

function probabilities(q: tf.Tensor, k: tf.Tensor, mask: tf.Tensor | undefined, scale: number): tf.Tensor {
  const scores = tf.mul(tf.matMul(q, k, false, true), scale);
  return tf.softmax(mask ? tf.add(scores, mask) : scores);
}

function rows(node: Node): readonly string[] {
  const batch = node.inputs.q!.shape[0];
  return Object.keys(node.inputs).filter((name) => name !== "mask" || node.inputs.mask!.shape[0] === batch);
}

/** The probabilities, [batch, heads, queries, keys]. */
function scratch({ inputs, attrs }: Node): number {
  const [batch, queries] = inputs.q!.shape as [number, number];
  return 4 * batch * (attrs.heads as number) * queries * inputs.k!.shape[1]!;
}

/** The operation with or without a mask; a gradient cannot save an input that may be absent. */
function define(masked: boolean): (inputs: Record<string, tf.Tensor>, attrs: Attrs) => tf.Tensor[] {
  const suffix = masked ? "Masked" : "";
  const gradient = defineOp({
    name: `PeftAttention${suffix}Gradient`,
    infer: ({ q, k, v }) => [q!, k!, v!],
    emit: ({ inputs, attrs }, e) => {
      const heads = attrs.heads as number;
      const scale = attrs.scale as number;
      const [q, k, v, dy] = ["q", "k", "v", "dy"].map((name) => emitSplit(e, inputs[name]!, heads));
      const p = emitProbabilities(e, q!, k!, masked ? e.of(inputs.mask!) : undefined, scale);
      const dv = emitProduct(e, p, dy!, { transA: true });
      const dp = emitProduct(e, dy!, v!, { transB: true });
      // With D = rowsum(P * dP): dS = P * (dP - D).
      const pdp = e.op("Mul", [p, dp]);
      const total = e.op("ReduceSum", [pdp, e.ints([-1])], { keepdims: 1n });
      const ds = e.op("Sub", [pdp, e.op("Mul", [p, total])]);
      const dq = emitProduct(e, ds, k!, { alpha: scale });
      const dk = emitProduct(e, ds, q!, { transA: true, alpha: scale });
      return [emitJoin(e, dq, inputs.q!.shape), emitJoin(e, dk, inputs.k!.shape), emitJoin(e, dv, inputs.v!.shape)];
    },
    rows,
    scratch,
    eager: ({ q, k, v, dy, mask }, { heads, scale }) => {
      const [qs, ks, vs, dys] = [q!, k!, v!, dy!].map((x) => split(x, heads as number));
      const p = probabilities(qs!, ks!, mask, scale as number);
      const dp = tf.matMul(dys!, vs!, false, true);
      const ds = tf.mul(p, tf.sub(dp, tf.sum(tf.mul(p, dp), -1, true)));
      const dq = tf.mul(tf.matMul(ds, ks!), scale as number);
      const dk = tf.mul(tf.matMul(ds, qs!, true, false), scale as number);
      return [join(dq), join(dk), join(tf.matMul(p, dys!, true, false))];
    },
  });
  return defineOp({
    name: `PeftAttention${suffix}`,
    infer: ({ q, v }) => ({ shape: [...q!.shape.slice(0, 2), v!.shape[2]!], dtype: "float32" }),
    emit: ({ inputs, attrs, outputs }, e) => {
      const heads = attrs.heads as number;
      const [q, k, v] = ["q", "k", "v"].map((name) => emitSplit(e, inputs[name]!, heads));
      const p = emitProbabilities(e, q!, k!, masked ? e.of(inputs.mask!) : undefined, attrs.scale as number);
      return emitJoin(e, emitProduct(e, p, v!, {}), outputs[0]!.shape);
    },
    rows,
    scratch,
    eager: ({ q, k, v, mask }, { heads, scale }) => {
      const [qs, ks, vs] = [q!, k!, v!].map((x) => split(x, heads as number));
      return join(tf.matMul(probabilities(qs!, ks!, mask, scale as number), vs!));
    },
    gradient: {
      saves: masked ? ["q", "k", "v", "mask"] : ["q", "k", "v"],
      of: (dy, [q, k, v, mask], attrs) => {
        const inputs = { q: q!, k: k!, v: v!, dy: dy as tf.Tensor, ...(masked ? { mask: mask! } : {}) };
        // One kernel gives all three, so it runs here and not once for each input that asks.
        const [dq, dk, dv] = gradient(inputs, attrs);
        return { q: () => dq!, k: () => dk!, v: () => dv!, ...(masked ? { mask: () => tf.zerosLike(mask!) } : {}) };
      },
    },
  });
}

const plain = define(false);
const masked = define(true);

export interface AttentionOptions {
  heads: number;
  /** Factor of the scores. @defaultValue 1 / sqrt(width of a head) */
  scale?: number;
  /** Added to the scores: broadcasts to [batch, heads, queries, keys]; no gradient reaches it. */
  mask?: tf.Tensor;
}

/**
 * softmax(scale q k^T + mask) v for each head.
 *
 * @param q [batch, queries, heads * width]
 * @param k [batch, keys, heads * width]
 * @param v [batch, keys, heads * width]
 * @returns [batch, queries, heads * width]
 * @throws PeftError SHAPE_MISMATCH if the shapes do not fit or the width is no multiple of `heads`
 */
export function attention(q: tf.Tensor, k: tf.Tensor, v: tf.Tensor, options: AttentionOptions): tf.Tensor {
  const { heads, mask } = options;
  const fits = [q, k, v].every((x) => x.rank === 3 && x.shape[2]! % heads === 0 && x.shape[0] === q.shape[0]);
  if (!fits || k.shape[1] !== v.shape[1] || q.shape[2] !== k.shape[2]) {
    const shapes = `q [${q.shape}], k [${k.shape}], v [${v.shape}], ${heads} heads`;
    throw new PeftError("SHAPE_MISMATCH", `attention: the shapes do not fit: ${shapes}`);
  }
  const attrs = { heads, scale: options.scale ?? (q.shape[2]! / heads) ** -0.5 };
  return (mask ? masked({ q, k, v, mask }, attrs) : plain({ q, k, v }, attrs))[0]!;
}
