// compile: when a function is traced again, when a session is shared, what goes in and comes out, and what is refused.

import * as tf from "@tensorflow/tfjs";
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { CompiledEngine } from "../../src/engine/compiled.js";
import { engineState } from "../../src/engine/state.js";
import {
  compile,
  engineInfo,
  gradients,
  type HostArray,
  inVariant,
  Parameter,
  softmaxCrossEntropy,
  structureChanged,
  takeAlongAxis,
  useEngine,
} from "../../src/index.js";

const floats = (data: number[], shape: number[] = [data.length]): HostArray => ({
  data: Float32Array.from(data),
  shape,
  dtype: "float32",
});
const numbersOf = async (tensor: tf.Tensor): Promise<number[]> => [...(await tensor.data())];

afterAll(async () => {
  await useEngine("eager");
});

describe("a compiled function", () => {
  let runs: ReturnType<typeof vi.spyOn>;
  /** The structures run so far: each is one session. */
  const sessions = (): number => new Set(runs.mock.calls.map(([key]: unknown[]) => key)).size;

  beforeEach(async () => {
    await useEngine("compiled");
    runs = vi.spyOn((engineState().engine as CompiledEngine).device, "run");
  });
  afterEach(() => {
    runs.mockRestore();
  });

  it("is traced once for arguments of the same shapes", async () => {
    let traced = 0;
    const twice = compile((x) => {
      traced++;
      return tf.mul(x!, 2);
    });
    expect(await numbersOf(await twice(floats([1, 2])))).toEqual([2, 4]);
    expect(await numbersOf(await twice(floats([3, 4])))).toEqual([6, 8]);
    expect([traced, sessions()]).toEqual([1, 1]);
    await twice(floats([1, 2, 3]));
    expect([traced, sessions()]).toEqual([2, 2]);
    await twice(floats([1, 2], [2, 1]));
    await twice({ data: Int32Array.of(1, 2), shape: [2], dtype: "int32" });
    expect([traced, sessions()]).toEqual([4, 4]);
  });

  it("is traced again after a change of structure, and keeps its session where the structure is equal", async () => {
    let traced = 0;
    let factor = 2;
    const scale = compile((x) => {
      traced++;
      return tf.mul(x!, factor);
    });
    await scale(floats([1]));
    structureChanged();
    await scale(floats([1]));
    expect([traced, sessions()]).toEqual([2, 1]);
    factor = 3;
    structureChanged();
    expect(await numbersOf(await scale(floats([1])))).toEqual([3]);
    expect([traced, sessions()]).toEqual([3, 2]);
  });

  it("shares a session with another function of the same structure, over other parameters", async () => {
    const add = (p: Parameter) => compile((x) => tf.add(x!, p.value()));
    const [one, two] = [1, 2].map((n) => new Parameter([1], Float32Array.of(n)));
    expect(await numbersOf(await add(one!)(floats([1])))).toEqual([2]);
    expect(await numbersOf(await add(two!)(floats([1])))).toEqual([3]);
    expect(sessions()).toBe(1);
  });

  it("is traced for each variant in force apart", async () => {
    let on = true;
    const scale = compile((x) => tf.mul(x!, on ? 2 : 1));
    expect(await numbersOf(await scale(floats([1])))).toEqual([2]);
    on = false;
    expect(await numbersOf(await inVariant("off", () => scale(floats([1]))))).toEqual([1]);
    expect(await numbersOf(await scale(floats([1])))).toEqual([2]);
  });

  it("runs 30 different shapes one after another, and all of them again", async () => {
    const sum = compile((x) => tf.sum(tf.square(x!)));
    for (let round = 0; round < 2; round++) {
      for (let n = 1; n <= 30; n++) expect(await numbersOf(await sum(floats(Array(n).fill(2))))).toEqual([4 * n]);
    }
  });

  it("goes on after its session was dropped for newer ones", async () => {
    const double = compile((x) => tf.mul(x!, 2));
    for (let n = 1; n <= 70; n++) tf.dispose(await double(floats(Array(n).fill(1))));
    expect(await numbersOf(await double(floats([5])))).toEqual([10]);
  });
});

describe.each(["compiled", "eager"] as const)("%s", (engine) => {
  beforeEach(async () => {
    await (engine === "eager" ? useEngine("eager") : useEngine("compiled"));
  });

  it("says what it is", () => {
    expect(engineInfo()).toMatchObject({ engine, device: "cpu" });
  });

  it("gives back arrays and records of tensors, in the structure of the function's own", async () => {
    const run = compile((x) => ({ list: [x!, tf.neg(x!)], inner: { sum: tf.sum(x!) } }));
    const { list, inner } = await run(floats([1, 2]));
    expect(await Promise.all(list.map(numbersOf))).toEqual([
      [1, 2],
      [-1, -2],
    ]);
    expect([await numbersOf(inner.sum), inner.sum.shape]).toEqual([[3], []]);
  });

  it("gives back arguments, parameters, constants and the same tensor twice", async () => {
    const p = new Parameter([2], Float32Array.of(5, 6));
    const run = compile((x) => [x!, p.value(), tf.tensor1d([7, 8]), tf.add(x!, 1), x!] as tf.Tensor[]);
    for (let i = 0; i < 2; i++) {
      const found = await Promise.all((await run(floats([1, 2]))).map(numbersOf));
      expect(found).toEqual([
        [1, 2],
        [5, 6],
        [7, 8],
        [2, 3],
        [1, 2],
      ]);
    }
  });

  it("takes tensors and host arrays of every type and leaves them to the caller", async () => {
    const run = compile((a, b, c) => tf.where(tf.cast(c!, "bool"), a!, tf.cast(b!, "float32")));
    const a = tf.tensor1d([1, 2]);
    const b = tf.tensor1d([3, 4], "int32");
    const c = { data: Uint8Array.of(1, 0), shape: [2], dtype: "bool" } as const;
    expect(await numbersOf(await run(a, b, c))).toEqual([1, 4]);
    expect(await numbersOf(await run(a, b, c))).toEqual([1, 4]);
    expect([await numbersOf(a), await numbersOf(b), [...c.data]]).toEqual([
      [1, 2],
      [3, 4],
      [1, 0],
    ]);
  });

  it("takes empty tensors and gives them back", async () => {
    const run = compile((x) => [tf.reshape(x!, [2, 0]), tf.concat([x!, tf.ones([1, 2])]), tf.add(x!, 1)]);
    const [empty, one, same] = await run(floats([], [0, 2]));
    expect([empty!.shape, one!.shape, same!.shape]).toEqual([
      [2, 0],
      [1, 2],
      [0, 2],
    ]);
  });

  it("leaves no tensors behind but its results", async () => {
    const p = new Parameter([2], Float32Array.of(1, 1), { name: "p" });
    const step = compile((x) => {
      const { loss, gradients: found } = gradients(() => tf.sum(tf.square(tf.mul(x!, p.value()))), [p]);
      p.assign(tf.sub(p.value(), tf.mul(found[0]!, 0.1)));
      return { loss, again: tf.sum(p.value()) };
    });
    tf.dispose(await step(floats([1, 2])));
    const before = tf.memory().numTensors;
    for (let i = 0; i < 3; i++) {
      const result = await step(floats([1, 2]));
      expect(tf.memory().numTensors).toBe(before + 2);
      tf.dispose(result);
    }
    tf.dispose(await step(floats([1, 2], [1, 2])));
    expect(tf.memory().numTensors).toBe(before);
  });

  it("leaves no tensors behind when the function throws", async () => {
    const p = new Parameter([2], Float32Array.of(1, 1));
    const failing = compile((x) => {
      p.assign(tf.add(p.value(), x!));
      throw new Error("on purpose");
    });
    await expect(failing(floats([1, 2]))).rejects.toThrow("on purpose");
    const before = tf.memory().numTensors;
    await expect(failing(floats([1, 2]))).rejects.toThrow("on purpose");
    expect(tf.memory().numTensors).toBe(before);
    const next = compile((x) => tf.add(x!, 1));
    expect(await numbersOf(await next(floats([1, 2])))).toEqual([2, 3]);
  });

  it("leaves a tensor that the function captured to its owner", async () => {
    const captured = tf.tensor1d([10, 20]);
    const mask = tf.tensor1d([1, 0], "bool");
    const run = compile((x) => tf.where(mask, tf.add(x!, captured), x!));
    for (let i = 0; i < 2; i++) expect(await numbersOf(await run(floats([1, 2])))).toEqual([11, 2]);
    expect(await numbersOf(tf.mul(captured, 2))).toEqual([20, 40]);
    expect(await numbersOf(captured)).toEqual([10, 20]);
    expect(captured.dataSync()[0]).toBe(10);
    const again = compile((x) => tf.sub(x!, captured));
    expect(await numbersOf(await again(floats([1, 2])))).toEqual([-9, -18]);
    const before = tf.memory().numTensors;
    tf.dispose([captured, mask]);
    expect(tf.memory().numTensors).toBe(before - 2);
  });

  it("takes captured tensors that share their numbers with another shape or type as what they are", async () => {
    const counts = tf.tensor1d([10, 30, 60], "int32");
    const mask = tf.tensor1d([1, 0, 1], "bool");
    const square = tf.tensor2d([
      [1, 2],
      [3, 4],
    ]);
    const [weights, kept, column] = [counts.toFloat(), mask.toFloat(), square.reshape([4, 1])];
    const weighted = compile((x) => tf.sum(tf.mul(tf.mul(x!, weights), kept)));
    expect(await numbersOf(await weighted(floats([1, 1, 1])))).toEqual([70]);
    const both = compile((x) => tf.add(tf.sum(tf.matMul(x!, square)), tf.sum(tf.mul(column, tf.ones([1, 2])))));
    expect(await numbersOf(await both(floats([1, 1, 1, 1], [2, 2])))).toEqual([40]);
  });
});

describe("what a compiled function may not do", () => {
  beforeEach(async () => {
    await useEngine("compiled");
  });

  it("reading numbers is an error that says where and what instead", async () => {
    const p = new Parameter([1], new Float32Array(1), { name: "encoder.layer.0.weight" });
    const reads = compile((x) => tf.mul(x!, tf.add(x!, p.value()).dataSync()[0]!));
    await expect(reads(floats([1]))).rejects.toMatchObject({
      code: "ENGINE_TRACE_READ",
      place: "encoder.layer.0",
      hint: expect.stringContaining('useEngine("eager")'),
    });
    const later = compile((x) => {
      void tf
        .add(x!, 1)
        .data()
        .catch(() => {});
      return x!;
    });
    expect(await numbersOf(await later(floats([1])))).toEqual([1]);
  });

  it("using a tensor of another compiled function is an error", async () => {
    let kept: tf.Tensor | undefined;
    const first = compile((x) => {
      kept = tf.keep(tf.add(x!, 1));
      return x!;
    });
    await first(floats([1]));
    const second = compile((x) => tf.add(x!, kept!));
    await expect(second(floats([1]))).rejects.toMatchObject({ code: "ENGINE_GRAPH_INVALID" });
    tf.dispose(kept!);
  });

  it("calling another compiled function inside is an error", async () => {
    const inner = compile((x) => tf.add(x!, 1));
    let called: Promise<unknown> | undefined;
    const outer = compile((x) => {
      called = inner(floats([1])).catch((error: unknown) => error);
      return x!;
    });
    await outer(floats([1]));
    expect(await called).toMatchObject({ code: "ENGINE_GRAPH_INVALID" });
  });

  it("a promise, a number or nothing for a result is an error, and no rejection is left over", async () => {
    const inner = compile((x) => tf.add(x!, 1));
    const wrong: [string, () => unknown][] = [
      ["a promise", () => inner(floats([1]))],
      ["a promise", async () => (await tf.add(1, 2).data())[0]],
      ["a value of type number", () => 1],
      ["a value of type undefined", () => ({ loss: tf.scalar(1), extra: undefined })],
    ];
    for (const engine of ["compiled", "eager"] as const) {
      await (engine === "eager" ? useEngine("eager") : useEngine("compiled"));
      for (const [what, fn] of wrong) {
        const run = compile(fn as () => tf.Tensor);
        await expect(run(), what).rejects.toMatchObject({
          code: "ENGINE_GRAPH_INVALID",
          message: expect.stringContaining(what),
        });
      }
    }
  });

  it("TensorFlow.js's random numbers and assignments to its variables are errors that say what to use", async () => {
    const drop = compile((x) => tf.dropout(x!, 0.5));
    await expect(drop(floats([1]))).rejects.toMatchObject({
      code: "ENGINE_GRAPH_INVALID",
      hint: expect.stringContaining("draw"),
    });
    const weight = tf.variable(tf.scalar(1));
    const moves = compile((x) => {
      weight.assign(tf.add(weight, tf.sum(x!)));
      return x!;
    });
    await expect(moves(floats([1]))).rejects.toMatchObject({
      code: "ENGINE_GRAPH_INVALID",
      hint: expect.stringContaining("Parameter"),
    });
    weight.assign(tf.scalar(3));
    expect(await numbersOf(weight)).toEqual([3]);
    expect(Math.random()).toBeLessThan(1);
  });

  it("text is no argument", async () => {
    const run = compile((x) => x!);
    await expect(run(tf.tensor1d(["a"]))).rejects.toMatchObject({ code: "ARGUMENT_INVALID" });
  });

  it("an eager backend that is not there is an error that says how to install it", async () => {
    await expect(useEngine("eager", { backend: "tensorflow" })).rejects.toMatchObject({
      code: "ENGINE_BINDING_MISSING",
      hint: expect.stringContaining("tfjs-node"),
    });
    expect(engineInfo()?.engine).toBe("compiled");
  });
});

describe.each(["compiled", "eager"] as const)("calls under the %s engine that are not waited for", (engine) => {
  beforeEach(async () => {
    await (engine === "eager" ? useEngine("eager") : useEngine("compiled"));
  });

  it("each see the parameters that the one before left, also where an update is not in place", async () => {
    const [inPlace, turned] = [1, 2].map(() => new Parameter([3], Float32Array.of(1, 2, 3))) as [Parameter, Parameter];
    const step = compile((x) => {
      inPlace.assign(tf.add(tf.mul(inPlace.value(), 2), x!));
      const before = tf.clone(turned.value());
      turned.assign(tf.reverse(tf.add(before, x!)));
      return before;
    });
    const seen = await Promise.all([1, 2, 3, 4].map((n) => step(floats([n, 0, 0]))));
    expect(await Promise.all(seen.map(numbersOf))).toEqual([
      [1, 2, 3],
      [3, 2, 2],
      [2, 2, 5],
      [5, 2, 5],
    ]);
    expect([...(await inPlace.read())]).toEqual([42, 32, 48]);
    expect([...(await turned.read())]).toEqual([5, 2, 9]);
  });

  it("take their arguments as they are when they are called", async () => {
    const p = new Parameter([2], Float32Array.of(0, 0));
    const add = compile((x) => {
      p.assign(tf.reverse(tf.add(p.value(), x!)));
      return tf.sum(p.value());
    });
    const batch = floats([1, 1]);
    const calls = [];
    for (let i = 1; i <= 3; i++) {
      batch.data.fill(i);
      calls.push(add(batch));
    }
    await Promise.all(calls);
    expect([...(await p.read())]).toEqual([6, 6]);
  });
});

it("an index outside of what it points into is an error, also a negative one", async () => {
  await useEngine("compiled");
  const ints = (numbers: number[], shape = [numbers.length]): HostArray => {
    return { data: Int32Array.from(numbers), shape, dtype: "int32" };
  };
  const x = floats([1, 2, 3, 4, 5, 6], [2, 3]);
  const calls: [string, Promise<unknown>][] = [
    ["gather", compile((x, at) => tf.gather(x!, at!))(x, ints([-1]))],
    ["gather in batches", compile((x, at) => tf.gather(x!, at!, 1, 1))(x, ints([0, 3], [2, 1]))],
    ["gather in batches", compile((x, at) => tf.gather(x!, at!, 1, 1))(x, ints([0, -1], [2, 1]))],
    ["gatherND", compile((x, at) => tf.gatherND(x!, at!))(x, ints([0, 3], [1, 2]))],
    ["scatterND", compile((x, at) => tf.scatterND(at!, x!, [2, 3]))(x, ints([0, -1], [2, 1]))],
    ["takeAlongAxis", compile((x, at) => takeAlongAxis(x!, at!, 1))(x, ints([0, 3], [2, 1]))],
    ["a label", compile((x, at) => softmaxCrossEntropy(x!, at!))(x, ints([0, -1]))],
    ["a label", compile((x, at) => softmaxCrossEntropy(x!, at!))(x, ints([3, 0]))],
  ];
  for (const [what, call] of calls) await expect(call, what).rejects.toMatchObject({ code: "DATA_INVALID" });
  const sums = compile((x, at) => tf.unsortedSegmentSum(x!, at! as tf.Tensor1D, 2));
  expect(await numbersOf(await sums(floats([1, 2, 3, 4]), ints([0, 1, -1, 2])))).toEqual([1, 2]);
});

it("a run that fails is an error, after which the engine goes on", async () => {
  await useEngine("compiled");
  const pick = compile((x, at) => tf.gather(x!, at!));
  const at = (index: number): HostArray => ({ data: Int32Array.of(index), shape: [1], dtype: "int32" });
  await expect(pick(floats([1, 2]), at(7))).rejects.toMatchObject({ code: "DATA_INVALID" });
  expect(await numbersOf(await pick(floats([1, 2]), at(1)))).toEqual([2]);
});
