import * as tf from "@tensorflow/tfjs";
import { expect, it } from "vitest";
import {
  attention,
  compile,
  dropout,
  gelu,
  gradients,
  layerNorm,
  linear,
  Parameter,
  softmaxCrossEntropy,
  useEngine,
} from "../../src/index.js";

const numbers = (n: number, seed = 1) => Float32Array.from({ length: n }, (_, i) => Math.sin(i * 12.9898 * seed) * 0.7);

it("a small transformer step agrees between the engines", async () => {
  const run = async () => {
    const w = new Parameter([8, 8], numbers(64), { name: "w" });
    const b = new Parameter([8], numbers(8, 2), { name: "b" });
    const lw = new Parameter([8], numbers(8, 3), { name: "lw" });
    const head = new Parameter([3, 8], numbers(24, 4), { name: "head" });
    const all = [w, b, lw, head];
    const step = compile((x, labels) => {
      const { loss, gradients: g } = gradients(() => {
        const h = layerNorm(x, lw.value(), b.value(), 1e-6);
        const q = linear(h, w.value(), b.value());
        const a = dropout(gelu(attention(q, h, q, { heads: 2 })), 0.3, "drop");
        return softmaxCrossEntropy(linear(tf.mean(a, 1), head.value()), labels);
      }, all);
      for (const [i, p] of all.entries()) p.assign(tf.sub(p.value(), tf.mul(g[i]!, 0.5)));
      return { loss, g };
    });
    const x = { data: numbers(2 * 5 * 8, 5), shape: [2, 5, 8], dtype: "float32" as const };
    const labels = { data: Int32Array.of(0, 2), shape: [2], dtype: "int32" as const };
    const losses = [];
    for (let i = 0; i < 4; i++) {
      const out = await step.at({ seed: 1, step: i })(x, labels);
      losses.push((await out.loss.data())[0]);
    }
    return { losses, w: await w.read() };
  };
  await useEngine("eager");
  const eager = await run();
  await useEngine("compiled");
  const compiled = await run();
  console.log(eager.losses, compiled.losses);
  for (let i = 0; i < 4; i++) expect(compiled.losses[i]).toBeCloseTo(eager.losses[i]!, 5);
  for (let i = 0; i < 64; i++) expect(compiled.w[i]).toBeCloseTo(eager.w[i]!, 5);
});
