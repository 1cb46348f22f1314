// The conformance suite's checks as tests.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { useEngine } from "../../src/index.js";
import type { Check, Errors } from "../../src/testing/conformance/index.js";
import { type Road, takeRoad } from "../../src/testing/index.js";

/** A test for each check on a road; `claim` ends its name. */
export function describeChecks(road: Road, claim: string, make: () => Check[]): void {
  describe(road, () => {
    const checks = make();
    const measures = new Map<Check, () => Promise<Errors>>();

    beforeAll(async () => {
      await useEngine("eager");
      for (const check of checks) measures.set(check, await check.prepare());
      await takeRoad(road);
    }, 120_000);
    afterAll(async () => {
      await useEngine("eager");
    });

    for (const check of checks) {
      it(`${check.op}: ${claim}`, async () => {
        const { forward, gradient = 0 } = await measures.get(check)!();
        expect(forward, "error of the outputs").toBeLessThanOrEqual(check.bounds.forward);
        expect(gradient, "error of the gradients").toBeLessThanOrEqual(check.bounds.gradient);
      });
    }
  });
}
