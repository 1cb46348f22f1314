// A tensor in main memory as files hold it: raw numbers, without any engine. float16 and bfloat16 keep their 16-bit
// patterns in a Uint16Array, because Node 20 has no Float16Array.

/** Element types that can be read and written. */
export type DType = "float32" | "float16" | "bfloat16" | "int8" | "uint8" | "int32" | "int64" | "bool";

interface Shaped<D extends DType, Data> {
  readonly dtype: D;
  /** Row-major, as in the checkpoint; `[]` is a scalar. */
  readonly shape: readonly number[];
  readonly data: Data;
}

/** Numbers of one element type and a shape. `bool` holds one byte an element, 0 or 1. */
export type HostTensor =
  | Shaped<"float32", Float32Array>
  | Shaped<"float16" | "bfloat16", Uint16Array>
  | Shaped<"int8", Int8Array>
  | Shaped<"uint8" | "bool", Uint8Array>
  | Shaped<"int32", Int32Array>
  | Shaped<"int64", BigInt64Array>;

const ELEMENT_BYTES: Record<DType, number> = {
  bool: 1,
  uint8: 1,
  int8: 1,
  float16: 2,
  bfloat16: 2,
  int32: 4,
  float32: 4,
  int64: 8,
};

/** Bytes of one element. */
export function elementBytes(dtype: DType): number {
  return ELEMENT_BYTES[dtype];
}

/** Number of elements of a shape: 1 for a scalar, 0 if any dimension is 0. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, dimension) => product * dimension, 1);
}

/** A tensor over a whole buffer of the machine's (little-endian) numbers, without a copy. */
export function tensorFromBuffer(dtype: DType, shape: readonly number[], buffer: ArrayBuffer): HostTensor {
  switch (dtype) {
    case "float32":
      return { dtype, shape, data: new Float32Array(buffer) };
    case "float16":
    case "bfloat16":
      return { dtype, shape, data: new Uint16Array(buffer) };
    case "int8":
      return { dtype, shape, data: new Int8Array(buffer) };
    case "uint8":
    case "bool":
      return { dtype, shape, data: new Uint8Array(buffer) };
    case "int32":
      return { dtype, shape, data: new Int32Array(buffer) };
    case "int64":
      return { dtype, shape, data: new BigInt64Array(buffer) };
  }
}
