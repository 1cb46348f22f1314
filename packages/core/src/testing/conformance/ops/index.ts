// Cases of our own differentiable ops, each over many shapes, with the composition of TensorFlow.js operations whose gradient
// TensorFlow.js works out by itself.

import type * as fc from "fast-check";
import { ACTIVATIONS } from "./activations.js";
import { CONVOLUTIONS } from "./convolutions.js";
import { LOSSES } from "./losses.js";
import { NORMS } from "./norms.js";
import type { OpCase } from "./shared.js";
import { SPATIAL } from "./spatial.js";
import { SUMS } from "./sums.js";
import { TRANSFORMERS } from "./transformers.js";

export type { OpCase } from "./shared.js";

export const OPS: Record<string, fc.Arbitrary<OpCase>> = {
  ...TRANSFORMERS,
  ...ACTIVATIONS,
  ...CONVOLUTIONS,
  ...LOSSES,
  ...NORMS,
  ...SPATIAL,
  ...SUMS,
};
