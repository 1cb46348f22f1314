// The device's thread: owns the ONNX Runtime sessions and the tensors, and does one request after another.

import { parentPort, workerData } from "node:worker_threads";
import * as ort from "onnxruntime-node";
import type { Feed, Fetch, Handle, Reply, Request, WorkerOptions } from "./device.js";
import type { Numbers } from "./engine.js";
import type { Spec } from "./graph.js";

/** Sessions kept at once. Each holds its graph and its arena; creating and releasing them leaks natively, so few go. */
const MAX_SESSIONS = 64;

const { threads, provider } = workerData as WorkerOptions;
const tensors = new Map<Handle, ort.Tensor>();
const sessions = new Map<string, ort.InferenceSession>();

const SESSION_OPTIONS: ort.InferenceSession.SessionOptions = {
  executionProviders: [provider],
  intraOpNumThreads: threads,
  interOpNumThreads: 1,
  executionMode: "sequential",
  enableCpuMemArena: true,
  // Planning memory by pattern keeps every shape's plan: 2.9 instead of 1.7 GB on a ViT-B step, and no faster.
  enableMemPattern: false,
  // The graph comes in its fused form; the runtime's own passes would merge recomputed values with the first ones.
  graphOptimizationLevel: "disabled",
  logSeverityLevel: 3,
  // A provider without a kernel for a node would hand it to the CPU in silence.
  ...(provider !== "cpu" && { extra: { session: { disable_cpu_ep_fallback: "1" } } }),
};

function tensorOf(data: Numbers, spec: Spec): ort.Tensor {
  return new ort.Tensor(spec.dtype, data as Float32Array, spec.shape as number[]);
}

function inputOf(feed: Feed): ort.Tensor {
  return "handle" in feed ? tensors.get(feed.handle)! : tensorOf(feed.data, feed.spec);
}

async function openSession(key: string, model: Uint8Array): Promise<void> {
  if (sessions.size >= MAX_SESSIONS) {
    const [oldest, session] = sessions.entries().next().value!;
    sessions.delete(oldest);
    await session.release();
  }
  sessions.set(key, await ort.InferenceSession.create(model, SESSION_OPTIONS));
}

async function run(request: Extract<Request, { op: "run" }>, session: ort.InferenceSession): Promise<unknown> {
  const feeds: Record<string, ort.Tensor> = {};
  for (const [name, feed] of Object.entries(request.feeds)) feeds[name] = inputOf(feed);
  const fetches: Record<string, ort.Tensor | null> = {};
  for (const [name, fetch] of Object.entries(request.fetches)) {
    fetches[name] = fetch.to === "over" ? tensors.get(fetch.handle)! : null;
  }
  const outputs = await session.run(feeds, fetches);
  const host: Record<string, unknown> = {};
  for (const [name, fetch] of Object.entries(request.fetches) as [string, Fetch & { handle?: Handle }][]) {
    if (fetch.to === "host") host[name] = outputs[name]!.data;
    else if (fetch.to === "new") tensors.set(fetch.handle!, outputs[name]!);
  }
  return host;
}

async function answer(request: Request): Promise<Reply> {
  const { id } = request;
  switch (request.op) {
    case "upload":
      tensors.set(request.handle, tensorOf(request.data, request.spec));
      return { id, ok: true };
    case "download":
      return { id, ok: true, result: tensors.get(request.handle)!.data };
    case "copy": {
      const { data, type, dims } = tensors.get(request.handle)!;
      tensors.set(request.to, new ort.Tensor(type, (data as Float32Array).slice(), dims));
      return { id, ok: true };
    }
    case "free":
      tensors.delete(request.handle);
      return { id, ok: true };
    case "session":
      await openSession(request.key, request.model);
      return { id, ok: true };
    case "run": {
      const session = sessions.get(request.key);
      if (!session) return { id, ok: false, message: "no such session", unknownSession: true };
      // Move to the end: the session used longest ago is the first to go.
      sessions.delete(request.key);
      sessions.set(request.key, session);
      return { id, ok: true, result: await run(request, session) };
    }
  }
}

let last: Promise<void> = Promise.resolve();
parentPort!.on("message", (request: Request) => {
  last = last.then(async () => {
    const reply = await answer(request).catch(
      (error: unknown): Reply => ({
        id: request.id,
        ok: false,
        message: error instanceof Error ? error.message : String(error),
      }),
    );
    parentPort!.postMessage(reply);
  });
});
