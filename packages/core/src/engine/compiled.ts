// The compiled engine: a function is traced once for each signature of its arguments, simplified, written as ONNX, and
// from then on is one native call on a device that holds the parameters.

import * as tf from "@tensorflow/tfjs";
import { PeftError } from "../errors.js";
import type { HostArray } from "../hostArray.js";
import type { Device, Feed, Fetch, Handle } from "./device.js";
import { type DrawRequest, fill, type RandomKey } from "./draw.js";
import { Emitter, type Executable, emit } from "./emit.js";
import type { Argument, CompiledState, Engine, EngineInfo, Numbers, Outputs } from "./engine.js";
import type { DType, Spec } from "./graph.js";
import { Holdings } from "./holdings.js";
import { flatten, unflatten } from "./outputs.js";
import type { Parameter, ParameterData, Storage } from "./parameter.js";
import { simplify } from "./simplify/index.js";
import { engineState, variants } from "./state.js";
import { trace } from "./trace.js";
import { WebGpuEmitter } from "./webgpu/emitter.js";

interface Compiled {
  readonly executable: Executable;
  readonly template: Outputs;
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
    const { executable, template } = this.#compile(state, arrays);
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
    const fetches: Record<string, Fetch> = {};
    for (const { name } of executable.results) fetches[name] = { to: "host" };
    for (const { name, parameter, inPlace } of executable.assignments) {
      fetches[name] = { to: inPlace ? "over" : "replace", handle: (parameter.bound() as DeviceStorage).handle };
    }
    const host = await this.device.run(executable.key, executable.model, feeds, fetches);
    const tensors = executable.results.map(({ name, spec }) => hostTensor(host[name]!, spec));
    return unflatten(template, tensors);
  }

  /** The executable of a function for arguments of these shapes, made at the first call. */
  #compile(state: CompiledState, args: readonly HostArray[]): Compiled {
    const { structure } = engineState();
    const key = `${this.info.device}|${variants().join()}|${args.map((a) => `${a.dtype}[${a.shape}]`).join()}`;
    const known = state.cache.get(key) as (Compiled & { structure: number }) | undefined;
    if (known?.structure === structure) return known;
    let template: Outputs | undefined;
    const graph = trace(args, (tensors) => {
      template = state.fn(...tensors);
      return flatten(template);
    });
    const emitter = this.info.device === "webgpu" ? new WebGpuEmitter() : new Emitter();
    const made = { executable: emit(simplify(graph), emitter), template: template!, structure };
    state.cache.set(key, made);
    return made;
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
