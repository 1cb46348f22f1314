// The cases of `fixtures/ops`: differentiable ops with what PyTorch's autograd computes of them in float64.

import { readdirSync } from "node:fs";
import * as tf from "@tensorflow/tfjs";
import { compile, gradients, Parameter } from "../engine/index.js";
import { activation } from "../nn/index.js";
import {
  type AvgPoolWindows,
  adaptiveAvgPool2d,
  attention,
  avgPool2d,
  batchNorm,
  batchNormTraining,
  binaryCrossEntropy,
  type ComplexTensor,
  type ConvTransposeWindows,
  type ConvWindows,
  type CrossEntropyOptions,
  type CumsumOptions,
  conv2d,
  convTranspose2d,
  cumsum,
  fft2,
  gelu,
  geluTanh,
  groupNorm,
  type InterpolateOptions,
  ifft2,
  interpolate,
  irfft2,
  klDivergence,
  layerNorm,
  linear,
  type MaxPoolWindows,
  maxPool2d,
  meanSquaredError,
  type PadMode,
  pad,
  quickGelu,
  relu,
  rfft2,
  rmsNorm,
  roll,
  silu,
  smoothL1,
  softmaxCrossEntropy,
  softTargetCrossEntropy,
  takeAlongAxis,
} from "../ops/index.js";
import { type Fixture, readFixture } from "./fixture.js";

export interface OpInfo {
  readonly op: string;
  /** What the op is told beside its tensors, under the names that its options have here. */
  readonly attrs: Readonly<Record<string, unknown>>;
  readonly inputs: readonly string[];
  /** Inputs whose gradient the fixture holds. */
  readonly gradients: readonly string[];
  /** Inputs whose gradient is zero in exact arithmetic, so that its float32 noise has no measure of its own. */
  readonly zeroGradient: readonly string[];
}

/** Holds `input.*`, `upstream`, `output` and `grad.*`. */
export interface OpCase {
  readonly name: string;
  readonly fixture: Fixture<OpInfo>;
}

/** What an op computes, with the gradients by the inputs' names, of the sum of the output times `upstream`. */
export interface OpResult {
  readonly output: Float32Array;
  readonly gradients: ReadonlyMap<string, Float32Array>;
}

type Inputs = Readonly<Record<string, tf.Tensor>>;

type Numbers = Readonly<Record<string, number>>;
type OpCall = (inputs: Inputs, attrs: OpInfo["attrs"]) => tf.Tensor;

/** An op whose attributes are known to be of a type: the fixture's script and this table say the same. */
const told =
  <A = Numbers>(fn: (inputs: Inputs, attrs: A) => tf.Tensor): OpCall =>
  (inputs, attrs) =>
    fn(inputs, attrs as A);

const stacked = ({ re, im }: ComplexTensor): tf.Tensor => tf.stack([re, im]);

const OPS: Readonly<Record<string, OpCall>> = {
  activation: told<{ name: string }>(({ input }, { name }) => activation(name)(input!)),
  adaptiveAvgPool2d: told<{ size: number | [number, number] }>(({ input }, { size }) =>
    adaptiveAvgPool2d(input!, size),
  ),
  attention: told(({ q, k, v, mask }, { heads, scale }) => attention(q!, k!, v!, { heads: heads!, scale, mask })),
  avgPool2d: told<AvgPoolWindows>(({ input }, attrs) => avgPool2d(input!, attrs)),
  batchNorm: told(({ input, weight, bias, mean, variance }, { eps }) =>
    batchNorm(input!, weight!, bias!, { mean: mean!, variance: variance! }, { eps: eps! }),
  ),
  // The running moments, moved, are outputs as well: one list of numbers.
  batchNormTraining: told(({ input, weight, bias, mean, variance }, { eps, momentum }) => {
    const old = { mean: mean!, variance: variance! };
    const { y, running } = batchNormTraining(input!, weight!, bias!, old, { eps: eps!, momentum: momentum! });
    return tf.concat([tf.reshape(y, [-1]), running.mean, running.variance]);
  }),
  binaryCrossEntropy: ({ logits, targets }) => binaryCrossEntropy(logits!, targets!),
  conv2d: told<ConvWindows>(({ input, weight, bias }, attrs) => conv2d(input!, weight!, bias, attrs)),
  convTranspose2d: told<ConvTransposeWindows>(({ input, weight, bias }, attrs) =>
    convTranspose2d(input!, weight!, bias, attrs),
  ),
  cumsum: told<CumsumOptions & { axis: number }>(({ input }, { axis, ...options }) => cumsum(input!, axis, options)),
  fft2: ({ re, im }) => stacked(fft2({ re: re!, im: im! })),
  gelu: ({ input }) => gelu(input!),
  geluTanh: ({ input }) => geluTanh(input!),
  groupNorm: told(({ input, weight, bias }, { groups, eps }) =>
    groupNorm(input!, weight!, bias!, { groups: groups!, eps: eps! }),
  ),
  ifft2: ({ re, im }) => stacked(ifft2({ re: re!, im: im! })),
  irfft2: told(({ re, im }, { width }) => irfft2({ re: re!, im: im! }, width!)),
  interpolate: told<InterpolateOptions>(({ input }, attrs) => interpolate(input!, attrs)),
  // Each side takes the other as given: klDivergence lets no gradient reach its target.
  klSymmetric: ({ p, q }) => tf.mul(tf.add(klDivergence(p!, q!), klDivergence(q!, p!)), 0.5),
  layerNorm: told(({ input, weight, bias }, { eps }) => layerNorm(input!, weight!, bias!, eps!)),
  linear: ({ input, weight, bias }) => linear(input!, weight!, bias),
  maxPool2d: told<MaxPoolWindows>(({ input }, attrs) => maxPool2d(input!, attrs)),
  meanSquaredError: ({ input, target }) => meanSquaredError(input!, target!),
  pad: told<{ pads: [number, number][]; mode: PadMode; value?: number }>(({ input }, { pads, ...attrs }) =>
    pad(input!, pads, attrs),
  ),
  quickGelu: ({ input }) => quickGelu(input!),
  relu: ({ input }) => relu(input!),
  rfft2: ({ input }) => stacked(rfft2(input!)),
  rmsNorm: told(({ input, weight }, { eps }) => rmsNorm(input!, weight!, eps!)),
  roll: told<{ shifts: number[]; axes: number[] }>(({ input }, { shifts, axes }) => roll(input!, shifts, axes)),
  silu: ({ input }) => silu(input!),
  smoothL1: told(({ input, target }, { beta }) => smoothL1(input!, target!, beta!)),
  softmaxCrossEntropy: told<CrossEntropyOptions>(({ logits, labels }, attrs) =>
    softmaxCrossEntropy(logits!, labels!, attrs),
  ),
  softTargetCrossEntropy: ({ logits, targets }) => softTargetCrossEntropy(logits!, targets!),
  takeAlongAxis: told(({ input, indices }, { axis }) => takeAlongAxis(input!, indices!, axis!)),
};

/** All cases of a folder, by name. */
export function readOpCases(folder: string): OpCase[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith(".json"))
    .map((file) => file.slice(0, -".json".length))
    .sort()
    .map((name) => ({ name, fixture: readFixture<OpInfo>(folder, name) }));
}

/**
 * Evaluates the cases on the engine in use. All are one function, so that an engine makes one graph of them.
 *
 * @throws an error for a case of an op that is not here
 */
export async function evaluateOps(cases: readonly OpCase[]): Promise<OpResult[]> {
  const inputs = cases.map(({ fixture }) => inputsOf(fixture));
  const run = compile(() => cases.map(({ fixture }, i) => apply(fixture, inputs[i]!)));
  const results = await run();
  const numbers = await Promise.all(
    results.map(async ({ output, found }, i) => {
      const data = await Promise.all([output, ...found].map((tensor) => tensor.data()));
      const [first, ...rest] = data as Float32Array[];
      const names = cases[i]!.fixture.info.gradients;
      return { output: first!, gradients: new Map(names.map((name, k) => [name, rest[k]!])) };
    }),
  );
  tf.dispose(results as unknown as tf.TensorContainer);
  for (const parameter of inputs.flatMap((named) => [...named.values()])) parameter.dispose();
  return numbers;
}

function apply(
  fixture: Fixture<OpInfo>,
  inputs: ReadonlyMap<string, Parameter>,
): { output: tf.Tensor; found: tf.Tensor[] } {
  const { op, attrs, gradients: wanted } = fixture.info;
  const fn = OPS[op];
  if (!fn) throw new Error(`fixtures/ops has the op ${op}, which is not here`);
  const upstream = fixture.input("upstream");
  let output: tf.Tensor | undefined;
  const { gradients: found } = gradients(
    () => {
      output = tf.keep(fn(Object.fromEntries([...inputs].map(([name, p]) => [name, p.value()])), attrs));
      return tf.sum(tf.mul(output, tf.tensor(upstream.data, [...upstream.shape])));
    },
    wanted.map((name) => inputs.get(name)!),
  );
  return { output: output!, found };
}

function inputsOf(fixture: Fixture<OpInfo>): Map<string, Parameter> {
  return new Map(
    fixture.info.inputs.map((name) => {
      const { shape, data, dtype } = fixture.input(`input.${name}`);
      return [name, new Parameter(shape, data, { name, dtype })];
    }),
  );
}
