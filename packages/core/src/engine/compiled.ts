// The compiled engine: a function is traced once for each signature of its arguments, simplified, written as ONNX, and
// from then on is one native call on a device that holds the parameters.

import * as tf from "@tensorflow/tfjs";
import { PeftError } from "../errors.js";
import type { HostArray } from "../hostArray.js";
import { debugs, tell } from "./debug.js";
import type { Device, Feed, Fetch, Handle } from "./device.js";
import { type DrawRequest, fill, type RandomKey } from "./draw.js";
import { Emitter, type Executable, emit } from "./emit.js";
import type { Argument, CompiledState, Engine, EngineInfo, Numbers, Outputs } from "./engine.js";
import { type Explanation, explainGraphs } from "./explain.js";
import type { DType, Graph, Spec } from "./graph.js";
import { graphsOf } from "./graphsOf.js";
import { Holdings } from "./holdings.js";
import { unflatten } from "./outputs.js";
import type { Parameter, ParameterData, Storage } from "./parameter.js";
import { engineState, variants } from "./state.js";
import { WebGpuEmitter } from "./webgpu/emitter.js";

interface Compiled {
  readonly executable: Executable;
  readonly template: Outputs;
  /** The structure of models that it was traced with. */
  readonly structure: number;
}

class DeviceStorage implements Storage {
  constructor(
    readonly device: Device,
    readonly handle: Handle,
    readonly holdings: Holdings<DeviceStorage>,
  ) {}

  async read(): Promise<ParameterData> {
    return this.device.download(this.handle);
  }

  copy(owner: Parameter): Storage {
    const copy = new DeviceStorage(this.device, this.device.copy(this.handle), this.holdings);
    return this.holdings.add(copy, owner);
  }

  dispose(): void {
    this.holdings.remove(this);
    this.device.free(this.handle);
  }
}

export class CompiledEngine implements Engine {
  readonly info: EngineInfo;
  readonly #holdings = new Holdings<DeviceStorage>();

  constructor(readonly device: Device) {
    this.info = { engine: "compiled", device: device.name, threads: device.threads };
  }

  bind(parameter: Parameter): Storage {
    const spec: Spec = { shape: parameter.shape, dtype: parameter.dtype };
    const handle = this.device.upload(parameter.takeHost(), spec);
    return this.#holdings.add(new DeviceStorage(this.device, handle, this.#holdings), parameter);
  }

  async release(): Promise<void> {
    await this.#holdings.release();
    await this.device.close();
  }

  async call(state: CompiledState, args: readonly Argument[], key: RandomKey): Promise<Outputs> {
    const arrays = args.map(hostArray);
    const signature = this.#signature(arrays);
    let compiled = this.#known(state, signature);
    if (!compiled) {
      compiled = this.#compile(state, arrays, signature);
      if (debugs("profile")) tell(await this.profile(state, args));
    }
    const { executable, template } = compiled;
    const feeds = this.#feeds(executable, arrays, key);
    const fetches: Record<string, Fetch> = {};
    for (const { name } of executable.results) fetches[name] = { to: "host" };
    for (const { name, parameter, inPlace } of executable.assignments) {
      fetches[name] = { to: inPlace ? "over" : "replace", handle: (parameter.bound() as DeviceStorage).handle };
    }
    const host = await this.device.run(executable.key, executable.model, feeds, fetches);
    const tensors = executable.results.map(({ name, spec }) => hostTensor(host[name]!, spec));
    return unflatten(template, tensors);
  }

  async profile(state: CompiledState, args: readonly Argument[]): Promise<Explanation> {
    const arrays = args.map(hostArray);
    const { traced, simplified } = graphsOf(state.fn, arrays);
    const executable = this.#emit(simplified);
    const times = await this.device.profile(executable.model, this.#feeds(executable, arrays, { seed: 0, step: 0 }));
    return explainGraphs(traced, simplified, new Map(Object.entries(times).map(([at, ms]) => [Number(at), ms])));
  }

  #feeds(executable: Executable, arrays: readonly HostArray[], key: RandomKey): Record<string, Feed> {
    const draws = (draw: DrawRequest): Feed => {
      const data = fill(draw, key);
      return { data, spec: { shape: draw.shape, dtype: data instanceof Int32Array ? "int32" : "float32" } };
    };
    const feeds: Record<string, Feed> = {};
    for (const { name, input } of executable.feeds) {
      if (input.kind === "argument") feeds[name] = { data: arrays[input.index]!.data, spec: input.value };
      else if (input.kind === "draw") feeds[name] = draws(input.draw);
      else feeds[name] = { handle: (input.parameter.bound() as DeviceStorage).handle };
    }
    return feeds;
  }

  /** What a function is traced for anew: types and shapes of the arguments, and the variants of models in force. */
  #signature(args: readonly HostArray[]): string {
    return `${this.info.device}|${variants().join()}|${args.map((a) => `${a.dtype}[${a.shape}]`).join()}`;
  }

  /** What was made for a signature, unless a model has changed its structure since. */
  #known(state: CompiledState, signature: string): Compiled | undefined {
    const known = state.cache.get(signature) as Compiled | undefined;
    return known?.structure === engineState().structure ? known : undefined;
  }

  /** Makes a function's executable for a signature. */
  #compile(state: CompiledState, args: readonly HostArray[], signature: string): Compiled {
    const { structure } = engineState();
    const { traced, simplified, template } = graphsOf(state.fn, args);
    if (debugs("graph")) tell(explainGraphs(traced, simplified));
    const made = { executable: this.#emit(simplified), template, structure };
    state.cache.set(signature, made);
    return made;
  }

  /** Each device's nodes are its own: what one has a kernel for is made of others elsewhere. */
  #emit(graph: Graph): Executable {
    return emit(graph, this.info.device === "webgpu" ? new WebGpuEmitter() : new Emitter());
  }
}

function hostArray(argument: Argument): HostArray {
  if (!(argument instanceof tf.Tensor)) return argument;
  const dtype = argument.dtype as DType;
  if (dtype !== "float32" && dtype !== "int32" && dtype !== "bool") {
    throw new PeftError(
      "ARGUMENT_INVALID",
      `tensors of type ${argument.dtype} cannot be passed to a compiled function`,
    );
  }
  return { data: argument.dataSync() as Numbers, shape: argument.shape, dtype };
}

function hostTensor(data: Numbers, spec: Spec): tf.Tensor {
  return tf.tensor(data, [...spec.shape], spec.dtype);
}
