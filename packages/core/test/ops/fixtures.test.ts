// Every op against PyTorch in float64: the cases of fixtures/ops, made by reference/make_ops.py. All cases are one function,
// so that an engine makes one graph of them.

import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import * as tf from "@tensorflow/tfjs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type HostTensor, readSafetensors } from "../../src/files/index.js";
import {
  attention,
  compile,
  conv2d,
  gelu,
  geluTanh,
  gradients,
  klDivergence,
  layerNorm,
  linear,
  Parameter,
  relu,
  silu,
  softmaxCrossEntropy,
  useEngine,
} from "../../src/index.js";
import { largestOf, relativeError } from "../support/error.js";

const FOLDER = fileURLToPath(new URL("../../../../fixtures/ops/", import.meta.url));

/** What the JSON beside the tensors says. */
interface Case {
  readonly op: string;
  readonly attrs: Readonly<Record<string, number>>;
  readonly inputs: readonly string[];
  /** Inputs whose gradient the fixture holds. */
  readonly gradients: readonly string[];
  /** Inputs whose gradient is zero in exact arithmetic, so that its float32 noise has no measure of its own. */
  readonly zeroGradient: readonly string[];
}

type Named = Record<string, tf.Tensor>;

const OPS: Record<string, (inputs: Named, attrs: Case["attrs"]) => tf.Tensor> = {
  attention: ({ q, k, v, mask }, { heads, scale }) => attention(q!, k!, v!, { heads: heads!, scale, mask }),
  conv2d: ({ input, weight, bias }, attrs) => conv2d(input!, weight!, bias, attrs),
  gelu: ({ input }) => gelu(input!),
  geluTanh: ({ input }) => geluTanh(input!),
  // Each side takes the other as given: klDivergence stops the target's gradient.
  klSymmetric: ({ p, q }) => tf.mul(tf.add(klDivergence(p!, q!), klDivergence(q!, p!)), 0.5),
  layerNorm: ({ input, weight, bias }, { eps }) => layerNorm(input!, weight!, bias!, eps!),
  linear: ({ input, weight, bias }) => linear(input!, weight!, bias),
  relu: ({ input }) => relu(input!),
  silu: ({ input }) => silu(input!),
  softmaxCrossEntropy: ({ logits, labels }) => softmaxCrossEntropy(logits!, labels!),
};

interface Loaded extends Case {
  readonly tensors: Map<string, HostTensor>;
}

const NAMES = readdirSync(FOLDER)
  .filter((file) => file.endsWith(".json"))
  .map((file) => file.slice(0, -".json".length));

async function load(name: string): Promise<Loaded> {
  const facts = JSON.parse(readFileSync(`${FOLDER}${name}.json`, "utf8")) as Case;
  return { ...facts, tensors: await readSafetensors(`${FOLDER}${name}.safetensors`) };
}

function tensorOf({ tensors }: Loaded, name: string): HostTensor & { data: Float32Array | Int32Array } {
  const tensor = tensors.get(name);
  if (tensor?.dtype !== "float32" && tensor?.dtype !== "int32") throw new Error(`no numbers named ${name}`);
  return tensor;
}

type Result = { output: tf.Tensor; gradients: tf.Tensor[] };

/** Outputs and gradients of every case. */
async function evaluate(cases: Loaded[]): Promise<Result[]> {
  const inputs = cases.map(
    (c) =>
      new Map(
        c.inputs.map((name) => {
          const { shape, data, dtype } = tensorOf(c, `input.${name}`);
          return [name, new Parameter(shape, data.slice(), { name, dtype: dtype as "float32" | "int32" })];
        }),
      ),
  );
  const run = compile(() =>
    cases.map((c, i) => {
      let output: tf.Tensor | undefined;
      const { gradients: found } = gradients(
        () => {
          const values = Object.fromEntries([...inputs[i]!].map(([name, parameter]) => [name, parameter.value()]));
          output = tf.keep(OPS[c.op]!(values, c.attrs));
          const upstream = tensorOf(c, "upstream");
          return tf.sum(tf.mul(output, tf.tensor(upstream.data, [...upstream.shape])));
        },
        c.gradients.map((name) => inputs[i]!.get(name)!),
      );
      return { output: output!, gradients: found };
    }),
  );
  return (await run()) as unknown as Result[];
}

describe("the fixtures from PyTorch", () => {
  it("are there, for every op", () => {
    expect(NAMES.length).toBeGreaterThanOrEqual(40);
    const ops = new Set(NAMES.map((name) => (JSON.parse(readFileSync(`${FOLDER}${name}.json`, "utf8")) as Case).op));
    expect([...ops].sort()).toEqual(Object.keys(OPS).sort());
  });
});

describe.each(["eager", "compiled"] as const)("%s", (engine) => {
  const results = new Map<string, { loaded: Loaded; result: Result }>();

  beforeAll(async () => {
    await (engine === "eager" ? useEngine("eager") : useEngine("compiled"));
    const cases = await Promise.all(NAMES.map(load));
    const found = await evaluate(cases);
    for (const [i, name] of NAMES.entries()) results.set(name, { loaded: cases[i]!, result: found[i]! });
  });
  afterAll(async () => {
    await useEngine("eager");
  });

  for (const name of NAMES) {
    it(`${name} is PyTorch's in float64`, async () => {
      const { loaded, result } = results.get(name)!;
      const expected = tensorOf(loaded, "output");
      expect(result.output.shape).toEqual(expected.shape);
      expect(relativeError(await result.output.data(), expected.data), "output").toBeLessThanOrEqual(1e-5);
      const references = loaded.gradients.map((input) => tensorOf(loaded, `grad.${input}`));
      const largest = largestOf(references.map((reference) => reference.data));
      for (const [i, input] of loaded.gradients.entries()) {
        const gradient = result.gradients[i]!;
        const reference = references[i]!;
        expect(gradient.shape).toEqual(reference.shape);
        if (loaded.zeroGradient.includes(input)) {
          const upstream = largestOf([tensorOf(loaded, "upstream").data]);
          expect(largestOf([await gradient.data()]), `gradient of ${input}`).toBeLessThanOrEqual(1e-6 * upstream);
          continue;
        }
        const error = relativeError(await gradient.data(), reference.data, largest / 1000);
        expect(error, `gradient of ${input}`).toBeLessThanOrEqual(1e-4);
      }
    });
  }
});
