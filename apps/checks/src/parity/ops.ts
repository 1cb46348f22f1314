// Every op against PyTorch's autograd in float64 (fixtures/ops). All cases are one function, so that an engine makes one
// graph of them.
import { readdirSync } from "node:fs";
import { join } from "node:path";
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
} from "@peft/core";
import { type Fixture, readFixture } from "@peft/core/testing";
import * as tf from "@tensorflow/tfjs";
import { onBothEngines } from "./engines.js";
import type { Row } from "./rows.js";
import { engineRows, gradientRows, type Measured, outputRows } from "./tensors.js";

interface OpInfo {
  readonly op: string;
  readonly attrs: Readonly<Record<string, number>>;
  readonly inputs: readonly string[];
  /** Inputs whose gradient the fixture holds. */
  readonly gradients: readonly string[];
  readonly zeroGradient: readonly string[];
}

interface OpCase {
  readonly name: string;
  readonly fixture: Fixture<OpInfo>;
}

type Inputs = Readonly<Record<string, tf.Tensor>>;

interface ConvAttrs {
  stride: number;
  padding: number;
  dilation: number;
  groups: number;
}

const OPS: Readonly<Record<string, (inputs: Inputs, attrs: OpInfo["attrs"]) => tf.Tensor>> = {
  attention: ({ q, k, v, mask }, { heads, scale }) => attention(q!, k!, v!, { heads: heads!, scale, mask }),
  conv2d: ({ input, weight, bias }, attrs) => conv2d(input!, weight!, bias, attrs as unknown as ConvAttrs),
  gelu: ({ input }) => gelu(input!),
  geluTanh: ({ input }) => geluTanh(input!),
  // Each side takes the other as given: klDivergence lets no gradient reach its target.
  klSymmetric: ({ p, q }) => tf.mul(tf.add(klDivergence(p!, q!), klDivergence(q!, p!)), 0.5),
  layerNorm: ({ input, weight, bias }, { eps }) => layerNorm(input!, weight!, bias!, eps!),
  linear: ({ input, weight, bias }) => linear(input!, weight!, bias),
  relu: ({ input }) => relu(input!),
  silu: ({ input }) => silu(input!),
  softmaxCrossEntropy: ({ logits, labels }) => softmaxCrossEntropy(logits!, labels!),
};

/** Cases of what an op cannot do yet: conv2d takes windows side by side alone. */
const LEFT_OUT = /^conv2d-(3x3|3x3-no-bias|dilation-2|groups-2|stride-2)$/;

export async function ops(fixtures: string): Promise<Row[]> {
  const folder = join(fixtures, "ops");
  const names = readdirSync(folder)
    .filter((file) => file.endsWith(".json"))
    .map((file) => file.slice(0, -".json".length))
    .sort();
  for (const name of names.filter((name) => LEFT_OUT.test(name))) {
    console.error(`left out: ops / ${name} (conv2d takes windows side by side alone, so far)`);
  }
  const cases = names
    .filter((name) => !LEFT_OUT.test(name))
    .map((name) => ({ name, fixture: readFixture<OpInfo>(folder, name) }));
  const { eager, compiled } = await onBothEngines(() => evaluate(cases));
  return cases.flatMap(({ name, fixture }, i) => {
    const { op } = fixture.info;
    const own = compiled[i]!;
    const output = new Map([[name, fixture.input("output").data]]);
    const grads = new Map([...fixture.group("grad")].map(([input, numbers]) => [`${name} ${input}`, numbers]));
    const zeroGradient = fixture.info.zeroGradient.map((input) => `${name} ${input}`);
    return [
      ...outputRows(`${op} / outputs`, own.outputs, output),
      ...gradientRows(`${op} / gradients`, own.gradients, grads, { zeroGradient }),
      ...engineRows(op, { compiled: own, eager: eager[i]! }, { zeroGradient }),
    ];
  });
}

/** Output and gradients of each case, by the names of rows. */
async function evaluate(cases: readonly OpCase[]): Promise<Measured[]> {
  const inputs = cases.map(({ fixture }) => inputsOf(fixture));
  const run = compile(() =>
    cases.map(({ fixture }, i) => {
      const { op, attrs, gradients: wanted } = fixture.info;
      const apply = OPS[op];
      if (!apply) throw new Error(`fixtures/ops has an op that nothing here is like: ${op}`);
      const upstream = fixture.input("upstream");
      let output: tf.Tensor | undefined;
      const { gradients: found } = gradients(
        () => {
          const values = Object.fromEntries([...inputs[i]!].map(([name, parameter]) => [name, parameter.value()]));
          output = tf.keep(apply(values, attrs));
          return tf.sum(tf.mul(output, tf.tensor(upstream.data, [...upstream.shape])));
        },
        wanted.map((name) => inputs[i]!.get(name)!),
      );
      return { output: output!, found };
    }),
  );
  const results = await run();
  const measured: Measured[] = [];
  for (const [i, { output, found }] of results.entries()) {
    const { name, fixture } = cases[i]!;
    const numbers = await Promise.all(found.map((gradient) => gradient.data()));
    measured.push({
      outputs: new Map([[name, await output.data()]]),
      gradients: new Map(fixture.info.gradients.map((input, k) => [`${name} ${input}`, numbers[k]!])),
    });
    tf.dispose([output, ...found]);
  }
  for (const parameter of inputs.flatMap((named) => [...named.values()])) parameter.dispose();
  return measured;
}

function inputsOf(fixture: Fixture<OpInfo>): Map<string, Parameter> {
  return new Map(
    fixture.info.inputs.map((name) => {
      const { shape, data, dtype } = fixture.input(`input.${name}`);
      return [name, new Parameter(shape, data, { name, dtype })];
    }),
  );
}
