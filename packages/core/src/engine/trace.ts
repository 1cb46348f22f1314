// Tracing: a function over TensorFlow.js tensors is run once on a backend whose tensors have a shape and no numbers.
// Each kernel call becomes a node of the graph; gradients are traced like everything else, by TensorFlow.js's own tape.

import * as tf from "@tensorflow/tfjs";
import { PeftError } from "../errors.js";
import { type Distribution, drawDType } from "./draw.js";
import type { Attrs, Constant, DType, Graph, GraphInput, Node, Spec, Value } from "./graph.js";
import { findKernel, kernelNames } from "./kernel.js";
import type { Parameter } from "./parameter.js";
import { inPurity } from "./purity.js";
import { engineState } from "./state.js";

export const TRACE_BACKEND = "peft-trace";

type Numbers = Float32Array | Int32Array | Uint8Array;

/** What a tensor of the tracing backend stands for: numbers known already, or a value of the graph being recorded. */
type Entry = { references: number } & (
  | { readonly kind: "constant"; readonly data: Numbers }
  | { readonly kind: "value"; readonly value: Value; readonly recorder: Recorder }
);

/** The numbers in the array of a type, themselves if they are in one. */
function asType(numbers: Numbers | readonly number[], dtype: DType): Numbers {
  const array = dtype === "float32" ? Float32Array : dtype === "int32" ? Int32Array : Uint8Array;
  return numbers instanceof array ? numbers : array.from(numbers);
}

/** Collects one graph. */
export class Recorder {
  readonly inputs: GraphInput[] = [];
  readonly nodes: Node[] = [];
  readonly constants: Constant[] = [];
  readonly assignments: Map<Parameter, Value> = new Map();
  scope = "";
  /** The checkpointed block at work, and how many there were. */
  block: number | undefined;
  blocks = 0;
  /** Whether what is recorded is a backward pass. */
  backward = false;
  /** By the numbers, then by the type and shape that a tensor sees them with. */
  readonly #constantValues = new Map<Entry, Map<string, Value>>();
  readonly #parameterTensors = new Map<Parameter, tf.Tensor>();
  /** Tensors that stand for parameters, before and after an assignment; freed when the graph is whole. */
  readonly #kept: tf.Tensor[] = [];
  readonly #sites = new Map<string, number>();
  #next = 0;

  constructor(readonly backend: TraceBackend) {}

  newValue(spec: Spec): Value {
    return { id: this.#next++, shape: spec.shape, dtype: spec.dtype };
  }

  argument(index: number, spec: Spec): tf.Tensor {
    const value = this.newValue(spec);
    this.inputs.push({ kind: "argument", index, value });
    return this.backend.tensorOf(value, this);
  }

  parameter(parameter: Parameter): tf.Tensor {
    this.scope = parameter.name.slice(0, Math.max(0, parameter.name.lastIndexOf(".")));
    const known = this.#parameterTensors.get(parameter);
    if (known) return known;
    const value = this.newValue({ shape: parameter.shape, dtype: parameter.dtype });
    this.inputs.push({ kind: "parameter", parameter, value });
    const tensor = this.#keep(this.backend.tensorOf(value, this));
    this.#parameterTensors.set(parameter, tensor);
    return tensor;
  }

  #keep(tensor: tf.Tensor): tf.Tensor {
    this.#kept.push(tf.keep(tensor));
    return tensor;
  }

  assign(parameter: Parameter, tensor: tf.Tensor): void {
    this.assignments.set(parameter, this.valueOf(tensor));
    this.#parameterTensors.set(parameter, this.#keep(tf.clone(tensor)));
  }

  draw(site: string, shape: readonly number[], distribution: Distribution): tf.Tensor {
    const value = this.newValue({ shape, dtype: drawDType(distribution) });
    this.inputs.push({ kind: "draw", draw: { site: this.uniqueSite(site), shape, distribution }, value });
    return this.backend.tensorOf(value, this);
  }

  /** A site used again in one call gets a number, so that two passes of a model draw independently. */
  uniqueSite(site: string): string {
    const seen = this.#sites.get(site) ?? 0;
    this.#sites.set(site, seen + 1);
    return seen === 0 ? site : `${site}#${seen}`;
  }

  /** The outputs as TensorFlow.js has them: a list of one where the kernel gives lists. */
  record(kernel: string, tensors: tf.NamedTensorInfoMap, attrs: Attrs): tf.TensorInfo | tf.TensorInfo[] {
    const inputs: Record<string, Value> = {};
    for (const [name, tensor] of Object.entries(tensors)) if (tensor) inputs[name] = this.valueOf(tensor);
    const specs = findKernel(kernel, this.scope).infer(inputs, attrs);
    const outputs = (Array.isArray(specs) ? (specs as Spec[]) : [specs as Spec]).map((spec) => this.newValue(spec));
    const { scope, block, backward } = this;
    const phase = { ...(block !== undefined && { block }), ...(backward && { backward }) };
    this.nodes.push({ kernel, inputs, attrs: { ...attrs }, outputs, scope, ...phase });
    const infos = outputs.map((value) => this.backend.infoOf(value, this));
    return Array.isArray(specs) ? infos : infos[0]!;
  }

  valueOf(tensor: tf.TensorInfo): Value {
    const entry = this.backend.entry(tensor.dataId);
    if (entry.kind === "value") {
      if (entry.recorder !== this) {
        throw new PeftError("ENGINE_GRAPH_INVALID", "a tensor of one compiled function was used inside another", {
          hint: "pass it as an argument, or compute it inside the function",
        });
      }
      return entry.value;
    }
    // A tensor may share its numbers with one of another shape (a reshape) or type (a cast).
    const dtype = tensor.dtype as DType;
    const seen = this.#constantValues.get(entry) ?? new Map<string, Value>();
    this.#constantValues.set(entry, seen);
    const known = seen.get(`${dtype}[${tensor.shape}]`);
    if (known) return known;
    const value = this.newValue({ shape: tensor.shape, dtype });
    this.constants.push({ value, data: asType(entry.data, dtype) });
    seen.set(`${dtype}[${tensor.shape}]`, value);
    return value;
  }

  finish(outputs: readonly tf.Tensor[]): Graph {
    return {
      inputs: this.inputs,
      constants: this.constants,
      nodes: this.nodes,
      assignments: [...this.assignments].map(([parameter, value]) => ({ parameter, value })),
      outputs: outputs.map((tensor) => this.valueOf(tensor)),
    };
  }

  /** Frees the tensors that stand for parameters, also where the function threw. */
  free(): void {
    for (const tensor of this.#kept) tensor.dispose();
  }
}

/** The tracing backend: holds what each tensor stands for. */
export class TraceBackend extends tf.KernelBackend {
  readonly #entries: tf.DataStorage<Entry>;
  recorder: Recorder | undefined;

  constructor() {
    super();
    this.#entries = new tf.DataStorage<Entry>(this, tf.engine() as unknown as tf.DataMover);
  }

  entry(dataId: tf.DataId): Entry {
    return this.#entries.get(dataId);
  }

  infoOf(value: Value, recorder: Recorder): tf.TensorInfo {
    const dataId = {};
    this.#entries.set(dataId, { kind: "value", value, recorder, references: 1 });
    return { dataId, shape: [...value.shape], dtype: value.dtype };
  }

  tensorOf(value: Value, recorder: Recorder): tf.Tensor {
    const { dataId, shape, dtype } = this.infoOf(value, recorder);
    return tf.engine().makeTensorFromDataId(dataId, shape, dtype, this);
  }

  override write(values: tf.BackendValues, shape: number[], dtype: tf.DataType): tf.DataId {
    const dataId = {};
    this.move(dataId, values, shape, dtype, 1);
    return dataId;
  }

  override move(
    id: tf.DataId,
    values: tf.BackendValues,
    _shape: number[],
    dtype: tf.DataType,
    references: number,
  ): void {
    if (dtype !== "float32" && dtype !== "int32" && dtype !== "bool") {
      throw new PeftError("ENGINE_GRAPH_INVALID", `tensors of type ${dtype} cannot be used in a compiled function`);
    }
    const data = asType(values as Numbers | number[], dtype);
    this.#entries.set(id, { kind: "constant", data, references });
  }

  override readSync(dataId: object): tf.BackendValues {
    const entry = this.#entries.get(dataId);
    if (entry.kind === "constant") return entry.data;
    throw new PeftError("ENGINE_TRACE_READ", "a compiled function cannot read numbers: none exist while it is traced", {
      place: this.recorder?.scope || undefined,
      hint: 'keep the computation in tensors, return the tensor, or run under useEngine("eager")',
    });
  }

  override async read(dataId: object): Promise<tf.BackendValues> {
    return this.readSync(dataId);
  }

  override refCount(dataId: tf.DataId): number {
    return this.#entries.has(dataId) ? this.#entries.get(dataId).references : 0;
  }

  override incRef(dataId: tf.DataId): void {
    this.#entries.get(dataId).references++;
  }

  decRef(dataId: tf.DataId): void {
    if (this.#entries.has(dataId)) this.#entries.get(dataId).references--;
  }

  override disposeData(dataId: tf.DataId, force = false): boolean {
    if (!this.#entries.has(dataId)) return true;
    const entry = this.#entries.get(dataId);
    entry.references--;
    if (!force && entry.references > 0) return false;
    this.#entries.delete(dataId);
    return true;
  }

  override numDataIds(): number {
    return this.#entries.numDataIds();
  }

  override memory(): { unreliable: boolean } {
    return { unreliable: false };
  }

  override floatPrecision(): 32 {
    return 32;
  }

  override epsilon(): number {
    return 1e-7;
  }

  override timerAvailable(): boolean {
    return false;
  }

  override dispose(): void {}
}

/** The tracing backend, registered once in a process, with every kernel known by now. */
function traceBackend(): TraceBackend {
  const state = engineState();
  if (!state.traceBackend) {
    const created = new TraceBackend();
    tf.registerBackend(TRACE_BACKEND, () => created, 0);
    state.traceBackend = created;
  }
  const backend = state.traceBackend as TraceBackend;
  // Also those that we cannot write, so that recording one says so, and where.
  const others = tf.getKernelsForBackend("cpu").map((kernel) => kernel.kernelName);
  for (const kernelName of new Set([...kernelNames(), ...others])) {
    if (tf.getKernel(kernelName, TRACE_BACKEND)) continue;
    tf.registerKernel({
      kernelName,
      backendName: TRACE_BACKEND,
      kernelFunc: ({ inputs, attrs }) => {
        if (!backend.recorder) {
          throw new PeftError("ENGINE_GRAPH_INVALID", `${kernelName} ran on the tracing backend outside a trace`);
        }
        return backend.recorder.record(kernelName, inputs, (attrs ?? {}) as unknown as Attrs);
      },
    });
  }
  return backend;
}

/** The trace in progress, or undefined outside one. */
export function currentRecorder(): Recorder | undefined {
  return (engineState().traceBackend as TraceBackend | undefined)?.recorder;
}

/** @throws PeftError ENGINE_GRAPH_INVALID while a function is traced */
export function assertNotTracing(): void {
  if (!currentRecorder()) return;
  throw new PeftError("ENGINE_GRAPH_INVALID", "a compiled function was called while tracing another", {
    hint: "call the plain function in it",
  });
}

/**
 * Runs `fn` on the tracing backend.
 *
 * @param specs shapes and types of the arguments
 * @param fn gets one tensor for each spec; returns the tensors that leave the graph
 * @throws PeftError ENGINE_GRAPH_INVALID inside another trace, and for what is not pure
 */
export function trace(specs: readonly Spec[], fn: (args: tf.Tensor[]) => readonly tf.Tensor[]): Graph {
  assertNotTracing();
  const backend = traceBackend();
  const engine = tf.engine() as unknown as { backendName: string | undefined; backendInstance: unknown };
  const before = engine.backendInstance ? engine.backendName : undefined;
  const recorder = new Recorder(backend);
  backend.recorder = recorder;
  void tf.setBackend(TRACE_BACKEND);
  let graph: Graph | undefined;
  try {
    tf.tidy(() => {
      const args = specs.map((spec, index) => recorder.argument(index, spec));
      graph = recorder.finish(inPurity(() => fn(args)));
    });
    return graph!;
  } finally {
    recorder.free();
    backend.recorder = undefined;
    if (before) void tf.setBackend(before);
    else {
      engine.backendInstance = null;
      engine.backendName = undefined;
    }
  }
}
