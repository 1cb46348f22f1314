// Normalisation with a scale and a shift for each channel: by the moments of a group of channels in one sample (group norm,
// Wu and He 2018), or of one channel in the whole batch (batch norm, Ioffe and Szegedy 2015). Both are one operation here:
// x is seen as [batch, groups, channels / groups * area], and the moments are taken over the last axis, or over it and the
// batch.

import * as tf from "@tensorflow/tfjs";
import type { Emitter } from "../engine/emit.js";
import { type Attrs, sizeOf, type Value } from "../engine/graph.js";
import { defineOp } from "../engine/op.js";

interface View {
  readonly batch: number;
  readonly channels: number;
  readonly groups: number;
  /** Elements of a channel in one sample. */
  readonly area: number;
  /** The axes of [batch, groups, rest] that moments are taken over. */
  readonly axes: number[];
  /** How many numbers have one mean. */
  readonly count: number;
  readonly eps: number;
}

function viewOf({ shape }: { readonly shape: readonly number[] }, attrs: Attrs): View {
  const [batch, channels] = shape as [number, number];
  const groups = attrs.groups as number;
  const area = sizeOf(shape.slice(2));
  const inGroup = (channels / groups) * area;
  const across = attrs.acrossBatch as boolean;
  const count = across ? batch * inGroup : inGroup;
  return { batch, channels, groups, area, axes: across ? [0, 2] : [2], count, eps: attrs.eps as number };
}

const byGroup = ({ batch, groups, channels, area }: View): number[] => [batch, groups, (channels / groups) * area];
const byChannel = ({ batch, channels, area }: View): number[] => [batch, channels, area];
/** The channels of each group: what holds one number for each channel of a sample. */
const inGroups = ({ batch, groups, channels }: View): number[] => [batch, groups, channels / groups];

function emitMean(e: Emitter, name: string, axes: readonly number[]): string {
  return e.op("ReduceMean", [name, e.ints(axes)], { keepdims: 1n });
}

interface Centred<T> {
  mean: T;
  variance: T;
  /** 1 / sqrt(variance + eps) */
  rstd: T;
  /** x - mean, [batch, groups, rest] */
  centred: T;
}

/** Once for the gradients that need it. */
function emitCentred(e: Emitter, x: Value, view: View): Centred<string> {
  return e.once(`centred ${view.groups} ${view.axes} ${view.eps} of ${x.id}`, () => {
    const rows = e.reshape(e.of(x), byGroup(view));
    const mean = emitMean(e, rows, view.axes);
    const centred = e.op("Sub", [rows, mean]);
    const variance = emitMean(e, e.op("Mul", [centred, centred]), view.axes);
    const rstd = e.op("Reciprocal", [e.op("Sqrt", [e.op("Add", [variance, e.float(view.eps)])])]);
    return { mean, variance, rstd, centred };
  });
}

/** For each channel of each sample, as [batch, groups, channels / groups]: the sum over its area. */
function emitChannelSums(e: Emitter, name: string, view: View): string {
  const sums = e.op("ReduceSum", [e.reshape(name, byChannel(view)), e.ints([2])], { keepdims: 0n });
  return e.reshape(sums, inGroups(view));
}

/** sum(dy * (x - mean)) over each channel's area. */
function emitProjection(e: Emitter, x: Value, dy: Value, view: View): string {
  return e.once(`projection ${view.groups} ${view.axes} ${view.eps} of ${x.id} ${dy.id}`, () => {
    const { centred } = emitCentred(e, x, view);
    return emitChannelSums(e, e.op("Mul", [e.reshape(e.of(dy), byGroup(view)), centred]), view);
  });
}

function centre(x: tf.Tensor, view: View): Centred<tf.Tensor> {
  const rows = tf.reshape(x, byGroup(view));
  const mean = tf.mean(rows, view.axes, true);
  const centred = tf.sub(rows, mean);
  const variance = tf.mean(tf.square(centred), view.axes, true);
  return { mean, variance, rstd: tf.rsqrt(tf.add(variance, view.eps)), centred };
}

function channelSums(x: tf.Tensor, view: View): tf.Tensor {
  return tf.reshape(tf.sum(tf.reshape(x, byChannel(view)), 2), inGroups(view));
}

/** Across the batch one sample's moments are another's: only a group's moments keep samples apart. */
const rows =
  (...names: string[]) =>
  ({ attrs }: { attrs: Attrs }): string[] | undefined =>
    attrs.acrossBatch ? undefined : names;

const norm = defineOp({
  name: "PeftChannelNorm",
  infer: ({ x }) => x!,
  emit: ({ inputs, attrs }, e) => {
    const view = viewOf(inputs.x!, attrs);
    const [weight, bias] = [inputs.weight!, inputs.bias!].map((v) => e.reshape(e.of(v), [view.channels, 1]));
    let normal: string;
    if (attrs.acrossBatch) {
      const { centred, rstd } = emitCentred(e, inputs.x!, view);
      normal = e.op("Mul", [centred, rstd]);
    } else {
      const operands = [
        e.reshape(e.of(inputs.x!), byGroup(view)),
        e.float(1, [view.groups]),
        e.float(0, [view.groups]),
      ];
      normal = e.op("InstanceNormalization", operands, { epsilon: view.eps });
    }
    const scaled = e.op("Mul", [e.reshape(normal, byChannel(view)), weight!]);
    return e.reshape(e.op("Add", [scaled, bias!]), inputs.x!.shape);
  },
  rows: rows("x"),
  eager: ({ x, weight, bias }, attrs) => {
    const view = viewOf(x!, attrs);
    const { centred, rstd } = centre(x!, view);
    const normal = tf.reshape(tf.mul(centred, rstd), byChannel(view));
    const [scale, shift] = [weight!, bias!].map((t) => tf.reshape(t, [view.channels, 1]));
    return tf.reshape(tf.add(tf.mul(normal, scale!), shift!), x!.shape);
  },
  gradient: {
    saves: ["x", "weight"],
    of: (dy, [x, weight], attrs) => {
      const dOut = dy as tf.Tensor;
      return {
        x: () => inputGradient({ x: x!, weight: weight!, dy: dOut }, attrs)[0]!,
        weight: () => weightGradient({ x: x!, dy: dOut }, attrs)[0]!,
        bias: () =>
          tf.sum(
            dOut,
            dOut.shape.map((_, i) => i).filter((i) => i !== 1),
          ),
      };
    },
  },
});

/**
 * With c = x - mean, r = 1 / sqrt(var + eps), g = dy * weight, and means over what shares its moments:
 * dx = r g - r^3 mean(g c) c - r mean(g). The means follow from sums over channels, which are small, so that x and dy are
 * passed over four times to read and once to write.
 */
const inputGradient = defineOp({
  name: "PeftChannelNormInputGradient",
  infer: ({ x }) => x!,
  emit: ({ inputs, attrs }, e) => {
    const { x, weight, dy } = inputs as Record<string, Value>;
    const view = viewOf(x!, attrs);
    const { centred, rstd } = emitCentred(e, x!, view);
    const scale = e.reshape(e.of(weight!), [view.groups, view.channels / view.groups]);
    const mean = (sums: string): string => {
      const total = e.op("ReduceSum", [e.op("Mul", [sums, scale]), e.ints(view.axes)], { keepdims: 1n });
      return e.op("Mul", [total, e.float(-1 / view.count)]);
    };
    const shift = e.op("Mul", [rstd, mean(emitChannelSums(e, e.of(dy!), view))]);
    const cube = e.op("Mul", [rstd, e.op("Mul", [rstd, rstd])]);
    const slope = e.op("Mul", [cube, mean(emitProjection(e, x!, dy!, view))]);
    const fromX = e.op("Add", [e.op("Mul", [centred, slope]), shift]);
    const factor = e.op("Mul", [rstd, scale]);
    const shape = factorShape(view);
    const fromDy = e.op("Mul", [e.reshape(e.of(dy!), byChannel(view)), e.reshape(factor, shape)]);
    return e.reshape(e.op("Add", [e.reshape(fromDy, byGroup(view)), fromX]), x!.shape);
  },
  rows: rows("x", "dy"),
  eager: ({ x, weight, dy }, attrs) => {
    const view = viewOf(x!, attrs);
    const { centred, rstd } = centre(x!, view);
    const scale = tf.reshape(weight!, [view.groups, view.channels / view.groups]);
    const mean = (t: tf.Tensor): tf.Tensor =>
      tf.div(tf.sum(tf.mul(channelSums(t, view), scale), view.axes, true), view.count);
    const onCentred = tf.mul(tf.pow(rstd, 3), mean(tf.mul(tf.reshape(dy!, byGroup(view)), centred)));
    const fromX = tf.add(tf.mul(centred, onCentred), tf.mul(rstd, mean(dy!)));
    const factor = tf.reshape(tf.mul(rstd, scale), factorShape(view));
    const fromDy = tf.reshape(tf.mul(tf.reshape(dy!, byChannel(view)), factor), byGroup(view));
    return tf.reshape(tf.sub(fromDy, fromX), x!.shape);
  },
});

/** A factor of each channel, one for all samples where they share their moments. */
function factorShape({ batch, channels, axes }: View): number[] {
  return [axes.includes(0) ? 1 : batch, channels, 1];
}

const weightGradient = defineOp({
  name: "PeftChannelNormWeightGradient",
  infer: ({ x }) => ({ shape: [x!.shape[1]!], dtype: "float32" }),
  emit: ({ inputs, attrs }, e) => {
    const { x, dy } = inputs as Record<string, Value>;
    const view = viewOf(x!, attrs);
    const scaled = e.op("Mul", [emitProjection(e, x!, dy!, view), emitCentred(e, x!, view).rstd]);
    return e.reshape(e.op("ReduceSum", [scaled, e.ints([0])], { keepdims: 0n }), [view.channels]);
  },
  sumsRows: rows("x", "dy"),
  eager: ({ x, dy }, attrs) => {
    const view = viewOf(x!, attrs);
    const { centred, rstd } = centre(x!, view);
    const projection = channelSums(tf.mul(tf.reshape(dy!, byGroup(view)), centred), view);
    return tf.reshape(tf.sum(tf.mul(projection, rstd), 0), [view.channels]);
  },
});

/** The mean and the biased variance of each channel over the batch, [channels] each; no gradient passes. */
const moments = defineOp({
  name: "PeftBatchMoments",
  infer: ({ x }) => {
    const spec = { shape: [x!.shape[1]!], dtype: "float32" as const };
    return [spec, spec];
  },
  emit: ({ inputs, attrs }, e) => {
    const view = viewOf(inputs.x!, attrs);
    const { mean, variance } = emitCentred(e, inputs.x!, view);
    return [mean, variance].map((name) => e.reshape(name, [view.channels]));
  },
  eager: ({ x }, attrs) => {
    const view = viewOf(x!, attrs);
    const { mean, variance } = centre(x!, view);
    return [mean, variance].map((t) => tf.reshape(t, [view.channels]));
  },
  gradient: { saves: ["x"], of: (_, [x]) => ({ x: () => tf.zerosLike(x!) }) },
});

/** Normalises each sample's groups of channels: x [batch, channels, ...], weight and bias [channels]. */
export function normaliseGroups(
  { x, weight, bias }: { x: tf.Tensor; weight: tf.Tensor; bias: tf.Tensor },
  groups: number,
  eps: number,
): tf.Tensor {
  return norm({ x, weight, bias }, { groups, acrossBatch: false, eps })[0]!;
}

/** Normalises each channel over the batch: x [batch, channels, ...], weight and bias [channels]. */
export function normaliseBatch(
  { x, weight, bias }: { x: tf.Tensor; weight: tf.Tensor; bias: tf.Tensor },
  eps: number,
): { y: tf.Tensor; mean: tf.Tensor; variance: tf.Tensor } {
  const attrs = { groups: x.shape[1]!, acrossBatch: true, eps };
  const [mean, variance] = moments({ x }, attrs);
  return { y: norm({ x, weight, bias }, attrs)[0]!, mean: mean!, variance: variance! };
}
