// conv2d: what it refuses, and the layer over it. Its numbers are tested with every op's.

import * as tf from "@tensorflow/tfjs";
import { beforeAll, describe, expect, it } from "vitest";
import { Conv2d, compile, conv2d, useEngine } from "../../src/index.js";

describe("conv2d", () => {
  beforeAll(async () => {
    await useEngine("eager");
  });

  const x = (...shape: number[]): tf.Tensor => tf.zeros(shape);

  it("refuses shapes that do not fit, saying which", () => {
    expect(() => conv2d(x(1, 3, 8, 8), x(4, 2, 3, 3))).toThrow(/x \[1,3,8,8\] does not fit a weight of \[4,2,3,3\]/);
    expect(() => conv2d(x(3, 8, 8), x(4, 3, 3, 3))).toThrow(/does not fit/);
    expect(() => conv2d(x(1, 4, 8, 8), x(3, 2, 3, 3), undefined, { groups: 2 })).toThrow(/in 2 groups/);
    expect(() => conv2d(x(1, 3, 8, 8), x(4, 3, 3, 3), x(3))).toThrow(/a bias of \[3\] does not fit 4 output channels/);
  });

  it("refuses a picture smaller than a window", () => {
    expect(() => conv2d(x(1, 1, 4, 4), x(1, 1, 3, 3), undefined, { dilation: 2 })).toThrow(/smaller than a window/);
    expect(conv2d(x(1, 1, 4, 4), x(1, 1, 3, 3), undefined, { dilation: 2, padding: 1 }).shape).toEqual([1, 1, 2, 2]);
  });

  it("refuses a stride of 0, a negative padding and broken numbers", () => {
    for (const options of [{ stride: 0 }, { padding: -1 }, { dilation: 1.5 }, { groups: 0 }]) {
      expect(() => conv2d(x(1, 1, 4, 4), x(1, 1, 3, 3), undefined, options)).toThrow(
        expect.objectContaining({ code: "ARGUMENT_INVALID" }),
      );
    }
  });

  it("has a layer that passes on how its windows lie", async () => {
    const layer = new Conv2d(4, 6, { kernel: [3, 2], stride: [2, 1], padding: [1, 0], dilation: [1, 2], groups: 2 });
    expect(layer.weight.shape).toEqual([6, 2, 3, 2]);
    const run = compile((input) => layer.forward(input));
    expect((await run(x(2, 4, 9, 8))).shape).toEqual([2, 6, 5, 6]);
  });
});
