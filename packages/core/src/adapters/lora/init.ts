// How LoRA's two factors start, as PEFT's `init_lora_weights` has it for linear layers and convolutions.

import { type Initializer, kaimingUniform, normal, zeros } from "../../nn/index.js";
import type { LoraInit } from "./layer.js";
import { orthogonalPair } from "./orthogonal.js";

/** Of A and of B. */
export function initializers(init: LoraInit, r: number, seed: number): [a: Initializer, b: Initializer] {
  if (init === "orthogonal") return orthogonalPair(r, seed);
  if (init === "gaussian") return [normal(1 / r, seed), zeros];
  return [kaimingUniform(seed), init ? zeros : kaimingUniform(seed)];
}
