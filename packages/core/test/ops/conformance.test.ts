// Every op over many shapes against the composition of TensorFlow.js operations and TensorFlow.js's own gradient of it, and
// against PyTorch in float64 (fixtures/ops, made by reference/make_ops.py).

import { join } from "node:path";
import { expect, it } from "vitest";
import { float64Checks } from "../../src/testing/conformance/float64.js";
import { opChecks } from "../../src/testing/conformance/index.js";
import { readOpCases } from "../../src/testing/index.js";
import { FIXTURES } from "../fixtures.js";
import { describeChecks } from "../support/conformance.js";

const folder = join(FIXTURES, "ops");

it("the fixtures from PyTorch are there", () => {
  expect(readOpCases(folder).length).toBeGreaterThanOrEqual(40);
});

describeChecks("eager:cpu", "is what it must be", () => [...opChecks(), ...float64Checks(folder)]);
describeChecks("compiled:cpu", "is what it must be", () => [...opChecks(), ...float64Checks(folder)]);
