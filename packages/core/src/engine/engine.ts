// The two engines behind one face, and which of them is in use.

import type * as tf from "@tensorflow/tfjs";
import type { HostArray } from "../hostArray.js";
import type { Distribution, RandomKey } from "./draw.js";
import type { Explanation } from "./explain.js";
import type { Parameter, Storage } from "./parameter.js";
import type { Recent } from "./recent.js";

export type Numbers = Float32Array | Int32Array | Uint8Array;

export type Argument = tf.Tensor | HostArray;

/** A tensor, or an array or record of such. */
export type Outputs = tf.Tensor | readonly Outputs[] | { readonly [name: string]: Outputs };

export interface EngineInfo {
  readonly engine: "compiled" | "eager";
  /** `cpu`, `webgpu`, `cuda`, or a TensorFlow.js backend's name. */
  readonly device: string;
  readonly threads?: number;
}

/** What `compile` made of a function: its own cache, one entry for each signature of the arguments. */
export interface CompiledState {
  readonly fn: (...args: tf.Tensor[]) => Outputs;
  readonly cache: Recent<unknown>;
}

export interface Engine {
  readonly info: EngineInfo;
  /** Runs a compiled function. Tensors in the result belong to the caller. */
  call(state: CompiledState, args: readonly Argument[], key: RandomKey): Promise<Outputs>;
  /** Runs a function once under a profiler, without effect; absent where there is none. */
  profile?(state: CompiledState, args: readonly Argument[]): Promise<Explanation>;
  /** Random numbers inside a call, where the engine computes op by op; a traced function's draws are its graph's inputs. */
  draw?(site: string, shape: readonly number[], distribution: Distribution): tf.Tensor;
  /** Puts a parameter's numbers where this engine computes. */
  bind(parameter: Parameter): Storage;
  /** Brings every parameter's numbers back to the host, so that another engine can take over. */
  release(): Promise<void>;
}
