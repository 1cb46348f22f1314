// The engine's face: choose an engine, compile functions, draw random numbers inside them.

import * as tf from "@tensorflow/tfjs";
import { PeftError } from "../errors.js";
import { useBackend } from "./backends.js";
import { CompiledEngine } from "./compiled.js";
import { openDevice } from "./device.js";
import type { Distribution, RandomKey } from "./draw.js";
import { EagerEngine } from "./eager.js";
import type { Argument, CompiledState, Engine, EngineInfo, Outputs } from "./engine.js";
import { type Explanation, explainGraphs } from "./explain.js";
import type { Spec } from "./graph.js";
import { graphsOf } from "./graphsOf.js";
import { registerEagerOps } from "./op.js";
import { Recent } from "./recent.js";
import { engineState } from "./state.js";
import { assertNotTracing, currentRecorder } from "./trace.js";

export interface CompiledEngineOptions {
  /** @defaultValue "cpu" */
  device?: "cpu" | "webgpu" | "cuda";
  /** Threads of the CPU device. @defaultValue the processors that the process may use */
  threads?: number;
}

export interface EagerEngineOptions {
  /**
   * The TensorFlow.js backend; those that are packages of their own must be installed (`tensorflow` is that of
   * @tensorflow/tfjs-node-gpu or @tensorflow/tfjs-node). @defaultValue "cpu", the one in pure JavaScript
   */
  backend?: "cpu" | "wasm" | "webgpu" | "tensorflow";
}

/**
 * Chooses what runs compiled functions: `compiled`, traced and run by ONNX Runtime (the default, on the CPU, without
 * asking), or `eager`, op by op on a TensorFlow.js backend. Parameters move over with their numbers.
 *
 * @throws PeftError ENGINE_BINDING_MISSING if the backend or device is not installed or not there
 */
export async function useEngine(engine: "compiled", options?: CompiledEngineOptions): Promise<EngineInfo>;
export async function useEngine(engine: "eager", options?: EagerEngineOptions): Promise<EngineInfo>;
export async function useEngine(
  engine: "compiled" | "eager",
  options: CompiledEngineOptions & EagerEngineOptions = {},
): Promise<EngineInfo> {
  const state = engineState();
  const before = state.moving;
  const moving = (async () => {
    await before?.catch(() => {});
    const next = engine === "compiled" ? openCompiled(options) : await openEager(options.backend ?? "cpu");
    const previous = state.engine;
    state.engine = next;
    await previous?.release();
    return next.info;
  })();
  state.moving = moving;
  try {
    return await moving;
  } finally {
    if (state.moving === moving) state.moving = undefined;
  }
}

function openCompiled({ device = "cpu", threads }: CompiledEngineOptions): Engine {
  silenceCpuBackend();
  return new CompiledEngine(openDevice(device, threads));
}

async function openEager(backend: string): Promise<Engine> {
  silenceCpuBackend();
  await useBackend(backend);
  registerEagerOps(backend);
  return new EagerEngine(backend);
}

/**
 * Results are tensors of the user's TensorFlow.js backend, or of `cpu` where none was chosen. The advice to install tfjs-node
 * that `cpu` prints at its first use misleads here.
 */
function silenceCpuBackend(): void {
  if (!(tf.engine() as unknown as { backendInstance: unknown }).backendInstance) void tf.setBackend("cpu");
  const cpu = tf.findBackend("cpu") as unknown as { firstUse: boolean } | null;
  if (cpu) cpu.firstUse = false;
}

/** Settled when the engine in use has all parameters; undefined where none is on its way. */
function engineMoving(): Promise<unknown> | undefined {
  return engineState().moving?.catch(() => {});
}

/** The engine in use; opens the default one at the first call. */
function engineInUse(): Engine {
  const state = engineState();
  state.engine ??= openCompiled({});
  return state.engine;
}

/** What runs compiled functions now; undefined before the first call of one. */
export function engineInfo(): EngineInfo | undefined {
  return engineState().engine?.info;
}

/** A function that runs on the engine. */
export interface CompiledFunction<R extends Outputs> {
  (...args: Argument[]): Promise<R>;
  /** The same function with its draws made for this seed and step. Without it they are those of seed 0, step 0. */
  at(key: RandomKey): (...args: Argument[]) => Promise<R>;
  /**
   * The function's graph for arguments of these shapes and types: by module, with operations, shapes and bytes. Nothing is
   * run and nothing assigned.
   */
  explain(...args: Spec[]): Explanation;
  /**
   * The same with the time of every operation, of one run of its own under the runtime's profiler. What the function would
   * assign to parameters is thrown away.
   *
   * @throws PeftError ENGINE_GRAPH_INVALID on an engine that runs op by op
   */
  profile(...args: Argument[]): Promise<Explanation>;
}

/**
 * Makes a function over tensors run on the engine in use.
 *
 * @param fn pure: gets tensors, returns a tensor or arrays and records of them. It may read parameters (`value()`), assign
 *   to them (`assign()`), ask for random numbers (`draw`), and take gradients (`gradients`). Under `compiled` it is traced
 *   once for each signature of its arguments (shapes and types), so nothing in it may depend on numbers. The 64 forms that
 *   were used last are kept, and of all functions together 64 sessions of the runtime; each shape beyond them
 *   leaves less than 2 kB behind for each operation of its graph, which the runtime does not give back.
 * @returns a function that takes tensors or host arrays; the tensors it resolves to belong to the caller
 * @throws PeftError ENGINE_KERNEL_MISSING for a TensorFlow.js kernel that the compiled engine cannot write
 */
export function compile<R extends Outputs>(fn: (...args: tf.Tensor[]) => R): CompiledFunction<R> {
  const state: CompiledState = { fn, cache: new Recent() };
  const at =
    (key: RandomKey) =>
    async (...args: Argument[]): Promise<R> => {
      assertNotTracing();
      const moving = engineMoving();
      if (moving) await moving;
      return (await engineInUse().call(state, args, key)) as R;
    };
  const explain = (...args: Spec[]): Explanation => {
    const { traced, simplified } = graphsOf(fn, args);
    return explainGraphs(traced, simplified);
  };
  const profile = async (...args: Argument[]): Promise<Explanation> => {
    await engineMoving();
    const engine = engineInUse();
    if (engine.profile) return engine.profile(state, args);
    throw new PeftError("ENGINE_GRAPH_INVALID", "only compiled functions can be profiled", {
      hint: 'choose useEngine("compiled")',
    });
  };
  return Object.assign(at({ seed: 0, step: 0 }), { at, explain, profile });
}

/**
 * Random numbers inside a compiled or eager function, a function of (seed, step, site) alone.
 *
 * @param site names the place; a site used again in one call gets numbers of its own
 */
export function draw(site: string, shape: readonly number[], distribution: Distribution): tf.Tensor {
  const recorder = currentRecorder();
  if (recorder) return recorder.draw(site, shape, distribution);
  // Not by its class: the ES module's and the CommonJS build's engines are of two.
  const engine = engineState().engine;
  if (engine?.draw) return engine.draw(site, shape, distribution);
  throw new PeftError("ENGINE_GRAPH_INVALID", "draw is for functions that run on the engine", {
    place: site,
    hint: "wrap the computation in compile(...)",
  });
}
