// Dropout (Srivastava et al. 2014), inverted: what is kept is scaled by 1 / (1 - rate).

import * as tf from "@tensorflow/tfjs";
import { draw } from "../engine/compile.js";
import { sizeOf } from "../engine/graph.js";
import { defineOp } from "../engine/op.js";
import { PeftError } from "../errors.js";
import { extend } from "../random.js";
import { emitWords } from "./randomBits.js";

const HALF = 2 ** 16;
/** Nothing compares uint32. As int32 the words are spread over [-2^31, 2^31), as evenly. */
const LOWEST = -(2 ** 31);

/** Truth values that are false with a probability of `dropped` / 2^16: one for each half of a random word. */
const keepMask = defineOp({
  name: "PeftKeepMask",
  infer: (_, { shape }) => ({ shape: shape as number[], dtype: "bool" }),
  emit: ({ inputs, outputs, attrs }, e) => {
    const { shape } = outputs[0]!;
    const size = sizeOf(shape);
    const words = emitWords(e, e.of(inputs.key!), Math.ceil(size / 2));
    const least = e.int(LOWEST + HALF * (attrs.dropped as number));
    const isKept = (halves: string): string => e.op("GreaterOrEqual", [e.cast(halves, "int32"), least]);
    const both = e.op("Concat", [isKept(words), isKept(e.shift(words, "LEFT", 16))], { axis: 0n });
    const kept = size % 2 === 0 ? both : e.op("Slice", [both, e.ints([0]), e.ints([size])]);
    return e.reshape(kept, shape);
  },
  eager: ({ key }, { shape, dropped }) => {
    const base = key!.dataSync()[0]! >>> 0;
    const size = sizeOf(shape as number[]);
    const count = Math.ceil(size / 2);
    const least = LOWEST + HALF * (dropped as number);
    const kept = Uint8Array.from({ length: size }, (_, i) => {
      const word = i < count ? extend(base, i) | 0 : extend(base, i - count) << 16;
      return word >= least ? 1 : 0;
    });
    return tf.tensor(kept, shape as number[], "bool");
  },
});

/** x * scale where `keep`, else 0. The gradient is the same operation, so only the mask is kept. */
const masked = defineOp({
  name: "PeftMasked",
  infer: ({ x }) => x!,
  emit: ({ inputs, attrs }, e) =>
    e.op("Where", [e.of(inputs.keep!), e.op("Mul", [e.of(inputs.x!), e.float(attrs.scale as number)]), e.float(0)]),
  rows: () => ["x", "keep"],
  eager: ({ x, keep }, { scale }) => tf.where(keep!, tf.mul(x!, scale as number), tf.zerosLike(x!)),
  gradient: {
    saves: ["keep"],
    of: (dy, [keep], attrs) => ({ x: () => masked({ x: dy as tf.Tensor, keep: keep! }, attrs)[0]! }),
  },
});

/**
 * Dropout, inside a compiled or eager function.
 *
 * @param x any shape
 * @param rate the probability of a zero, 0 <= rate < 1, to the nearest multiple of 2^-16; 0 returns `x`
 * @param site names the place, from which its random numbers come
 * @throws PeftError ARGUMENT_INVALID for a rate outside [0, 1)
 */
export function dropout(x: tf.Tensor, rate: number, site: string): tf.Tensor {
  if (!(rate >= 0 && rate < 1)) throw new PeftError("ARGUMENT_INVALID", `dropout wants 0 <= rate < 1, got ${rate}`);
  if (rate === 0) return x;
  const dropped = Math.min(Math.round(rate * HALF), HALF - 1);
  const keep = keepMask({ key: draw(site, [1], "key") }, { shape: [...x.shape], dropped })[0]!;
  return masked({ x, keep }, { scale: HALF / (HALF - dropped) })[0]!;
}
