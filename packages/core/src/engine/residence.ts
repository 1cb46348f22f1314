// Where the worker's tensors are between runs: arrays beside the CPU's sessions, or buffers on the card.

import * as ort from "onnxruntime-node";
import type { Numbers } from "./engine.js";
import { type OnnxType, writeOnnx } from "./onnx.js";

export interface Residence {
  /** Where sessions are to leave what stays on the device. */
  readonly location: "cpu" | "gpu-buffer";
  /** The tensor where it can stay. */
  hold(tensor: ort.Tensor): Promise<ort.Tensor>;
  /** The tensor's numbers on the host; a tensor on the card stays there. */
  read(tensor: ort.Tensor): Promise<Numbers>;
  copy(tensor: ort.Tensor): Promise<ort.Tensor>;
  free(tensor: ort.Tensor): void;
}

export const onHost: Residence = {
  location: "cpu",
  hold: async (tensor) => tensor,
  read: async (tensor) => tensor.data as Numbers,
  copy: async ({ data, type, dims }) => new ort.Tensor(type, (data as Float32Array).slice(), dims),
  free: () => {},
};

/**
 * Buffers on a WebGPU device. They are written and read by sessions that pass one tensor through: asking a tensor on the card
 * for its data aborts the process. A buffer lives until its tensor is disposed of, whether or not anything refers to it.
 */
export function onCard(options: ort.InferenceSession.SessionOptions): Residence {
  const sessions = new Map<string, Promise<ort.InferenceSession>>();
  const pass = async (tensor: ort.Tensor, location: "cpu" | "gpu-buffer"): Promise<ort.Tensor> => {
    const key = `${tensor.type} ${location}`;
    const session =
      sessions.get(key) ??
      ort.InferenceSession.create(passing(tensor.type as OnnxType), { ...options, preferredOutputLocation: location });
    sessions.set(key, session);
    return (await (await session).run({ x: tensor })).y!;
  };
  return {
    location: "gpu-buffer",
    hold: async (tensor) => (tensor.location === "gpu-buffer" ? tensor : pass(tensor, "gpu-buffer")),
    read: async (tensor) => {
      const there = tensor.location === "gpu-buffer" ? await pass(tensor, "cpu") : tensor;
      return there.data as Numbers;
    },
    copy: (tensor) => pass(tensor, "gpu-buffer"),
    free: (tensor) => tensor.dispose(),
  };
}

/** A model that gives out what comes in, of any shape. */
function passing(type: OnnxType): Uint8Array {
  // WebGPU has no Identity for bool.
  const [node, inputs] = type === "bool" ? ["And", ["x", "x"]] : ["Identity", ["x"]];
  return writeOnnx({
    nodes: [
      { name: "pass", type: node as string, domain: "", inputs: inputs as string[], outputs: ["y"], attributes: {} },
    ],
    initializers: [],
    inputs: [{ name: "x", type }],
    outputs: [{ name: "y", type }],
  });
}
