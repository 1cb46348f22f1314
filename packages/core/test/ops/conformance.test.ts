// Every op over many shapes: compiled against eager, and its closed-form gradient against TensorFlow.js's own gradient of
// the eager composition. All shapes of an op are one graph, so that a case costs no session of its own.

import * as tf from "@tensorflow/tfjs";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  attention,
  compile,
  conv2d,
  dropout,
  gradients,
  klDivergence,
  layerNorm,
  linear,
  Parameter,
  randomBits,
  select,
  useEngine,
} from "../../src/index.js";
import { hash, unit } from "../../src/random.js";
import { gradientFloor, relativeError } from "../../src/testing/index.js";
import { ACTIVATIONS } from "./cases/activations.js";
import { CONVOLUTIONS } from "./cases/convolutions.js";
import { LOSSES } from "./cases/losses.js";
import { NORMS } from "./cases/norms.js";
import { type Case, composed, dimension, shape } from "./cases/shared.js";
import { SPATIAL } from "./cases/spatial.js";
import { SUMS } from "./cases/sums.js";

const RUNS = 10;
const CASES: Record<string, fc.Arbitrary<Case>> = {
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
  layerNorm: fc.record({ lead: shape, width: fc.integer({ min: 2, max: 12 }) }).map(({ lead, width }) => ({
    shapes: [[...lead, width], [width], [width]],
    apply: ([x, w, b]) => layerNorm(x!, w!, b!, 1e-3),
    compose: ([x, w, b]) => composed("PeftLayerNorm", { x: x!, weight: w!, bias: b! }, { eps: 1e-3 }),
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
  "conv2d over patches": fc
    .record({
      batch: dimension,
      channels: dimension,
      out: dimension,
      size: fc.integer({ min: 1, max: 4 }),
      rows: dimension,
      columns: dimension,
      rest: fc.integer({ min: 0, max: 1 }),
    })
    .map(({ batch, channels, out, size, rows, columns, rest }) => {
      const extra = size > 1 ? rest : 0;
      return {
        shapes: [[batch, channels, rows * size + extra, columns * size], [out, channels, size, size], [out]],
        apply: ([x, w, b]) => conv2d(x!, w!, b, { stride: size }),
        compose: ([x, w, b]) => {
          const y = tf.conv2d(
            tf.transpose(x!, [0, 2, 3, 1]) as tf.Tensor4D,
            tf.transpose(w!, [2, 3, 1, 0]) as tf.Tensor4D,
            size,
            "valid",
          );
          return tf.transpose(tf.add(y, b!), [0, 3, 1, 2]);
        },
      };
    }),
  conv2d: fc
    .record({
      batch: fc.integer({ min: 1, max: 3 }),
      groups: fc.integer({ min: 1, max: 3 }),
      inner: fc.integer({ min: 1, max: 4 }),
      outer: fc.integer({ min: 1, max: 4 }),
      kernel: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
      stride: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
      // More padding than a window reaches makes outputs that see only zeros.
      padding: fc.tuple(fc.integer({ min: 0, max: 4 }), fc.integer({ min: 0, max: 3 })),
      dilation: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 2 })),
      rest: fc.tuple(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 0, max: 5 })),
      stepped: fc.boolean(),
      bias: fc.boolean(),
    })
    .map(({ batch, groups, inner, outer, kernel, padding, dilation, rest, stepped, bias, ...drawn }) => {
      const stride = stepped ? drawn.stride : ([1, 1] as [number, number]);
      const size = rest.map((r, i) => Math.max(1, dilation[i]! * (kernel[i]! - 1) + 1 - 2 * padding[i]!) + r);
      const options = { stride, padding, dilation, groups };
      const shapes = [
        [batch, groups * inner, ...size],
        [groups * outer, inner, ...kernel],
      ];
      return {
        shapes: bias ? [...shapes, [groups * outer]] : shapes,
        apply: ([x, w, b]) => conv2d(x!, w!, b, options),
        compose: ([x, w, b]) =>
          composed("PeftConv2d", b ? { x: x!, weight: w!, bias: b } : { x: x!, weight: w! }, options),
      };
    }),
  "conv2d of 3x3 windows": fc
    .record({
      batch: dimension,
      channels: dimension,
      out: dimension,
      stride: fc.integer({ min: 1, max: 2 }),
      padding: fc.integer({ min: 0, max: 2 }),
      rows: fc.integer({ min: 3, max: 9 }),
      columns: fc.integer({ min: 3, max: 9 }),
    })
    .map(({ batch, channels, out, stride, padding, rows, columns }) => ({
      shapes: [[batch, channels, rows, columns], [out, channels, 3, 3], [out]],
      apply: ([x, w, b]) => conv2d(x!, w!, b, { stride, padding }),
      compose: ([x, w, b]) => {
        const around: [number, number] = [padding, padding];
        const padded = tf.pad(tf.transpose(x!, [0, 2, 3, 1]), [[0, 0], around, around, [0, 0]]);
        const y = tf.conv2d(padded as tf.Tensor4D, tf.transpose(w!, [2, 3, 1, 0]) as tf.Tensor4D, stride, "valid");
        return tf.transpose(tf.add(y, b!), [0, 3, 1, 2]);
      },
    })),
  klDivergence: fc.record({ rows: dimension, classes: fc.integer({ min: 2, max: 9 }) }).map(({ rows, classes }) => ({
    shapes: [[rows, classes]],
    scale: 5,
    apply: ([logits]) => klDivergence(logits!, tf.mul(logitsLike(rows, classes), 5)),
    compose: ([logits]) =>
      composed("PeftKlDivergence", { logits: logits!, target: tf.mul(logitsLike(rows, classes), 5) }),
  })),
  dropout: shape.map((s) => ({ shapes: [s], apply: ([x]) => dropout(x!, 0.4, "site") })),
  ...ACTIVATIONS,
  ...CONVOLUTIONS,
  ...LOSSES,
  ...NORMS,
  ...SPATIAL,
  ...SUMS,
};

const logitsLike = (rows: number, classes: number): tf.Tensor =>
  tf.tensor2d(
    Float32Array.from({ length: rows * classes }, (_, i) => Math.sin(i * 1.7)),
    [rows, classes],
  );

/** Numbers in [-scale, scale], away from zero, where ReLU has its kink. */
function numbers(shape: readonly number[], seed: number, scale: number): Float32Array {
  const size = shape.reduce((p, d) => p * d, 1);
  return Float32Array.from({ length: size }, (_, i) => {
    const x = (2 * unit(hash(seed, i)) - 1) * scale;
    return Math.abs(x) < 0.01 ? 0.02 : x;
  });
}

interface Result {
  outputs: Float32Array[];
  gradients: Float32Array[];
}

/** Outputs and gradients of every case, in one compiled function; the loss weighs the outputs' elements differently. */
async function evaluate(cases: Case[], field: "apply" | "compose"): Promise<Result> {
  const parameters = cases.map((c, n) =>
    c.shapes.map((s, i) => new Parameter(s, numbers(s, n * 10 + i, c.scale ?? 1), { name: `case${n}.input${i}` })),
  );
  const fn = compile(() => {
    const outputs: tf.Tensor[] = [];
    const all = parameters.flat();
    const { gradients: found } = gradients(() => {
      const losses = cases.map((c, n) => {
        const run = field === "compose" && c.compose ? c.compose : c.apply;
        const y = run.call(
          c,
          parameters[n]!.map((p) => p.value()),
        );
        outputs.push(tf.keep(y));
        const weights = tf.tensor(numbers(y.shape, n, 1), y.shape);
        return tf.sum(tf.mul(y, weights));
      });
      return tf.addN(losses);
    }, all);
    return { outputs, found };
  });
  const { outputs, found } = await fn.at({ seed: 3, step: 5 })();
  const read = (tensors: tf.Tensor[]): Promise<Float32Array[]> =>
    Promise.all(tensors.map(async (tensor) => (await tensor.data()) as Float32Array));
  return { outputs: await read(outputs), gradients: await read(found) };
}

describe("every op", () => {
  const samples = new Map<string, Case[]>();
  const eager = new Map<string, Result>();

  beforeAll(async () => {
    await useEngine("eager");
    for (const [name, arbitrary] of Object.entries(CASES)) {
      const cases = fc.sample(arbitrary, { numRuns: RUNS, seed: 42 });
      samples.set(name, cases);
      eager.set(name, await evaluate(cases, "apply"));
    }
  });
  afterAll(async () => {
    await useEngine("eager");
  });

  const expectClose = (actual: Float32Array[], expected: Float32Array[], bound: number, what: string): void => {
    const floor = what === "gradient" ? gradientFloor(expected) : 0;
    for (const [i, tensor] of expected.entries()) {
      expect(relativeError(actual[i]!, tensor, floor), `${what} ${i}`).toBeLessThanOrEqual(bound);
    }
  };

  for (const name of Object.keys(CASES)) {
    it(`${name}: the gradient in closed form is TensorFlow.js's own of the composition`, async () => {
      await useEngine("eager");
      const reference = await evaluate(samples.get(name)!, "compose");
      expectClose(eager.get(name)!.outputs, reference.outputs, 1e-5, "output");
      expectClose(eager.get(name)!.gradients, reference.gradients, 1e-4, "gradient");
    });

    it(`${name}: compiled agrees with eager`, async () => {
      await useEngine("compiled");
      const compiled = await evaluate(samples.get(name)!, "apply");
      expectClose(compiled.outputs, eager.get(name)!.outputs, 1e-5, "output");
      expectClose(compiled.gradients, eager.get(name)!.gradients, 1e-5, "gradient");
    });
  }

  it("random bits are equal bit for bit on both engines", async () => {
    const key = { data: Int32Array.of(-123456789), shape: [1], dtype: "int32" as const };
    const bits = compile((k) => randomBits(k, [5, 1001]));
    await useEngine("eager");
    const expected = await (await bits(key)).data();
    await useEngine("compiled");
    expect(await (await bits(key)).data()).toEqual(expected);
  });

  it("select passes no NaN through from the side that is not chosen", async () => {
    const choose = compile((flag, a, b) => select(tf.greater(tf.squeeze(flag), 0), a, b));
    const bad = { data: Float32Array.of(Number.NaN, Number.POSITIVE_INFINITY), shape: [2], dtype: "float32" as const };
    const good = { data: Float32Array.of(1, 2), shape: [2], dtype: "float32" as const };
    for (const engine of ["eager", "compiled"] as const) {
      await (engine === "eager" ? useEngine("eager") : useEngine("compiled"));
      const no = { data: Float32Array.of(0), shape: [1], dtype: "float32" as const };
      expect([...(await (await choose(no, bad, good)).data())], engine).toEqual([1, 2]);
    }
  });
});
