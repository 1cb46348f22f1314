// Cases of what transformers are made of: linear layers, attention, dropout.

import * as tf from "@tensorflow/tfjs";
import * as fc from "fast-check";
import { attention, dropout, linear } from "../../../ops/index.js";
import { composed, dimension, type OpCase, shape } from "./shared.js";

export const TRANSFORMERS: Record<string, fc.Arbitrary<OpCase>> = {
  linear: fc
    .record({ lead: shape, width: dimension, out: dimension, bias: fc.boolean() })
    .map(({ lead, width, out, bias }) => ({
      shapes: bias
        ? [[...lead, width], [out, width], [out]]
        : [
            [...lead, width],
            [out, width],
          ],
      apply: ([x, w, b]) => linear(x!, w!, b),
      compose: ([x, w, b]) =>
        composed("PeftLinear", b ? { x: x!, weight: w!, c: b } : { x: x!, weight: w! }, { transposed: true }),
    })),
  attention: fc
    .record({
      batch: dimension,
      queries: dimension,
      keys: dimension,
      heads: fc.integer({ min: 1, max: 3 }),
      width: dimension,
    })
    .map(({ batch, queries, keys, heads, width }) => ({
      shapes: [
        [batch, queries, heads * width],
        [batch, keys, heads * width],
        [batch, keys, heads * width],
      ],
      apply: ([q, k, v]) => attention(q!, k!, v!, { heads }),
      compose: ([q, k, v]) => composed("PeftAttention", { q: q!, k: k!, v: v! }, { heads, scale: width ** -0.5 }),
    })),
  "attention with a mask": fc
    .record({
      batch: dimension,
      tokens: dimension,
      heads: fc.integer({ min: 1, max: 3 }),
      width: dimension,
      shared: fc.boolean(),
    })
    .map(({ batch, tokens, heads, width, shared }) => {
      const maskShape = [shared ? 1 : batch, 1, 1, tokens];
      const mask = (): tf.Tensor =>
        tf.tensor(
          Float32Array.from({ length: (shared ? 1 : batch) * tokens }, (_, i) =>
            i % tokens > 0 && i % 3 === 0 ? -1e9 : 0,
          ),
          maskShape,
        );
      return {
        shapes: [
          [batch, tokens, heads * width],
          [batch, tokens, heads * width],
          [batch, tokens, heads * width],
        ],
        apply: ([q, k, v]) => attention(q!, k!, v!, { heads, mask: mask(), scale: 0.5 }),
        compose: ([q, k, v]) =>
          composed("PeftAttentionMasked", { q: q!, k: k!, v: v!, mask: mask() }, { heads, scale: 0.5 }),
      };
    }),
  dropout: shape.map((s) => ({ shapes: [s], apply: ([x]) => dropout(x!, 0.4, "site") })),
};
