// Emission for ONNX Runtime's WebGPU provider: what it has no kernel for, or an inexact one, is written with what it has
// (`lowerings.ts`).

import { LoweringEmitter } from "../lowering.js";
import { LOWERINGS } from "./lowerings.js";

export class WebGpuEmitter extends LoweringEmitter {
  constructor() {
    super(LOWERINGS);
  }

  /** There is no kernel for a shift. */
  override shift(name: string, direction: "LEFT" | "RIGHT", bits: number): string {
    return this.op(direction === "LEFT" ? "Mul" : "Div", [name, this.word(2 ** bits)]);
  }
}
