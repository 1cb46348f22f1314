// Every op against PyTorch in float64: the cases of fixtures/ops, made by reference/make_ops.py.

import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { useEngine } from "../../src/index.js";
import {
  BOUNDS,
  evaluateOps,
  gradientFloor,
  largest,
  type OpResult,
  readOpCases,
  relativeError,
} from "../../src/testing/index.js";

const CASES = readOpCases(fileURLToPath(new URL("../../../../fixtures/ops/", import.meta.url)));

it("the fixtures are there, for every op", () => {
  expect(CASES.length).toBeGreaterThanOrEqual(40);
  expect([...new Set(CASES.map(({ fixture }) => fixture.info.op))].sort()).toEqual(
    "attention conv2d gelu geluTanh klSymmetric layerNorm linear relu silu softmaxCrossEntropy".split(" "),
  );
});

describe.each(["eager", "compiled"] as const)("%s", (engine) => {
  let results: OpResult[] = [];

  beforeAll(async () => {
    await (engine === "eager" ? useEngine("eager") : useEngine("compiled"));
    results = await evaluateOps(CASES);
  });
  afterAll(async () => {
    await useEngine("eager");
  });

  it.each(CASES.map(({ name, fixture }, i) => [name, fixture, i] as const))(
    "%s is PyTorch's in float64",
    (_, fixture, i) => {
      const { output, gradients } = results[i]!;
      const of = (name: string): Float32Array => fixture.input(name).data as Float32Array;
      expect(relativeError(output, of("output")), "output").toBeLessThanOrEqual(BOUNDS.outputs);
      const floor = gradientFloor(fixture.info.gradients.map((input) => of(`grad.${input}`)));
      for (const input of fixture.info.gradients) {
        const gradient = gradients.get(input)!;
        if (fixture.info.zeroGradient.includes(input)) {
          expect(largest(gradient), `gradient of ${input}`).toBeLessThanOrEqual(1e-6 * largest(of("upstream")));
          continue;
        }
        const error = relativeError(gradient, of(`grad.${input}`), floor);
        expect(error, `gradient of ${input}`).toBeLessThanOrEqual(BOUNDS.gradients);
      }
    },
  );
});
