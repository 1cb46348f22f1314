// What ONNX Runtime 1.30 has no WebGPU kernel for, for any type or for some, written with what it has. Its own tables of
// kernels, and the conformance suite, say which.

import { type Lowering, type LoweringEmitter, one } from "../lowering.js";
import type { OnnxType } from "../onnx.js";
import { fusedMatMul } from "../plainMatMul.js";
import { FUNCTIONS } from "./functions.js";

/** A number of a tensor's type. */
function number(e: LoweringEmitter, like: string, value: number): string {
  return e.typeOf(like) === "int32" ? e.int(value) : e.float(value);
}

/** What moves elements has no kernel for bool. */
const movesBool =
  (type: string): Lowering =>
  (e, inputs, { count, attributes }) => {
    if (e.typeOf(inputs[0]!) !== "bool") return undefined;
    const numbers = inputs.map((name) => (e.typeOf(name) === "bool" ? e.cast(name, "int32") : name));
    return e.multi(type, numbers, count, { attributes }).map((name) => e.cast(name, "bool"));
  };

const HALF = 65536;

/** Slices floats alone. An int32 goes through in two halves, each of which a float32 holds exactly. */
const slice = one((e, [x, ...range]) => {
  const type = e.typeOf(x!);
  const cut = (name: string, back: OnnxType): string =>
    e.cast(e.op("Slice", [e.cast(name, "float32"), ...range]), back);
  if (type === "float32") return undefined;
  if (type === "bool") return cut(x!, "bool");
  const high = e.op("Div", [x!, e.int(HALF)]);
  const low = e.op("Sub", [x!, e.op("Mul", [high, e.int(HALF)])]);
  return e.op("Add", [e.op("Mul", [cut(high, "int32"), e.int(HALF)]), cut(low, "int32")]);
});

/** Positions come as int64, which nothing but a gather takes. */
function positions(e: LoweringEmitter, found: string, length: number): string {
  const range = Int32Array.from({ length }, (_, i) => i);
  return e.op("Gather", [e.constant("int32", [length], new Uint8Array(range.buffer)), found], { axis: 0n });
}

const extremum = (type: string): Lowering =>
  one((e, [x], { attributes }) => {
    const [found] = e.plain(type, [x!], 1, { attributes });
    return positions(e, found!, e.lengthOf(x!, Number(attributes.axis)));
  });

/** Of int32, exact up to 2^24. */
const topK: Lowering = (e, [x, k], { attributes }) => {
  const isInt = e.typeOf(x!) === "int32";
  const [values, found] = e.plain("TopK", [isInt ? e.cast(x!, "float32") : x!, k!], 2, { attributes });
  const indices = positions(e, found!, e.lengthOf(x!, Number(attributes.axis)));
  return [isInt ? e.cast(values!, "int32") : values!, indices];
};

/** Of int32: the sum of the products, one by one. */
const matMul = one((e, [a, b]) => {
  if (e.typeOf(a!) === "float32") return undefined;
  const column = e.op("Unsqueeze", [a!, e.ints([-1])]);
  const row = e.op("Unsqueeze", [b!, e.ints([-3])]);
  return e.op("ReduceSum", [e.op("Mul", [column, row]), e.ints([-2])], { keepdims: 0n });
});

const round = one((e, [x]) => {
  // Half goes to the even neighbour.
  const floor = e.op("Floor", [x!]);
  const rest = e.op("Sub", [x!, floor]);
  const isOdd = e.op("Greater", [
    e.op("Sub", [floor, e.op("Mul", [e.op("Floor", [e.op("Mul", [floor, e.float(0.5)])]), e.float(2)])]),
    e.float(0.5),
  ]);
  const half = e.float(0.5);
  const next = e.op("Add", [floor, e.float(1)]);
  // No kernel chooses between truth values.
  const odd = e.op("Where", [e.op("GreaterOrEqual", [rest, half]), next, floor]);
  return e.op("Where", [isOdd, odd, e.op("Where", [e.op("Greater", [rest, half]), next, floor])]);
});

const mod = one((e, [x, y], { attributes: { fmod } }) => {
  const zero = number(e, x!, 0);
  if (fmod === 0n) {
    // With the divisor's sign; WebGPU divides integers towards zero.
    const rest = e.op("Sub", [x!, e.op("Mul", [e.op("Div", [x!, y!]), y!])]);
    const along = e.op("Where", [e.op("Less", [y!, zero]), e.op("Neg", [rest]), rest]);
    return e.op("Where", [e.op("Less", [along, zero]), e.op("Add", [rest, y!]), rest]);
  }
  // With the dividend's sign. The quotient may be rounded to the next whole number: the rest is then put right by a divisor.
  const [size, step] = [e.op("Abs", [x!]), e.op("Abs", [y!])];
  const first = e.op("Sub", [size, e.op("Mul", [e.op("Floor", [e.op("Div", [size, step])]), step])]);
  const low = e.op("Where", [e.op("Less", [first, zero]), e.op("Add", [first, step]), first]);
  const rest = e.op("Where", [e.op("GreaterOrEqual", [low, step]), e.op("Sub", [low, step]), low]);
  return e.op("Where", [e.op("Less", [x!, zero]), e.op("Neg", [rest]), rest]);
});

/** A lowering for int32 where floats have a kernel. */
const ofInts = (write: (e: LoweringEmitter, x: string) => string): Lowering =>
  one((e, [x]) => (e.typeOf(x!) === "int32" ? write(e, x!) : undefined));

export const LOWERINGS: Readonly<Record<string, Lowering>> = {
  ...FUNCTIONS,
  ...Object.fromEntries(["Concat", "Split", "Tile", "Transpose", "Pad"].map((type) => [type, movesBool(type)])),
  Slice: slice,
  ArgMax: extremum("ArgMax"),
  ArgMin: extremum("ArgMin"),
  TopK: topK,
  FusedMatMul: fusedMatMul,
  MatMul: matMul,
  Round: round,
  Mod: mod,
  Identity: one((e, [x]) => (e.typeOf(x!) === "bool" ? e.op("And", [x!, x!]) : undefined)),
  Equal: one((e, [a, b]) =>
    e.typeOf(a!) === "bool" ? e.op("Equal", [e.cast(a!, "int32"), e.cast(b!, "int32")]) : undefined,
  ),
  Or: one((e, [a, b]) => e.op("Not", [e.op("And", [e.op("Not", [a!]), e.op("Not", [b!])])])),
  IsNaN: one((e, [x]) => e.op("Not", [e.op("Equal", [x!, x!])])),
  Sign: one((e, [x]) => {
    const positive = e.op("Where", [e.op("Greater", [x!, number(e, x!, 0)]), number(e, x!, 1), x!]);
    return e.op("Where", [e.op("Less", [x!, number(e, x!, 0)]), number(e, x!, -1), positive]);
  }),
  Neg: ofInts((e, x) => e.op("Sub", [e.int(0), x])),
  Abs: ofInts((e, x) => e.op("Max", [x, e.op("Sub", [e.int(0), x])])),
};
