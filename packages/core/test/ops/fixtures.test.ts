// Every op against PyTorch in float64: the cases of fixtures/ops, made by reference/make_ops.py.

import { join } from "node:path";
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
import { FIXTURES } from "../fixtures.js";

const CASES = readOpCases(join(FIXTURES, "ops"));

it("the fixtures from PyTorch are there", () => {
  expect(CASES.length).toBeGreaterThanOrEqual(40);
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

  for (const [i, { name, fixture }] of CASES.entries()) {
    it(`${name} is PyTorch's in float64`, () => {
      const { output, gradients } = results[i]!;
      expect(relativeError(output, fixture.input("output").data), "output").toBeLessThanOrEqual(BOUNDS.outputs);
      const references = fixture.group("grad");
      const floor = gradientFloor(references.values());
      expect([...gradients.keys()].sort()).toEqual([...references.keys()].sort());
      for (const [input, reference] of references) {
        const gradient = gradients.get(input)!;
        if (fixture.info.zeroGradient.includes(input)) {
          const upstream = largest(fixture.input("upstream").data);
          expect(largest(gradient), `gradient of ${input}`).toBeLessThanOrEqual(1e-6 * upstream);
          continue;
        }
        const error = relativeError(gradient, reference, floor);
        expect(error, `gradient of ${input}`).toBeLessThanOrEqual(BOUNDS.gradients);
      }
    });
  }
});
