// Scaled dot-product attention of several heads. The backward pass computes the probabilities again from the queries and
// keys, so that nothing of the size heads x tokens x tokens outlives the forward pass (as in FlashAttention, Dao et al. 2022).

import * as tf from "@tensorflow/tfjs";
import type { Emitter } from "../engine/emit.js";
import type { Attrs, Node, Spec, Value } from "../engine/graph.js";
import { defineOp } from "../engine/op.js";
import { type Range, rangesOf } from "../engine/ranges.js";
import { PeftError } from "../errors.js";

/** What hides a position, as in transformers: the most negative float32. A row that sees nothing is then uniform, not NaN. */
const HIDDEN = -3.4028234663852886e38;

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

/**
 * The probabilities of one sample that are made at once: a tile of queries against all keys. 4,096 tokens with 8 heads would
 * be 537 MB.
 */
const TILE_BYTES = 24 << 20;

/** Bytes of the probabilities of one sample, all heads. */
function probabilityBytes({ inputs, attrs }: Node): number {
  return 4 * (attrs.heads as number) * inputs.q!.shape[1]! * inputs.k!.shape[1]!;
}

function scratch(node: Node): number {
  return node.inputs.q!.shape[0]! * Math.min(probabilityBytes(node), TILE_BYTES);
}

/** The ranges of queries that are computed one after another; undefined for all at once. */
function tiles(node: Node): Range[] | undefined {
  const count = Math.ceil(probabilityBytes(node) / TILE_BYTES);
  if (count <= 1) return undefined;
  const queries = node.inputs.q!.shape[1]!;
  return rangesOf(queries, Math.ceil(queries / count));
}

/** Places `from` to `to` of an axis. `after` is [0], known only when what must be there before is there. */
function emitTile(e: Emitter, name: string, [from, to]: Range, axis: number, after?: string): string {
  const start = after ? e.op("Add", [e.ints([from]), after]) : e.ints([from]);
  return e.op("Slice", [name, start, e.ints([to]), e.ints([axis])]);
}

function emitMaskTile(e: Emitter, mask: Value | undefined, range: Range): string | undefined {
  if (!mask) return undefined;
  const axis = mask.shape.length - 2;
  return axis < 0 || mask.shape[axis] === 1 ? e.of(mask) : emitTile(e, e.of(mask), range, axis);
}

interface Operands {
  readonly q: string;
  readonly k: string;
  readonly v: string;
  readonly dy: string;
  readonly mask: string | undefined;
}

/** P, and dS = P * (dP - D) with D = rowsum(P * dP), of the queries given. */
function emitScoreGradient(e: Emitter, { q, k, v, dy, mask }: Operands, scale: number): { p: string; ds: string } {
  const p = emitProbabilities(e, q, k, mask, scale);
  const dp = emitProduct(e, dy, v, { transB: true });
  const pdp = e.op("Mul", [p, dp]);
  const total = e.op("ReduceSum", [pdp, e.ints([-1])], { keepdims: 1n });
  return { p, ds: e.op("Sub", [pdp, e.op("Mul", [p, total])]) };
}

/** dq, dk and dv of the queries given; dk and dv are what these queries add to them. */
function emitGradients(e: Emitter, operands: Operands, scale: number): { dq: string; dk: string; dv: string } {
  const { p, ds } = emitScoreGradient(e, operands, scale);
  return {
    dv: emitProduct(e, p, operands.dy, { transA: true }),
    dq: emitProduct(e, ds, operands.k, { alpha: scale }),
    dk: emitProduct(e, ds, operands.q, { transA: true, alpha: scale }),
  };
}

/** The same of all queries, tile by tile. */
function emitTiledGradients(
  e: Emitter,
  whole: Operands,
  mask: Value | undefined,
  ranges: readonly Range[],
  scale: number,
): { dq: string; dk: string; dv: string } {
  const dqs: string[] = [];
  let sums: { dk: string; dv: string } | undefined;
  let after: string | undefined;
  for (const range of ranges) {
    const [q, dy] = [whole.q, whole.dy].map((name) => emitTile(e, name, range, 2, after));
    const { dq, dk, dv } = emitGradients(e, { ...whole, q: q!, dy: dy!, mask: emitMaskTile(e, mask, range) }, scale);
    dqs.push(dq);
    sums = sums ? { dk: e.op("Add", [sums.dk, dk]), dv: e.op("Add", [sums.dv, dv]) } : { dk, dv };
    after = emitZeroAfter(e, dq, sums.dk, sums.dv);
  }
  return { dq: e.op("Concat", dqs, { axis: 2n }), ...sums! };
}

/**
 * [0], computed from the shapes of three tensors of one batch. The runtime would go through all tiles for the first gradient
 * that it comes to, and keep their scores for the others; a tile that depends on this waits for the one before.
 */
function emitZeroAfter(e: Emitter, ...names: [string, string, string]): string {
  const [a, b, c] = names.map((name) => e.op("Shape", [name], { start: 0n, end: 1n }));
  const twice = e.op("Add", [a!, b!]);
  // b + b - 2b, with the third for the half of it.
  return e.op("Sub", [twice, e.op("Add", [c!, c!])]);
}

/** dS from the eager composition's operands, [batch, heads, queries, keys], with P. */
function scoreGradient(
  [q, k, v, dy]: readonly tf.Tensor[],
  mask: tf.Tensor | undefined,
  scale: number,
): { p: tf.Tensor; ds: tf.Tensor } {
  const p = probabilities(q!, k!, mask, scale);
  const dp = tf.matMul(dy!, v!, false, true);
  return { p, ds: tf.mul(p, tf.sub(dp, tf.sum(tf.mul(p, dp), -1, true))) };
}

/** The axes of [batch, heads, queries, keys] along which a mask of this shape is the same. */
function sharedAxes(mask: readonly number[], scores: readonly number[]): number[] {
  const padded = [...scores.map(() => 1).slice(mask.length), ...mask];
  return scores.map((_, i) => i).filter((i) => padded[i] === 1 && scores[i] !== 1);
}

function scoresShape({ q, k }: Readonly<Record<string, Spec>>, heads: unknown): number[] {
  return [q!.shape[0]!, heads as number, q!.shape[1]!, k!.shape[1]!];
}

/** What the sum of the scores and the mask passes on to the mask: dS, summed where the mask is the same. */
const maskGradient = defineOp({
  name: "PeftAttentionMaskGradient",
  infer: ({ mask }) => mask!,
  emit: ({ inputs, attrs }, e) => {
    const heads = attrs.heads as number;
    const [q, k, v, dy] = ["q", "k", "v", "dy"].map((name) => emitSplit(e, inputs[name]!, heads));
    const operands = { q: q!, k: k!, v: v!, dy: dy!, mask: e.of(inputs.mask!) };
    const { ds } = emitScoreGradient(e, operands, attrs.scale as number);
    const axes = sharedAxes(inputs.mask!.shape, scoresShape(inputs, heads));
    const summed = axes.length > 0 ? e.op("ReduceSum", [ds, e.ints(axes)], { keepdims: 1n }) : ds;
    return e.reshape(summed, inputs.mask!.shape);
  },
  rows: (node) => (node.inputs.mask!.shape[0] === node.inputs.q!.shape[0] ? rows(node) : undefined),
  sumsRows: (node) => (rows(node).includes("mask") ? undefined : rows(node)),
  scratch: (node) => node.inputs.q!.shape[0]! * probabilityBytes(node),
  eager: ({ q, k, v, dy, mask }, { heads, scale }) => {
    const operands = [q!, k!, v!, dy!].map((x) => split(x, heads as number));
    const { ds } = scoreGradient(operands, mask, scale as number);
    return tf.reshape(tf.sum(ds, sharedAxes(mask!.shape, ds.shape), true), mask!.shape);
  },
});

/** The operation with or without a mask; a gradient cannot save an input that may be absent. */
function define(masked: boolean): (inputs: Record<string, tf.Tensor>, attrs: Attrs) => tf.Tensor[] {
  const suffix = masked ? "Masked" : "";
  const gradient = defineOp({
    name: `PeftAttention${suffix}Gradient`,
    infer: ({ q, k, v }) => [q!, k!, v!],
    emit: (node, e) => {
      const { inputs, attrs } = node;
      const scale = attrs.scale as number;
      const [q, k, v, dy] = ["q", "k", "v", "dy"].map((name) => emitSplit(e, inputs[name]!, attrs.heads as number));
      const operands = { q: q!, k: k!, v: v!, dy: dy!, mask: inputs.mask && e.of(inputs.mask) };
      const ranges = tiles(node);
      const { dq, dk, dv } = ranges
        ? emitTiledGradients(e, operands, inputs.mask, ranges, scale)
        : emitGradients(e, operands, scale);
      return [emitJoin(e, dq, inputs.q!.shape), emitJoin(e, dk, inputs.k!.shape), emitJoin(e, dv, inputs.v!.shape)];
    },
    rows,
    scratch,
    eager: ({ q, k, v, dy, mask }, { heads, scale }) => {
      const operands = [q!, k!, v!, dy!].map((x) => split(x, heads as number));
      const { p, ds } = scoreGradient(operands, mask, scale as number);
      const [qs, ks, , dys] = operands;
      const dq = tf.mul(tf.matMul(ds, ks!), scale as number);
      const dk = tf.mul(tf.matMul(ds, qs!, true, false), scale as number);
      return [join(dq), join(dk), join(tf.matMul(p, dys!, true, false))];
    },
  });
  return defineOp({
    name: `PeftAttention${suffix}`,
    infer: ({ q, v }) => ({ shape: [...q!.shape.slice(0, 2), v!.shape[2]!], dtype: "float32" }),
    emit: (node, e) => {
      const { inputs, attrs, outputs } = node;
      const [q, k, v] = ["q", "k", "v"].map((name) => emitSplit(e, inputs[name]!, attrs.heads as number));
      const of = (queries: string, mask: string | undefined): string =>
        emitProduct(e, emitProbabilities(e, queries, k!, mask, attrs.scale as number), v!, {});
      const ranges = tiles(node);
      if (!ranges) return emitJoin(e, of(q!, inputs.mask && e.of(inputs.mask)), outputs[0]!.shape);
      const parts = ranges.map((range) => of(emitTile(e, q!, range, 2), emitMaskTile(e, inputs.mask, range)));
      return emitJoin(e, e.op("Concat", parts, { axis: 2n }), outputs[0]!.shape);
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
        return {
          q: () => dq!,
          k: () => dk!,
          v: () => dv!,
          ...(masked && { mask: () => maskGradient(inputs, attrs)[0]! }),
        };
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
  /**
   * Added to the scores: broadcasts to [batch, heads, queries, keys]. A position that is not to be seen has a large negative
   * number, as from `causalMask` and `paddingMask`; relative position biases are added here too, and get their gradient.
   */
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

/**
 * The mask of a decoder: query i sees keys 0..i, counted from the end where there are more keys than queries.
 *
 * @returns [1, 1, queries, keys]: 0, or the most negative number where a key is hidden
 */
export function causalMask(queries: number, keys: number = queries): tf.Tensor {
  const at = tf.reshape(tf.range(keys - queries, keys, 1, "int32"), [queries, 1]);
  return hide(tf.lessEqual(tf.reshape(tf.range(0, keys, 1, "int32"), [1, keys]), at), [1, 1, queries, keys]);
}

/**
 * The mask of padded sequences.
 *
 * @param attentionMask [batch, keys] int32: 1 for a token, 0 for padding
 * @returns [batch, 1, 1, keys]: 0, or the most negative number at padding
 */
export function paddingMask(attentionMask: tf.Tensor): tf.Tensor {
  const [batch, keys] = attentionMask.shape as [number, number];
  return hide(tf.greater(attentionMask, 0), [batch, 1, 1, keys]);
}

function hide(visible: tf.Tensor, shape: number[]): tf.Tensor {
  return tf.reshape(tf.mul(tf.sub(1, tf.cast(visible, "float32")), HIDDEN), shape);
}
