// Parameters: numbers go in and out exactly, move between engines with every bit, and are gone when disposed of.

import * as tf from "@tensorflow/tfjs";
import { afterAll, beforeEach, describe, expect, it, vi } from "vitest";
import type { CompiledEngine } from "../../src/engine/compiled.js";
import { engineState } from "../../src/engine/state.js";
import { compile, engineInfo, Parameter, useEngine } from "../../src/index.js";

const code = (name: string): unknown => expect.objectContaining({ code: name });
/** Every kind of float32, a payload of a NaN among them. */
const BITS = Uint32Array.of(0, 0x80000000, 0x3f800000, 0x00000001, 0x7f7fffff, 0x7f800000, 0xff800000, 0x7fc01234);
const special = (): Float32Array => new Float32Array(BITS.slice().buffer);
const bitsOf = (data: ArrayBufferView): number[] => [...new Uint32Array(data.buffer, data.byteOffset, BITS.length)];

afterAll(async () => {
  await useEngine("eager");
});

const use = async (engine: "compiled" | "eager"): Promise<void> => {
  await (engine === "eager" ? useEngine("eager") : useEngine("compiled"));
};

describe.each(["compiled", "eager"] as const)("a parameter under the %s engine", (engine) => {
  beforeEach(() => use(engine));
  const touch = (...parameters: Parameter[]): Promise<unknown> => compile(() => parameters.map((p) => p.value()))();

  it("is read as it was given, before and after the engine holds it", async () => {
    const p = new Parameter([2, 2], Float32Array.of(1, 2, 3, 4));
    expect([...(await p.read())]).toEqual([1, 2, 3, 4]);
    await touch(p);
    const read = await p.read();
    expect([...read]).toEqual([1, 2, 3, 4]);
    read[0] = 9;
    expect([...(await p.read())]).toEqual([1, 2, 3, 4]);
  });

  it("holds integers and bools as such", async () => {
    const i = new Parameter([2], Int32Array.of(2 ** 31 - 1, -(2 ** 31)), { dtype: "int32" });
    const b = new Parameter([2], Uint8Array.of(1, 0), { dtype: "bool" });
    await touch(i, b);
    expect([...(await i.read())]).toEqual([2 ** 31 - 1, -(2 ** 31)]);
    expect([...(await b.read())]).toEqual([1, 0]);
    expect(await i.read()).toBeInstanceOf(Int32Array);
    expect(await b.read()).toBeInstanceOf(Uint8Array);
  });

  it("is written: the next call sees the new numbers, and the array stays the caller's", async () => {
    const p = new Parameter([2], Float32Array.of(1, 2));
    const run = compile(() => tf.mul(p.value(), 10));
    expect([...(await (await run()).data())]).toEqual([10, 20]);
    const data = Float32Array.of(3, 4);
    await p.write(data);
    expect([...(await (await run()).data())]).toEqual([30, 40]);
    expect([...data]).toEqual([3, 4]);
  });

  it("adopts an array: the next call sees its numbers", async () => {
    const p = new Parameter([2], Float32Array.of(1, 2));
    await touch(p);
    p.adopt(Float32Array.of(5, 6));
    expect([...(await p.read())]).toEqual([5, 6]);
    await touch(p);
    expect([...(await p.read())]).toEqual([5, 6]);
  });

  it("takes part of a larger buffer without touching the rest", async () => {
    const buffer = Float32Array.of(1, 2, 3, 4);
    const p = new Parameter([2], buffer.subarray(1, 3));
    await touch(p);
    expect([...(await p.read())]).toEqual([2, 3]);
    expect([...buffer]).toEqual([1, 2, 3, 4]);
  });

  it("refuses numbers of another count or type, and keeps its own", async () => {
    const p = new Parameter([2, 3], new Float32Array(6), { name: "layer.weight" });
    expect(() => new Parameter([2, 3], new Float32Array(5))).toThrow(code("SHAPE_MISMATCH"));
    expect(() => new Parameter([1], new Int32Array(1))).toThrow(code("SHAPE_MISMATCH"));
    expect(() => p.adopt(new Float32Array(7))).toThrow(/layer\.weight/);
    await expect(p.write(new Int32Array(6))).rejects.toThrow(code("SHAPE_MISMATCH"));
    expect([...(await p.read())]).toEqual([0, 0, 0, 0, 0, 0]);
    const lazy = new Parameter([2], () => new Float32Array(3), { name: "lazy" });
    await expect(touch(lazy)).rejects.toThrow(code("SHAPE_MISMATCH"));
  });

  it("refuses to be assigned a tensor of another shape", async () => {
    const p = new Parameter([2], new Float32Array(2), { name: "p" });
    const run = compile(() => {
      p.assign(tf.zeros([1, 2]));
      return p.value();
    });
    await expect(run()).rejects.toThrow(code("SHAPE_MISMATCH"));
  });

  it("is gone when it was disposed of", async () => {
    const p = new Parameter([1], new Float32Array(1), { name: "gone" });
    const run = compile(() => tf.add(p.value(), 1));
    tf.dispose(await run());
    p.dispose();
    await expect(p.read()).rejects.toThrow(code("DISPOSED"));
    expect(() => p.adopt(new Float32Array(1))).toThrow(code("DISPOSED"));
    await expect(run()).rejects.toThrow(code("DISPOSED"));
  });

  it("has a copy with numbers of its own, wherever they are", async () => {
    const made: string[] = [];
    const lazy = new Parameter(
      [2],
      (name) => {
        made.push(name);
        return Float32Array.of(7, 8);
      },
      { name: "lazy" },
    );
    const held = new Parameter([2], Float32Array.of(1, 2));
    await touch(held);
    const copies = [lazy, held].map((p) => p.clone());
    for (const p of [lazy, held]) await p.write(Float32Array.of(0, 0));
    expect([...(await copies[0]!.read())]).toEqual([7, 8]);
    expect([...(await copies[1]!.read())]).toEqual([1, 2]);
    await touch(...copies);
    expect([...(await copies[1]!.read())]).toEqual([1, 2]);
  });

  it("asks for its first numbers by its name, once", async () => {
    const names: string[] = [];
    const p = new Parameter([1], (name) => {
      names.push(name);
      return new Float32Array(1);
    });
    p.name = "given.later";
    await touch(p);
    await p.read();
    expect(names).toEqual(["given.later"]);
  });

  it("shows its new numbers to later reads in the same call, and outside after it", async () => {
    const p = new Parameter([1], Float32Array.of(1));
    const step = compile(() => {
      const before = tf.clone(p.value());
      p.assign(tf.add(p.value(), 1));
      const between = tf.mul(p.value(), 100);
      p.assign(tf.mul(p.value(), 2));
      return [before, between, p.value()];
    });
    const first = await Promise.all((await step()).map(async (t) => (await t.data())[0]));
    expect(first).toEqual([1, 200, 4]);
    expect([...(await p.read())]).toEqual([4]);
    const second = await Promise.all((await step()).map(async (t) => (await t.data())[0]));
    expect(second).toEqual([4, 500, 10]);
  });

  it("swaps with another, each getting the other's old numbers", async () => {
    const [a, b] = [1, 2].map((n) => new Parameter([2], Float32Array.of(n, n))) as [Parameter, Parameter];
    const swap = compile(() => {
      const [first, second] = [a.value(), b.value()].map((t) => tf.clone(t));
      a.assign(second!);
      b.assign(first!);
      return first!;
    });
    for (const expected of [
      [2, 1],
      [1, 2],
      [2, 1],
    ]) {
      tf.dispose(await swap());
      expect([(await a.read())[0], (await b.read())[0]]).toEqual(expected);
    }
  });
});

it("moves between the engines with every bit", async () => {
  const p = new Parameter([8], special());
  for (const engine of ["compiled", "eager", "compiled", "eager"] as const) {
    await use(engine);
    await compile(() => p.value())();
    expect(bitsOf(await p.read()), engine).toEqual([...BITS]);
  }
});

it("keeps what was trained under one engine when another takes over", async () => {
  const p = new Parameter([1], Float32Array.of(1));
  const step = compile(() => {
    p.assign(tf.mul(p.value(), 2));
    return p.value();
  });
  for (const engine of ["compiled", "eager", "compiled"] as const) {
    await use(engine);
    tf.dispose(await step());
  }
  expect([...(await p.read())]).toEqual([8]);
});

it("has no value outside a compiled function", async () => {
  await use("compiled");
  const p = new Parameter([1], Float32Array.of(1), { name: "p" });
  expect(() => p.value()).toThrow(code("ENGINE_GRAPH_INVALID"));
});

it("what is called while the parameters move to another engine waits for them", async () => {
  await useEngine("compiled");
  const [p, q] = [new Parameter([1], Float32Array.of(1)), new Parameter([1], Float32Array.of(9))];
  const [readP, readQ] = [p, q].map((parameter) => compile(() => tf.mul(parameter.value(), 1)));
  const numbers = async (tensor: tf.Tensor) => (await tensor.data())[0];
  expect([await numbers(await readP!()), await numbers(await readQ!())]).toEqual([1, 9]);
  const moves = [useEngine("eager"), useEngine("compiled"), useEngine("compiled", { threads: 1 })];
  const [first, second] = await Promise.all([readQ!(), readP!()]);
  expect([await numbers(first), await numbers(second)]).toEqual([9, 1]);
  expect((await Promise.all(moves)).map(({ threads }) => threads)).toEqual([undefined, expect.any(Number), 1]);
  expect(engineInfo()).toMatchObject({ engine: "compiled", threads: 1 });
});

it("where a device has died its parameters are lost, each by an error of its own, and others go on", async () => {
  await useEngine("compiled");
  const [p, q] = ["p", "q"].map((name) => new Parameter([2], Float32Array.of(1, 2), { name })) as [
    Parameter,
    Parameter,
  ];
  const double = compile(() => tf.mul(p.value(), 2));
  await double();
  const { device } = engineState().engine as CompiledEngine;
  vi.spyOn(device, "download").mockRejectedValue(new Error("the thread is gone"));
  await useEngine("compiled");
  const other = compile(() => tf.mul(q.value(), 2));
  expect([...(await (await other()).data())]).toEqual([2, 4]);
  for (const use of [double(), p.read()]) {
    await expect(use).rejects.toMatchObject({ code: "ENGINE_DEVICE_FAILED", place: "p" });
  }
  p.adopt(Float32Array.of(3, 4));
  expect([...(await (await double()).data())]).toEqual([6, 8]);
});
