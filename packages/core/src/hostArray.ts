// Numbers on the host as the engine takes them: a typed array with a shape. Shared by the data and the engine.

/** Row-major numbers. An argument of a compiled function may be one of these instead of a TensorFlow.js tensor. */
export interface HostArray {
  readonly data: Float32Array | Int32Array | Uint8Array;
  readonly shape: readonly number[];
  readonly dtype: "float32" | "int32" | "bool";
}
