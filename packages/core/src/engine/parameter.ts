// A parameter: a name, a shape, a type, and numbers that are in one place at a time — on the host as they came from the
// file, or where the engine computes. Optimizer moments, counters and run-time scales are parameters that nobody trains.

import type * as tf from "@tensorflow/tfjs";
import { PeftError } from "../errors.js";
import { type DType, sizeOf } from "./graph.js";
import { engineState } from "./state.js";
import { currentRecorder } from "./trace.js";

export type ParameterData = Float32Array | Int32Array | Uint8Array;

/** Numbers held by an engine. */
export interface Storage {
  /** The tensor of the numbers, where the engine computes op by op. */
  tensor?(): tf.Tensor;
  /** Replaces the numbers by those of a tensor (op by op). */
  assign?(tensor: tf.Tensor): void;
  read(): Promise<ParameterData>;
  /** The same numbers once more, for another parameter. */
  copy(owner: Parameter): Storage;
  dispose(): void;
}

/** Numbers on the host: a typed array, or a function that makes one, from the parameter's name, when it is needed. */
export type HostNumbers = ParameterData | ((name: string) => ParameterData);

const ARRAYS = { float32: Float32Array, int32: Int32Array, bool: Uint8Array } as const;

export class Parameter {
  /** Dotted path from the root of the model, as in the checkpoint file; set when a model names its modules. */
  name: string;
  readonly shape: readonly number[];
  readonly dtype: DType;
  #host: HostNumbers | undefined;
  #storage: Storage | undefined;
  #disposed = false;

  /**
   * @param shape dimensions, in the checkpoint's layout
   * @param data `shape`'s numbers, row-major; taken over, not copied. A function is called once, at the first use.
   * @throws PeftError SHAPE_MISMATCH if `data` has another number of elements
   */
  constructor(shape: readonly number[], data: HostNumbers, options: { name?: string; dtype?: DType } = {}) {
    this.shape = [...shape];
    this.dtype = options.dtype ?? "float32";
    this.name = options.name ?? "";
    this.#host = data;
    if (typeof data !== "function") this.#check(data);
  }

  /** A parameter of zeros, whose numbers are made at the first use. */
  static zeros(shape: readonly number[], options: { name?: string; dtype?: DType } = {}): Parameter {
    const array = ARRAYS[options.dtype ?? "float32"];
    return new Parameter(shape, () => new array(sizeOf(shape)), options);
  }

  get size(): number {
    return sizeOf(this.shape);
  }

  /** Inside a compiled or eager function: the numbers as a tensor, [shape]. The tensor is not the caller's to dispose. */
  value(): tf.Tensor {
    const recorder = currentRecorder();
    if (recorder) return recorder.parameter(this);
    const storage = this.bound();
    if (storage.tensor) return storage.tensor();
    throw new PeftError(
      "ENGINE_GRAPH_INVALID",
      "a parameter's value exists only inside a function that runs on the engine",
      {
        place: this.name,
        hint: "wrap the computation in compile(...), or read the numbers with await parameter.read()",
      },
    );
  }

  /** Inside a compiled or eager function: replaces the numbers. Later `value()`s in the same call see the new ones. */
  assign(tensor: tf.Tensor): void {
    if (tensor.shape.length !== this.shape.length || tensor.shape.some((d, i) => d !== this.shape[i])) {
      throw new PeftError("SHAPE_MISMATCH", `cannot assign [${tensor.shape}] to a parameter of shape [${this.shape}]`, {
        place: this.name,
      });
    }
    const recorder = currentRecorder();
    if (recorder) recorder.assign(this, tensor);
    else this.bound().assign?.(tensor);
  }

  /** The numbers, row-major: a copy. */
  async read(): Promise<ParameterData> {
    this.#assertAlive();
    if (this.#storage) return this.#storage.read();
    return this.#hostArray().slice();
  }

  /** The numbers, not copied, where they are on the host; undefined where an engine holds them. */
  peek(): ParameterData | undefined {
    this.#assertAlive();
    return this.#storage ? undefined : this.#hostArray();
  }

  /** Replaces the numbers by a copy of `data`. @throws PeftError SHAPE_MISMATCH if their count differs */
  async write(data: ParameterData): Promise<void> {
    this.adopt(data.slice());
  }

  /**
   * Replaces the numbers and takes `data` over: its buffer may be detached later. A function is called at the first use.
   *
   * @throws PeftError SHAPE_MISMATCH
   */
  adopt(data: HostNumbers): void {
    this.#assertAlive();
    if (typeof data !== "function") this.#check(data);
    const old = this.#storage;
    this.#storage = undefined;
    this.#host = data;
    old?.dispose();
  }

  /** Another parameter of the same name with a copy of the numbers, made where they are: nothing is read back. */
  clone(): Parameter {
    this.#assertAlive();
    const host = this.#host instanceof Function || !this.#host ? this.#host : this.#host.slice();
    const copy = new Parameter(this.shape, host ?? (() => new ARRAYS[this.dtype](0)), this);
    if (this.#storage) {
      copy.#host = undefined;
      copy.#storage = this.#storage.copy(copy);
    }
    return copy;
  }

  /** Where the engine in use holds the numbers; moves them there first if need be. */
  bound(): Storage {
    this.#assertAlive();
    if (!this.#storage) {
      const engine = engineState().engine;
      if (!engine) throw new PeftError("ENGINE_GRAPH_INVALID", "no engine is in use yet", { place: this.name });
      this.#storage = engine.bind(this);
    }
    return this.#storage;
  }

  /** For engines: hands the host's numbers over; the parameter no longer holds them. */
  takeHost(): ParameterData {
    const data = this.#hostArray();
    this.#host = undefined;
    return data;
  }

  /** For engines: replaces where the numbers are held, or brings them home. */
  rebind(to: { storage: Storage } | { host: HostNumbers }): void {
    if ("storage" in to) this.#storage = to.storage;
    else {
      this.#storage = undefined;
      this.#host = to.host;
    }
  }

  /** Frees the numbers. Any later use throws DISPOSED. */
  dispose(): void {
    this.#storage?.dispose();
    this.#storage = undefined;
    this.#host = undefined;
    this.#disposed = true;
  }

  #hostArray(): ParameterData {
    if (typeof this.#host === "function") {
      const made = this.#host(this.name);
      this.#check(made);
      this.#host = made;
    }
    if (!this.#host) throw new PeftError("DISPOSED", "the parameter has no numbers on the host", { place: this.name });
    return this.#host;
  }

  #check(data: ParameterData): void {
    if (!(data instanceof ARRAYS[this.dtype])) {
      throw new PeftError("SHAPE_MISMATCH", `expected a ${ARRAYS[this.dtype].name}, got a ${data.constructor.name}`, {
        place: this.name,
      });
    }
    if (data.length !== this.size) {
      const message = `expected ${this.size} numbers for the shape [${this.shape}], got ${data.length}`;
      throw new PeftError("SHAPE_MISMATCH", message, { place: this.name });
    }
  }

  #assertAlive(): void {
    if (this.#disposed) throw new PeftError("DISPOSED", "the parameter was disposed of", { place: this.name });
  }
}
