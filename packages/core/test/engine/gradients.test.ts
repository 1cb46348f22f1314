// gradients: with respect to parameters, zeros where one does not reach the loss, and nothing below the lowest one.

import * as tf from "@tensorflow/tfjs";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { trace } from "../../src/engine/trace.js";
import { compile, gelu, gradients, linear, Parameter, useEngine } from "../../src/index.js";

afterAll(async () => {
  await useEngine("eager");
});

const floats = (data: number[], shape: number[] = [data.length]) =>
  ({ data: Float32Array.from(data), shape, dtype: "float32" }) as const;

describe.each(["compiled", "eager"] as const)("gradients under the %s engine", (engine) => {
  beforeEach(async () => {
    await (engine === "eager" ? useEngine("eager") : useEngine("compiled"));
  });

  const parameter = (...data: number[]): Parameter => new Parameter([data.length], Float32Array.from(data));
  const numbersOf = async (tensors: tf.Tensor[]): Promise<number[][]> =>
    Promise.all(tensors.map(async (tensor) => [...(await tensor.data())]));

  it("are those of the loss, in the order asked for", async () => {
    const [a, b] = [parameter(1, 2), parameter(3, 4)];
    const run = compile((x) => gradients(() => tf.sum(tf.mul(tf.mul(a!.value(), b!.value()), x!)), [b!, a!]));
    const { loss, gradients: found } = await run(floats([1, 10]));
    expect([...(await loss.data())]).toEqual([83]);
    expect(await numbersOf(found)).toEqual([
      [1, 20],
      [3, 40],
    ]);
  });

  it("are zeros for a parameter that does not reach the loss, at its shape", async () => {
    const [used, unused] = [parameter(2), new Parameter([2, 3], new Float32Array(6).fill(1))];
    const run = compile(() => gradients(() => tf.sum(tf.square(used.value())), [used, unused]));
    const { gradients: found } = await run();
    expect(await numbersOf(found)).toEqual([[4], [0, 0, 0, 0, 0, 0]]);
    expect(found[1]!.shape).toEqual([2, 3]);
  });

  it("add up over every use of a parameter", async () => {
    const p = parameter(3);
    const run = compile(() => gradients(() => tf.sum(tf.mul(p.value(), tf.add(p.value(), p.value()))), [p]));
    expect(await numbersOf((await run()).gradients)).toEqual([[12]]);
  });

  it("can be taken twice in one call, of different losses", async () => {
    const p = parameter(3);
    const run = compile(() => {
      const first = gradients(() => tf.sum(tf.square(p.value())), [p]);
      const second = gradients(() => tf.sum(tf.mul(p.value(), 5)), [p]);
      return [...first.gradients, ...second.gradients];
    });
    expect(await numbersOf(await run())).toEqual([[6], [5]]);
  });

  it("refuse a loss that is no scalar", async () => {
    const p = parameter(1, 2);
    const run = compile(() => gradients(() => tf.square(p.value()), [p]));
    await expect(run()).rejects.toMatchObject({ code: "SHAPE_MISMATCH" });
  });

  it("agree with differences of the loss", async () => {
    const w = new Parameter(
      [3, 4],
      Float32Array.from({ length: 12 }, (_, i) => Math.sin(i)),
    );
    const x = floats(
      Array.from({ length: 8 }, (_, i) => Math.cos(i)),
      [2, 4],
    );
    const loss = (input: tf.Tensor): tf.Tensor => tf.mean(tf.square(gelu(linear(input, w.value()))));
    const run = compile((input) => gradients(() => loss(input!), [w]));
    const evaluate = compile((input) => loss(input!));
    const found = await (await run(x)).gradients[0]!.data();
    const start = await w.read();
    for (let i = 0; i < 12; i++) {
      const at = async (step: number): Promise<number> => {
        await w.write(start.map((value, j) => (j === i ? value + step : value)) as Float32Array);
        return (await (await evaluate(x)).data())[0]!;
      };
      const difference = ((await at(1e-2)) - (await at(-1e-2))) / 2e-2;
      // Differences in float32 are good to three digits.
      expect(Math.abs(difference - found[i]!), `weight ${i}`).toBeLessThan(1e-3);
    }
  });
});

it("nothing below the lowest parameter asked for is differentiated", () => {
  const [frozen, trained] = [1, 2].map(
    (n) => new Parameter([4, 4], new Float32Array(16), { name: `layer${n}.weight` }),
  );
  const graph = trace([{ shape: [3, 4], dtype: "float32" }], ([x]) => {
    const result = gradients(() => tf.sum(linear(gelu(linear(x!, frozen!.value())), trained!.value())), [trained!]);
    return [result.loss, ...result.gradients];
  });
  const kernels = graph.nodes.map((node) => node.kernel);
  expect(kernels.filter((kernel) => kernel === "PeftLinear")).toHaveLength(2);
  expect(kernels.filter((kernel) => kernel === "PeftLinearWeightGradient")).toHaveLength(1);
  expect(kernels).not.toContain("PeftGeluGradient");
});
