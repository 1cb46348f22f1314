// The device's thread: owns the ONNX Runtime sessions and the tensors, and does one request after another.

import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { parentPort, workerData } from "node:worker_threads";
import * as ort from "onnxruntime-node";
import type { Feed, Fetch, Handle, Reply, Request, WorkerOptions } from "./device.js";
import type { Numbers } from "./engine.js";
import type { Spec } from "./graph.js";
import { LARGE_UPDATE_BYTES } from "./largeUpdate.js";
import { onCard, onHost, type Residence } from "./residence.js";

const { threads, provider } = workerData as WorkerOptions;
type Run = Extract<Request, { op: "run" }>;

const tensors = new Map<Handle, ort.Tensor>();
const sessions = new Map<string, ort.InferenceSession>();

const SESSION_OPTIONS: ort.InferenceSession.SessionOptions = {
  // In its other layout, NHWC, the WebGPU convolution of 9 channels to 8 is wrong (ONNX Runtime 1.30), and ours is NCHW.
  executionProviders: [provider === "webgpu" ? { name: provider, preferredLayout: "NCHW" } : provider],
  intraOpNumThreads: threads,
  interOpNumThreads: 1,
  executionMode: "sequential",
  // Planning memory by pattern keeps every shape's plan: 2.9 instead of 1.7 GB on a ViT-B step, and no faster.
  enableMemPattern: false,
  // The graph comes in its fused form; the runtime's own passes would merge recomputed values with the first ones.
  graphOptimizationLevel: "disabled",
  logSeverityLevel: 3,
  // A provider without a kernel for a node would hand it to the CPU in silence.
  ...(provider !== "cpu" && { extra: { session: { disable_cpu_ep_fallback: "1" } } }),
};

const residence: Residence = provider === "webgpu" ? onCard(SESSION_OPTIONS) : onHost;

function tensorOf(data: Numbers, spec: Spec): ort.Tensor {
  return new ort.Tensor(spec.dtype, data as Float32Array, spec.shape as number[]);
}

function sizeInBytes({ data }: ort.Tensor): number {
  return (data as Float32Array).byteLength;
}

function inputOf(feed: Feed): ort.Tensor {
  return "handle" in feed ? tensors.get(feed.handle)! : tensorOf(feed.data, feed.spec);
}

function inputsOf(feeds: Readonly<Record<string, Feed>>): Record<string, ort.Tensor> {
  return Object.fromEntries(Object.entries(feeds).map(([name, feed]) => [name, inputOf(feed)]));
}

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** What a run writes an output over. On a card nothing: a buffer cannot be read and written at once. */
function overOf(fetch: Fetch): ort.Tensor | null {
  return fetch.to === "over" && residence.location === "cpu" ? tensors.get(fetch.handle)! : null;
}

function isLarge({ fetches }: Run): boolean {
  let bytes = 0;
  for (const over of Object.values(fetches).map(overOf)) if (over) bytes += sizeInBytes(over);
  return bytes > LARGE_UPDATE_BYTES;
}

/** Where a session leaves its outputs; on the CPU there is nothing to say. */
function outputLocations(fetches: Run["fetches"]): ort.InferenceSession.SessionOptions {
  const { location } = residence;
  if (location === "cpu") return {};
  const places = Object.entries(fetches).map(([name, { to }]) => [name, to === "host" ? "cpu" : location]);
  return { preferredOutputLocation: Object.fromEntries(places) };
}

/** The session of a run, made first where the run brings its model. */
async function sessionOf({ key, model, drop, fetches }: Run, large: boolean): Promise<ort.InferenceSession> {
  if (drop !== undefined) {
    await sessions.get(drop)?.release();
    sessions.delete(drop);
  }
  // A run that failed brings its model once more.
  if (model && !sessions.has(key)) {
    const options = { ...SESSION_OPTIONS, enableCpuMemArena: !large, ...outputLocations(fetches) };
    sessions.set(key, await ort.InferenceSession.create(model, options));
  }
  const session = sessions.get(key);
  if (!session) throw new Error("the run's session could not be made before");
  return session;
}

async function run(request: Run): Promise<unknown> {
  const large = isLarge(request);
  const session = await sessionOf(request, large);
  if (large) collectGarbage();
  const fetches: Record<string, ort.Tensor | null> = {};
  for (const [name, fetch] of Object.entries(request.fetches)) {
    fetches[name] = overOf(fetch);
  }
  const outputs = await session.run(inputsOf(request.feeds), fetches);
  const host: Record<string, unknown> = {};
  for (const [name, fetch] of Object.entries(request.fetches)) {
    if (fetch.to === "host") host[name] = outputs[name]!.data;
    else if (!overOf(fetch)) {
      residence.free(tensors.get(fetch.handle)!);
      tensors.set(fetch.handle, outputs[name]!);
    }
  }
  return host;
}

/** Milliseconds by node: the part of an ONNX node's name before the dot. */
async function profile({ model, feeds }: Extract<Request, { op: "profile" }>): Promise<Record<string, number>> {
  const folder = await mkdtemp(join(tmpdir(), "peft-profile-"));
  try {
    const options = { ...SESSION_OPTIONS, enableProfiling: true, profileFilePrefix: join(folder, "run") };
    const session = await ort.InferenceSession.create(model, options);
    await session.run(inputsOf(feeds));
    session.endProfiling();
    await session.release();
    const [file] = await readdir(folder);
    const events = JSON.parse(await readFile(join(folder, file!), "utf8")) as ProfileEvent[];
    const times: Record<string, number> = {};
    for (const { cat, name, dur } of events) {
      if (cat !== "Node" || !name.endsWith("_kernel_time")) continue;
      const at = name.slice(0, name.indexOf("."));
      times[at] = (times[at] ?? 0) + dur / 1000;
    }
    return times;
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** What ONNX Runtime writes of one thing that it did; the duration is in microseconds. */
interface ProfileEvent {
  readonly cat: string;
  readonly name: string;
  readonly dur: number;
}

async function answer(request: Request): Promise<Reply> {
  const { id } = request;
  switch (request.op) {
    case "upload":
      tensors.set(request.handle, await residence.hold(tensorOf(request.data, request.spec)));
      return { id, ok: true };
    case "download":
      return { id, ok: true, result: await residence.read(tensors.get(request.handle)!) };
    case "copy":
      tensors.set(request.to, await residence.copy(tensors.get(request.handle)!));
      return { id, ok: true };
    case "free": {
      const tensor = tensors.get(request.handle);
      if (tensor) residence.free(tensor);
      tensors.delete(request.handle);
      return { id, ok: true };
    }
    case "profile":
      return { id, ok: true, result: await profile(request) };
    case "run":
      return { id, ok: true, result: await run(request) };
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
