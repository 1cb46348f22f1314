import { fileURLToPath } from "node:url";
import { useEngine } from "@peft/core";
import { BOUNDS, expectClose, gradientFloor } from "@peft/core/testing";
import { beforeAll, describe, expect, it } from "vitest";
import { CASES, type Comparison, replay } from "../src/testing/index.js";

const FIXTURES = fileURLToPath(new URL("../../../fixtures/mosa/", import.meta.url));

const BOUND: Record<Comparison["kind"], number> = {
  loss: BOUNDS.outputs,
  output: BOUNDS.outputs,
  gradients: BOUNDS.gradients,
  steps: BOUNDS.steps,
};

describe.each(["compiled", "eager"] as const)("ten steps of the official classes, %s", (engine) => {
  beforeAll(async () => {
    await (engine === "compiled" ? useEngine("compiled", { threads: 2 }) : useEngine("eager"));
  });

  it.each(CASES)(
    "%s: losses, gradients, parameters and merged experts are those of its N whole copies with Adam (§8.10)",
    async (name) => {
      const comparisons = await replay(FIXTURES, name);
      for (const { name: what, kind, ours, reference } of comparisons) {
        const floor = kind === "gradients" ? gradientFloor(reference.values()) : 0;
        expect([...ours.keys()].sort(), what).toEqual([...reference.keys()].sort());
        try {
          expectClose(ours, reference, BOUND[kind], { floor });
        } catch (error) {
          throw new Error(`${what}: ${(error as Error).message}`);
        }
      }
      expect(comparisons.map(({ kind }) => kind)).toContain("steps");
    },
  );
});
