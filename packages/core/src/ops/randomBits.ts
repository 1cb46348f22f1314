// Random bits made inside the graph, equal bit for bit in JavaScript, on the CPU and on WebGPU: the hash of `random.ts`
// over a counter, written with additions, products and divisions of uint32 alone.

import * as tf from "@tensorflow/tfjs";
import type { Emitter } from "../engine/emit.js";
import { sizeOf } from "../engine/graph.js";
import { defineOp } from "../engine/op.js";
import { extend, FACTORS } from "../random.js";

const WORD = 0x7f4a7c15;

const op = defineOp({
  name: "PeftRandomBits",
  infer: (_, { shape }) => ({ shape: shape as number[], dtype: "int32" }),
  emit: ({ inputs, outputs }, e) => {
    const { shape } = outputs[0]!;
    const key = e.op("Add", [e.cast(e.of(inputs.key!), "uint32"), e.word(WORD)]);
    const counter = e.cast(e.op("Range", [e.int(0), e.int(sizeOf(shape)), e.int(1)]), "uint32");
    const hashed = emitMix(e, e.op("Add", [counter, key]));
    return e.reshape(e.cast(e.op("Div", [hashed, e.word(256)]), "int32"), shape);
  },
  eager: ({ key }, { shape }) => {
    const base = key!.dataSync()[0]! >>> 0;
    const bits = Int32Array.from({ length: sizeOf(shape as number[]) }, (_, i) => extend(base, i) >>> 8);
    return tf.tensor(bits, shape as number[], "int32");
  },
});

/** `mix` of `random.ts`. Divisions cost by far the most: there is one for each half that comes down. */
function emitMix(e: Emitter, word: string): string {
  const half = e.word(2 ** 16);
  const turned = (h: string, lower = e.op("Div", [h, half])): string => e.op("Add", [e.op("Mul", [h, half]), lower]);
  const squared = (h: string, odd: number): string =>
    e.op("Mul", [h, e.op("Add", [e.op("Mul", [h, e.word(2)]), e.word(odd)])]);
  const first = turned(e.op("Mul", [word, e.word(FACTORS.first)]));
  const second = turned(squared(first, FACTORS.second));
  const third = squared(second, FACTORS.third);
  return turned(third, e.op("Mul", [e.op("Div", [third, half]), e.word(FACTORS.last)]));
}

/**
 * Independent 24-bit integers, 0..2^24-1, as int32.
 *
 * @param key [1] int32, a draw of the distribution `key`
 */
export function randomBits(key: tf.Tensor, shape: readonly number[]): tf.Tensor {
  return op({ key }, { shape: [...shape] })[0]!;
}
