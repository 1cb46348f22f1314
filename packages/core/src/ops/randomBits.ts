// Random bits made inside the graph, equal bit for bit in JavaScript, on the CPU and on WebGPU: the hash of `random.ts`
// over a counter, written with additions, products and shifts of uint32 alone.

import * as tf from "@tensorflow/tfjs";
import type { Emitter } from "../engine/emit.js";
import { sizeOf } from "../engine/graph.js";
import { defineOp } from "../engine/op.js";
import { extend, FACTORS } from "../random.js";

const WORD = 0x7f4a7c15;
const HALF = 16;

const op = defineOp({
  name: "PeftRandomBits",
  infer: (_, { shape }) => ({ shape: shape as number[], dtype: "int32" }),
  emit: ({ inputs, outputs }, e) => {
    const { shape } = outputs[0]!;
    const words = emitWords(e, e.of(inputs.key!), sizeOf(shape));
    return e.reshape(e.cast(e.shift(words, "RIGHT", 8), "int32"), shape);
  },
  eager: ({ key }, { shape }) => {
    const base = key!.dataSync()[0]! >>> 0;
    const bits = Int32Array.from({ length: sizeOf(shape as number[]) }, (_, i) => extend(base, i) >>> 8);
    return tf.tensor(bits, shape as number[], "int32");
  },
});

/** `extend(key, i)` of `random.ts` for i below `count`: the name of [count] uint32. */
export function emitWords(e: Emitter, key: string, count: number): string {
  const first = e.word(FACTORS.first);
  // The first product, less the key's part: the same at every place that draws as many.
  const counters = e.once(`counters ${count}`, () =>
    e.op("Mul", [e.cast(e.op("Range", [e.int(0), e.int(count), e.int(1)]), "uint32"), first]),
  );
  const start = e.op("Mul", [e.op("Add", [e.cast(key, "uint32"), e.word(WORD)]), first]);
  return emitMix(e, e.op("Add", [counters, start]));
}

/** `mix` of `random.ts` after its first product. */
function emitMix(e: Emitter, product: string): string {
  const turned = (h: string): string => e.op("Add", [e.shift(h, "LEFT", HALF), e.shift(h, "RIGHT", HALF)]);
  const squared = (h: string, odd: number): string =>
    e.op("Mul", [h, e.op("Add", [e.shift(h, "LEFT", 1), e.word(odd)])]);
  const third = squared(turned(squared(turned(product), FACTORS.second)), FACTORS.third);
  const down = e.op("Mul", [e.shift(third, "RIGHT", HALF), e.word(FACTORS.last)]);
  return e.op("Add", [e.shift(third, "LEFT", HALF), down]);
}

/**
 * Independent 24-bit integers, 0..2^24-1, as int32.
 *
 * @param key [1] int32, a draw of the distribution `key`
 */
export function randomBits(key: tf.Tensor, shape: readonly number[]): tf.Tensor {
  return op({ key }, { shape: [...shape] })[0]!;
}
