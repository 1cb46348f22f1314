// A device is the only place that knows where numbers live: it takes uploads, runs graphs on handles, gives handles back,
// and downloads on request. Here: its face, and the device that is one worker thread owning every ONNX Runtime session
// and every buffer. A run blocks its thread, so the main thread stays free for progress bars and Ctrl-C.

import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { PeftError } from "../errors.js";
import type { Numbers } from "./engine.js";
import type { Spec } from "./graph.js";
import { Recent } from "./recent.js";

/** A tensor on the device. */
export type Handle = number;

/** Numbers that go in or out of a run: a tensor on the device, or an array that is copied over. */
export type Feed = { readonly handle: Handle } | { readonly data: Numbers; readonly spec: Spec };
/**
 * What becomes of a run's output: numbers for the host, or a tensor's new contents, which are written over the old ones while
 * the graph runs (`over`) or take their place when it has run (`replace`).
 */
export type Fetch = { readonly to: "host" } | { readonly to: "over" | "replace"; readonly handle: Handle };

export interface Device {
  readonly name: string;
  readonly threads: number;
  /** Takes the array over: afterwards its buffer is detached. */
  upload(data: Numbers, spec: Spec): Handle;
  download(handle: Handle): Promise<Numbers>;
  copy(handle: Handle): Handle;
  free(handle: Handle): void;
  /**
   * Runs an ONNX model; returns the outputs fetched to the host. The device keeps a bounded number of sessions and makes one
   * again that it dropped.
   */
  run(
    key: string,
    model: Uint8Array,
    feeds: Record<string, Feed>,
    fetches: Record<string, Fetch>,
  ): Promise<Record<string, Numbers>>;
  /**
   * Runs an ONNX model once in a session of its own, and throws away what comes out.
   *
   * @returns milliseconds by the first part of its nodes' names
   */
  profile(model: Uint8Array, feeds: Record<string, Feed>): Promise<Record<string, number>>;
  close(): Promise<void>;
}

export type Request =
  | { id: number; op: "upload"; handle: Handle; data: Numbers; spec: Spec }
  | { id: number; op: "download"; handle: Handle }
  | { id: number; op: "copy"; handle: Handle; to: Handle }
  | { id: number; op: "free"; handle: Handle }
  | { id: number; op: "profile"; model: Uint8Array; feeds: Record<string, Feed> }
  | ({ id: number; op: "run"; feeds: Record<string, Feed>; fetches: Record<string, Fetch> } & SessionUse);

/** Which session a run is for: one that is there, or one to be made, for which another may have to go. */
export interface SessionUse {
  readonly key: string;
  readonly model?: Uint8Array;
  readonly drop?: string;
}

export type Reply = { id: number; ok: true; result?: unknown } | { id: number; ok: false; message: string };

export interface WorkerOptions {
  readonly threads: number;
  readonly provider: "cpu" | "webgpu" | "cuda";
}

const HINTS: Partial<Record<WorkerOptions["provider"], string>> = {
  webgpu: 'this needs a GPU with a Vulkan, Metal or Direct3D 12 driver; the engine without one: device: "cpu"',
  cuda: "this needs Linux x64, an NVIDIA GPU, CUDA 12 with cuDNN 9, and the libraries that onnxruntime-node's install script downloads: without onnxruntime-node-install=skip, npm rebuild onnxruntime-node",
};

/** What went wrong in the worker, as the library's error. */
function failureOf(provider: WorkerOptions["provider"], message: string): PeftError {
  // The runtime does not say which node it is.
  if (/assigned to the default CPU EP/.test(message)) {
    return new PeftError("ENGINE_KERNEL_MISSING", `ONNX Runtime has no ${provider} kernel for a node of the graph`, {
      place: provider,
      hint: 'run this function under useEngine("compiled") or useEngine("eager"), or compose it from other operations',
    });
  }
  if (/indices element out of data bounds|Out of range value in index tensor/.test(message)) {
    return new PeftError("DATA_INVALID", "an index, an id or a label lies outside of what it points into", {
      place: provider,
      hint: "it must be from 0 to the number of rows or classes less 1",
      cause: new Error(message),
    });
  }
  return new PeftError("ENGINE_DEVICE_FAILED", message, { place: provider, hint: HINTS[provider] });
}

/**
 * The sessions that the worker will have when it comes to the next request. They are counted here, so that a model is sent
 * along with the first run that needs it and requests are done in the order in which they were made.
 */
class Sessions {
  readonly #kept = new Recent<true>();

  use(key: string, model: Uint8Array): SessionUse {
    if (this.#kept.get(key)) return { key };
    const drop = this.#kept.set(key, true);
    return { key, model, ...(drop !== undefined && { drop }) };
  }

  /** Its model could not be opened, perhaps: the next run sends it again. */
  forget(key: string): void {
    this.#kept.delete(key);
  }
}

/**
 * Opens a device of ONNX Runtime in a worker thread. The thread is started by the first request: a process that ends while
 * the thread loads the runtime would hang.
 */
export function openDevice(provider: WorkerOptions["provider"], threads: number = availableParallelism()): Device {
  const pending = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  let worker: Worker | undefined;
  let failure: Error | undefined;
  let nextId = 0;
  let nextHandle = 0;
  const sessions = new Sessions();

  const settle = (id: number): { resolve: (value: unknown) => void; reject: (error: Error) => void } | undefined => {
    const entry = pending.get(id);
    pending.delete(id);
    // A process may end while the worker idles, not while somebody waits for it.
    if (pending.size === 0) worker?.unref();
    return entry;
  };
  const fail = (error: Error): void => {
    failure = new PeftError("ENGINE_DEVICE_FAILED", `the device's thread stopped: ${error.message}`, { cause: error });
    for (const id of [...pending.keys()]) settle(id)?.reject(failure);
  };
  const start = (): Worker => {
    const workerData: WorkerOptions = { threads, provider };
    const started = new Worker(createRequire(import.meta.url).resolve("@peft/core/worker"), {
      workerData,
      name: `peft-${provider}`,
      // The program's own flags are not for the worker: with --input-type it would not start.
      execArgv: [],
    });
    started.on("message", (reply: Reply) => {
      const entry = settle(reply.id);
      if (reply.ok) entry?.resolve(reply.result);
      else entry?.reject(failureOf(provider, reply.message));
    });
    started.on("error", fail);
    started.on("exit", (code) => fail(new Error(`exit code ${code}`)));
    return started;
  };

  type WithoutId<T> = T extends unknown ? Omit<T, "id"> : never;
  const ask = <T>(request: WithoutId<Request>, transfer: ArrayBuffer[] = []): Promise<T> => {
    if (failure) return Promise.reject(failure);
    worker ??= start();
    const to = worker;
    return new Promise<T>((resolve, reject) => {
      const id = nextId++;
      if (pending.size === 0) to.ref();
      pending.set(id, { resolve: resolve as (value: unknown) => void, reject });
      to.postMessage({ ...request, id }, transfer);
    });
  };
  /** For requests whose failure shows at the next run. */
  const tell = (request: WithoutId<Request>, transfer: ArrayBuffer[] = []): void => {
    ask(request, transfer).catch(() => {});
  };

  return {
    name: provider,
    threads,
    upload(data, spec) {
      const handle = nextHandle++;
      // Only a whole buffer can be handed over; a view of a larger one is copied first.
      const whole = data.byteLength === data.buffer.byteLength ? data : data.slice();
      tell({ op: "upload", handle, data: whole, spec }, [whole.buffer as ArrayBuffer]);
      return handle;
    },
    download: (handle) => ask<Numbers>({ op: "download", handle }),
    copy(handle) {
      const to = nextHandle++;
      tell({ op: "copy", handle, to });
      return to;
    },
    free: (handle) => tell({ op: "free", handle }),
    async run(key, model, feeds, fetches) {
      const session = sessions.use(key, model);
      return ask<Record<string, Numbers>>({ op: "run", ...session, feeds, fetches }).catch((error: unknown) => {
        if (session.model) sessions.forget(key);
        throw error;
      });
    },
    profile: (model, feeds) => ask<Record<string, number>>({ op: "profile", model, feeds }),
    async close() {
      if (failure) return;
      if (worker) {
        // A worker that is ended while it loads the runtime, or in a run, takes the process with it: one more request, which
        // comes after all others, says that it is idle.
        await ask({ op: "free", handle: -1 }).catch(() => {});
        worker.removeAllListeners("exit");
        await worker.terminate();
      }
      failure = new PeftError("DISPOSED", "the device was closed");
    },
  };
}
