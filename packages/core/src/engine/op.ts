// Our own differentiable operations. All that is known about one stands in its file: the shape rule, the gradient in closed
// form (in terms of other operations, so that it is traced like everything else), the emission to ONNX, and the eager
// composition from TensorFlow.js kernels. It is a TensorFlow.js kernel with a gradient, so the tape treats it as its own.

import * as tf from "@tensorflow/tfjs";
import type { Attrs } from "./graph.js";
import { defineKernel, type Kernel } from "./kernel.js";

export interface Op extends Kernel {
  /** The same computation from TensorFlow.js operations. */
  eager(inputs: Readonly<Record<string, tf.Tensor>>, attrs: Attrs): tf.Tensor | tf.Tensor[];
  gradient?: {
    /** Inputs that the gradient needs; an optional input cannot be among them. */
    readonly saves?: readonly string[];
    /** Whether the gradient needs each output. */
    readonly savesOutputs?: readonly boolean[];
    /** One function for each differentiable input; only those that somebody asks for are called. */
    of(dy: tf.Tensor | tf.Tensor[], saved: tf.Tensor[], attrs: Attrs): Record<string, () => tf.Tensor>;
  };
}

/** Runs an operation on whichever engine is at work. Absent optional inputs are to be left out. */
export type OpFunction = (inputs: Record<string, tf.Tensor>, attrs?: Attrs) => tf.Tensor[];

const ops = new Map<string, Op>();

/** Registers an operation. */
export function defineOp(op: Op): OpFunction {
  defineKernel(op);
  ops.set(op.name, op);
  if (op.gradient && !tf.getGradient(op.name)) {
    const { saves = [], savesOutputs = [], of } = op.gradient;
    tf.registerGradient({
      kernelName: op.name,
      inputsToSave: [...saves],
      outputsToSave: [...savesOutputs],
      gradFunc: (dy, saved, attrs) => of(dy, saved, attrs as unknown as Attrs),
    });
  }
  return (inputs, attrs = {}) => {
    const outputs = tf.engine().runKernel(op.name, inputs, attrs as unknown as tf.NamedAttrMap);
    return (Array.isArray(outputs) ? outputs : [outputs]) as tf.Tensor[];
  };
}

/** Makes every operation known to a TensorFlow.js backend, composed of its kernels. */
export function registerEagerOps(backendName: string): void {
  for (const op of ops.values()) {
    if (tf.getKernel(op.name, backendName)) continue;
    tf.registerKernel({
      kernelName: op.name,
      backendName,
      kernelFunc: ({ inputs, attrs }) =>
        tf.tidy(() => op.eager(inputs as Record<string, tf.Tensor>, (attrs ?? {}) as unknown as Attrs)),
    });
  }
}

/** An operation by its kernel's name. */
export function findOp(name: string): Op | undefined {
  return ops.get(name);
}
