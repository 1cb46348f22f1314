// Functions of real numbers whose WebGPU kernels are wrong where others are not. WGSL promises little: a sine with an absolute
// error of 2^-11, nothing for NaN (a maximum of NaN and 0 may be 0, an exponential of NaN infinite), and a layer norm by
// E[x^2] - E[x]^2 loses the digits of a mean far from zero.

import type { Lowering, LoweringEmitter } from "../lowering.js";

type Unary = (e: LoweringEmitter, x: string) => string;

const function_ =
  (write: Unary): Lowering =>
  (e, [x]) => [write(e, x!)];

const plain = (type: string, e: LoweringEmitter, x: string): string => e.plain(type, [x])[0]!;
const where = (e: LoweringEmitter, test: string, yes: string, no: string): string => e.op("Where", [test, yes, no]);

/** The node itself, but NaN of NaN. */
const keepsNaN =
  (type: string): Lowering =>
  (e, inputs, { attributes }) => {
    const [x] = inputs as [string];
    const [y] = e.plain(type, inputs, 1, { attributes });
    return e.typeOf(x) === "float32" ? [where(e, e.op("Equal", [x, x]), y!, x)] : [y!];
  };

/** c0 + c1 x + c2 x^2 + ... */
function polynomial(e: LoweringEmitter, x: string, [first, ...rest]: readonly number[]): string {
  if (rest.length === 0) return e.float(first!);
  return e.op("Add", [e.op("Mul", [polynomial(e, x, rest), x]), e.float(first!)]);
}

/** `series` where |x| is below `limit`, the other form elsewhere: a form by exponentials loses the digits of small numbers. */
function nearZero(e: LoweringEmitter, x: string, limit: number, series: readonly number[], far: string): string {
  const odd = e.op("Mul", [x, polynomial(e, e.op("Mul", [x, x]), series)]);
  return where(e, e.op("Less", [e.op("Abs", [x]), e.float(limit)]), odd, far);
}

const relu: Lowering = (e, [x]) => {
  const zero = e.typeOf(x!) === "int32" ? e.int(0) : e.float(0);
  return [where(e, e.op("Less", [x!, zero]), zero, x!)];
};

const log: Unary = (e, x) => {
  const zero = e.float(0);
  const end = where(e, e.op("Equal", [x, zero]), e.float(Number.NEGATIVE_INFINITY), e.float(Number.NaN));
  return where(e, e.op("Greater", [x, zero]), plain("Log", e, x), end);
};

/** log(1 + x) by Kahan: with u = 1 + x rounded, log(u) x / (u - 1). */
const log1p: Unary = (e, x) => {
  const u = e.op("Add", [x, e.float(1)]);
  const step = e.op("Sub", [u, e.float(1)]);
  const corrected = e.op("Mul", [log(e, u), e.op("Div", [x, step])]);
  const large = where(e, e.op("Equal", [step, x]), log(e, u), corrected);
  return where(e, e.op("Equal", [step, e.float(0)]), x, large);
};

/** The kernel takes the sign for a factor, and is exact neither at zero nor at infinity. */
const pow: Lowering = (e, [a, b]) => {
  if (e.typeOf(a!) === "int32") return undefined;
  const [zero, one, infinity] = [0, 1, Number.POSITIVE_INFINITY].map((value) => e.float(value)) as [
    string,
    string,
    string,
  ];
  const size = e.op("Abs", [a!]);
  const grows = e.op("Greater", [b!, zero]);
  const inside = where(
    e,
    e.op("Equal", [size, infinity]),
    where(e, grows, infinity, zero),
    e.plain("Pow", [size, b!])[0]!,
  );
  const isZero = e.op("Equal", [size, zero]);
  const power = where(e, isZero, where(e, grows, zero, infinity), inside);
  const floor = e.op("Floor", [b!]);
  const isWhole = e.op("Equal", [floor, b!]);
  const half = e.op("Mul", [floor, e.float(0.5)]);
  const isOdd = e.op("And", [isWhole, e.op("Greater", [e.op("Sub", [half, e.op("Floor", [half])]), zero])]);
  const isBroken = e.op("And", [e.op("Not", [isWhole]), e.op("Less", [where(e, isZero, infinity, size), infinity])]);
  const signed = where(e, isOdd, e.op("Neg", [power]), power);
  const ofNegative = where(e, isBroken, e.float(Number.NaN), signed);
  // Of zero the reciprocal shows the sign.
  const isNegative = e.op("Less", [where(e, isZero, e.op("Div", [one, a!]), a!), zero]);
  const found = where(e, isNegative, ofNegative, power);
  const ofNumbers = where(e, e.op("Equal", [a!, a!]), where(e, e.op("Equal", [b!, b!]), found, b!), a!);
  return [where(e, e.op("Equal", [b!, zero]), one, ofNumbers)];
};

const softplus: Unary = (e, x) => {
  const decay = log1p(e, e.op("Exp", [e.op("Neg", [e.op("Abs", [x])])]));
  return e.op("Add", [e.op("Relu", [x]), decay]);
};

const tanh: Unary = (e, x) => nearZero(e, x, 0.05, [1, -1 / 3, 2 / 15], plain("Tanh", e, x));
const sinh: Unary = (e, x) => nearZero(e, x, 0.3, [1, 1 / 6, 1 / 120, 1 / 5040], plain("Sinh", e, x));

/** sign(x) asinh(|x|): log1p(x + x^2 / (1 + sqrt(1 + x^2))), and log(2 x) where the square is past the range. */
const asinh: Unary = (e, x) => {
  const size = e.op("Abs", [x]);
  const square = e.op("Mul", [size, size]);
  const root = e.op("Add", [e.op("Sqrt", [e.op("Add", [square, e.float(1)])]), e.float(1)]);
  const near = log1p(e, e.op("Add", [size, e.op("Div", [square, root])]));
  const far = e.op("Add", [log(e, size), e.float(Math.LN2)]);
  const found = where(e, e.op("Greater", [size, e.float(1e9)]), far, near);
  return where(e, e.op("Less", [x, e.float(0)]), e.op("Neg", [found]), found);
};

/** pi / 2 in three parts, of which the first has so few bits that its multiples are exact. */
const QUARTER = [1.5703125, 4.83751296997e-4, 7.5497901264e-8] as const;
const SINE = [1, -1 / 6, 1 / 120, -1 / 5040, 1 / 362880];
const COSINE = [1, -1 / 2, 1 / 24, -1 / 720, 1 / 40320, -1 / 3628800];

/** Sine and cosine of x less its nearest multiple of pi / 2, and which multiple that is, modulo 4. */
function turned(e: LoweringEmitter, x: string): { sine: string; cosine: string; turns: string } {
  return e.once(`turned ${x}`, () => {
    const turns = e.op("Floor", [e.op("Add", [e.op("Mul", [x, e.float(2 / Math.PI)]), e.float(0.5)])]);
    const rest = QUARTER.reduce((left, part) => e.op("Sub", [left, e.op("Mul", [turns, e.float(part)])]), x);
    const square = e.op("Mul", [rest, rest]);
    const whole = e.op("Mul", [e.op("Floor", [e.op("Mul", [turns, e.float(0.25)])]), e.float(4)]);
    return {
      sine: e.op("Mul", [rest, polynomial(e, square, SINE)]),
      cosine: polynomial(e, square, COSINE),
      turns: e.op("Sub", [turns, whole]),
    };
  });
}

/** The sine of x and `quarters` quarters of a turn. */
const shiftedSine =
  (quarters: number): Unary =>
  (e, x) => {
    const { sine, cosine, turns } = turned(e, x);
    const at = (turn: number): string => e.op("Equal", [turns, e.float((turn - quarters + 4) % 4)]);
    const swapped = where(e, at(1), cosine, where(e, at(3), e.op("Neg", [cosine]), sine));
    return where(e, at(2), e.op("Neg", [sine]), swapped);
  };

const sin = shiftedSine(0);
const cos = shiftedSine(1);

/** max - max is 0 where the row has a softmax, and NaN where it has none: with a NaN, an infinity, or nothing but -infinity. */
const softmax: Lowering = (e, [x], { attributes }) => {
  const most = e.op("ReduceMax", [x!, e.ints([Number(attributes.axis)])], { keepdims: 1n });
  const [y] = e.plain("Softmax", [x!], 1, { attributes });
  return [e.op("Add", [y!, e.op("Sub", [most, most])])];
};

/** Of x less its mean, which changes nothing but the digits that are kept. */
const layerNormalization: Lowering = (e, [x, ...rest], { count, attributes }) => {
  const mean = e.op("ReduceMean", [x!, e.ints([Number(attributes.axis)])], { keepdims: 1n });
  const centred = e.op("Sub", [x!, mean]);
  const [y, left, ...others] = e.plain("LayerNormalization", [centred, ...rest], count, { attributes });
  return left === undefined ? [y!] : [y!, e.op("Add", [left, mean]), ...others];
};

/** Of [batch, channels, area]. The kernel of ONNX Runtime 1.30 adds 1e-5 to the variance, whatever epsilon is asked for. */
const instanceNormalization: Lowering = (e, [x, scale, bias], { attributes }) => {
  const mean = (name: string): string => e.op("ReduceMean", [name, e.ints([-1])], { keepdims: 1n });
  const column = (name: string): string => e.op("Unsqueeze", [name, e.ints([-1])]);
  const centred = e.op("Sub", [x!, mean(x!)]);
  const variance = mean(e.op("Mul", [centred, centred]));
  const deviation = e.op("Sqrt", [e.op("Add", [variance, e.float(attributes.epsilon as number)])]);
  const normal = e.op("Div", [centred, deviation]);
  return [e.op("Add", [e.op("Mul", [normal, column(scale!)]), column(bias!)])];
};

/** scale (x where x > 0, else alpha (exp(x) - 1)), with the constants of the paper (Klambauer et al. 2017). */
const selu: Unary = (e, x) => {
  const bent = e.op("Elu", [x], { alpha: 1.6732632423543772 });
  return e.op("Mul", [bent, e.float(1.0507009873554805)]);
};

export const FUNCTIONS: Readonly<Record<string, Lowering>> = {
  ...Object.fromEntries(["Exp", "Clip", "Elu", "Cosh", "Sigmoid"].map((type) => [type, keepsNaN(type)])),
  Relu: relu,
  Pow: pow,
  Log: function_(log),
  Softplus: function_(softplus),
  Tanh: function_(tanh),
  Sinh: function_(sinh),
  Asinh: function_(asinh),
  Sin: function_(sin),
  Cos: function_(cos),
  Tan: function_((e, x) => e.op("Div", [sin(e, x), cos(e, x)])),
  Acos: function_((e, x) => e.op("Sub", [e.float(Math.PI / 2), e.op("Asin", [x])])),
  Selu: function_(selu),
  Softmax: softmax,
  LayerNormalization: layerNormalization,
  InstanceNormalization: instanceNormalization,
};
