// Emission for any ONNX runtime: what only ONNX Runtime has is written with ONNX's own operators.

import { type Lowering, LoweringEmitter } from "../engine/lowering.js";
import { fusedMatMul } from "../engine/plainMatMul.js";

const PORTABLE: Readonly<Record<string, Lowering>> = {
  FusedMatMul: fusedMatMul,
  // `Gelu` is in both domains.
  Gelu: (e, inputs, { count, attributes }) => e.plain("Gelu", inputs, count, { attributes }),
  FastGelu: (e, inputs, { count }) => e.plain("Gelu", inputs, count, { attributes: { approximate: "tanh" } }),
  QuickGelu: (e, [x], { attributes: { alpha } }) => [
    e.op("Mul", [x!, e.op("Sigmoid", [e.op("Mul", [x!, e.float(alpha as number)])])]),
  ],
};

export class PortableEmitter extends LoweringEmitter {
  constructor() {
    super(PORTABLE);
  }
}
