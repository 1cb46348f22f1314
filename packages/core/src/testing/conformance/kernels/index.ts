// Cases for every TensorFlow.js kernel that the compiled engine knows, by "kernel" or "kernel, what is special".

import { ARRANGEMENTS } from "./arrange.js";
import { ELEMENTWISE } from "./elementwise.js";
import { FILLS } from "./fill.js";
import { GATHERS } from "./gather.js";
import { PRODUCTS } from "./matMul.js";
import { REDUCTIONS } from "./reduce.js";
import type { Suite } from "./shared.js";

export const KERNELS: Record<string, Suite> = {
  ...ELEMENTWISE,
  ...REDUCTIONS,
  ...ARRANGEMENTS,
  ...GATHERS,
  ...FILLS,
  ...PRODUCTS,
};
