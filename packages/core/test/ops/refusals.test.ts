// What the ops refuse, and what they do at the edges of what they accept.

import * as tf from "@tensorflow/tfjs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  adaptiveAvgPool2d,
  avgPool2d,
  batchNorm,
  batchNormTraining,
  binaryCrossEntropy,
  compile,
  convTranspose2d,
  fft2,
  groupNorm,
  interpolate,
  irfft2,
  maxPool2d,
  meanSquaredError,
  pad,
  rmsNorm,
  roll,
  smoothL1,
  softmaxCrossEntropy,
  softTargetCrossEntropy,
  useEngine,
} from "../../src/index.js";

const x = (...shape: number[]): tf.Tensor => tf.zeros(shape);
const labels = (...shape: number[]): tf.Tensor => tf.zeros(shape, "int32");

beforeAll(async () => {
  await useEngine("eager");
});
afterAll(async () => {
  await useEngine("eager");
});

describe("shapes that do not fit are refused", () => {
  const moments = (): { mean: tf.Tensor; variance: tf.Tensor } => ({ mean: x(4), variance: x(4) });
  const REFUSED: Record<string, () => unknown> = {
    "a group norm of other channels": () => groupNorm(x(2, 4, 3), x(3), x(3), { groups: 1, eps: 0 }),
    "groups that do not divide the channels": () => groupNorm(x(2, 4, 3), x(4), x(4), { groups: 3, eps: 0 }),
    "an RMS norm of another width": () => rmsNorm(x(2, 4), x(3), 0),
    "a batch norm of other channels": () => batchNorm(x(2, 3), x(4), x(4), moments(), { eps: 0 }),
    "a training step on one number of each channel": () =>
      batchNormTraining(x(1, 4), x(4), x(4), moments(), { eps: 0, momentum: 0 }),
    "a transposed convolution of other channels": () => convTranspose2d(x(1, 3, 4, 4), x(4, 2, 3, 3)),
    "a transposed convolution's bias": () => convTranspose2d(x(1, 4, 4, 4), x(4, 2, 3, 3), x(3)),
    "a padding that leaves nothing": () => convTranspose2d(x(1, 1, 1, 1), x(1, 1, 3, 3), undefined, { padding: 2 }),
    "a picture smaller than a window": () => maxPool2d(x(1, 1, 2, 2), { kernel: 3 }),
    "a pooling of three axes": () => avgPool2d(x(1, 4, 4), { kernel: 2 }),
    "an adaptive pooling of three axes": () => adaptiveAvgPool2d(x(1, 4, 4), 2),
    "a resizing of three axes": () => interpolate(x(1, 4, 4), { size: 2 }),
    "labels of another shape": () => softmaxCrossEntropy(x(2, 3), labels(3)),
    "soft targets of another shape": () => softTargetCrossEntropy(x(2, 3), x(2, 2)),
    "binary targets that would be broadcast": () => binaryCrossEntropy(x(2, 3), x(2, 1)),
    "a mean squared error of other shapes": () => meanSquaredError(x(2, 3), x(3)),
    "a complex pair of two shapes": () => fft2({ re: x(2, 3), im: x(3, 2) }),
    "columns that are not of the width": () => irfft2({ re: x(2, 3), im: x(2, 3) }, 6),
  };
  for (const [what, call] of Object.entries(REFUSED)) {
    it(what, () => {
      expect(call).toThrow(expect.objectContaining({ code: "SHAPE_MISMATCH" }));
    });
  }
});

describe("options that make no sense are refused", () => {
  const picture = (): tf.Tensor => x(1, 1, 4, 4);
  const REFUSED: Record<string, () => unknown> = {
    "an output padding as large as the stride": () =>
      convTranspose2d(picture(), x(1, 1, 2, 2), undefined, { stride: 2, outputPadding: 2 }),
    "a padding of more than half a window": () => maxPool2d(picture(), { kernel: 3, padding: 2 }),
    "a kernel of 0": () => avgPool2d(picture(), { kernel: 0 }),
    "neither size nor factor": () => interpolate(picture(), {}),
    "both size and factor": () => interpolate(picture(), { size: 2, scaleFactor: 2 }),
    "a factor that leaves nothing": () => interpolate(picture(), { scaleFactor: 0.1 }),
    "aligned corners of the nearest": () => interpolate(picture(), { size: 2, alignCorners: true }),
    "antialiasing with aligned corners": () =>
      interpolate(picture(), { size: 2, mode: "bilinear", alignCorners: true, antialias: true }),
    "a reflection longer than the axis": () => pad(picture(), [[0, 4]], { mode: "reflect" }),
    "a negative padding": () => pad(picture(), [[-1, 0]]),
    "more shifts than axes": () => roll(picture(), [1, 2], [0]),
    "a smoothing of 1": () => softmaxCrossEntropy(x(2, 3), labels(2), { labelSmoothing: 1 }),
    "a beta of 0": () => smoothL1(picture(), picture(), 0),
  };
  for (const [what, call] of Object.entries(REFUSED)) {
    it(what, () => {
      expect(call).toThrow(expect.objectContaining({ code: "ARGUMENT_INVALID" }));
    });
  }
});

describe.each(["eager", "compiled"] as const)("at the edges, %s", (engine) => {
  beforeAll(async () => {
    await (engine === "eager" ? useEngine("eager") : useEngine("compiled"));
  });
  const ignored = { data: Int32Array.of(-100, -100), shape: [2], dtype: "int32" as const };
  const logits = { data: Float32Array.of(1, 2, 3, -1e30, 0, 1e30), shape: [2, 3], dtype: "float32" as const };

  it("a cross-entropy in which no row counts is NaN, and each row's is 0", async () => {
    const run = compile((z, y) => [softmaxCrossEntropy(z!, y!), softmaxCrossEntropy(z!, y!, { reduction: "none" })]);
    const [mean, each] = await run(logits, ignored);
    expect(await mean!.data()).toEqual(Float32Array.of(Number.NaN));
    expect([...(await each!.data())].map(Math.abs)).toEqual([0, 0]);
  });

  it("a constant group is normalised to its shift", async () => {
    const run = compile((z) => groupNorm(z!, tf.ones([2]), tf.tensor1d([0.5, -3]), { groups: 2, eps: 1e-5 }));
    const y = await run({ data: new Float32Array(16).fill(0.25), shape: [1, 2, 2, 4], dtype: "float32" });
    expect([...(await y.data())]).toEqual([...Array(8).fill(0.5), ...Array(8).fill(-3)]);
  });

  it("a tensor of integers rolls and pads like any other", async () => {
    const run = compile((z) => [roll(z!, [1], [1]), pad(z!, [[1, 1]], { mode: "reflect" })]);
    const [rolled, padded] = await run({ data: Int32Array.of(1, 2, 3), shape: [1, 3], dtype: "int32" });
    expect(await rolled!.data()).toEqual(Int32Array.of(3, 1, 2));
    expect(await padded!.data()).toEqual(Int32Array.of(2, 1, 2, 3, 2));
  });
});

it("a label beyond the classes is an error, not another class's loss", async () => {
  await useEngine("compiled");
  const run = compile((z, y) => softmaxCrossEntropy(z!, y!));
  const logits = { data: new Float32Array(6), shape: [2, 3], dtype: "float32" as const };
  await expect(run(logits, { data: Int32Array.of(0, 3), shape: [2], dtype: "int32" })).rejects.toThrow();
});
