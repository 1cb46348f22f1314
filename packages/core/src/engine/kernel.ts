// What the engine knows of a kernel: how its outputs are typed, how it is written as ONNX, and whether it treats the rows
// of its operands one by one. TensorFlow.js's own kernels stand in `kernels/`, ours in `ops/`, one table for both.

import { PeftError } from "../errors.js";
import type { Emitter } from "./emit.js";
import type { Attrs, Node, Spec } from "./graph.js";

export interface Kernel {
  readonly name: string;
  /** Shapes and types of the outputs. */
  infer(inputs: Readonly<Record<string, Spec>>, attrs: Attrs): Spec | readonly Spec[];
  /** Writes the node as ONNX; returns the ONNX names of its outputs, in order. */
  emit(node: Node, e: Emitter): string | readonly string[];
  /**
   * Names of the operands that are split when the output is computed for a range of its leading rows; undefined where
   * rows depend on one another. Operands not named are used whole.
   */
  rows?(node: Node): readonly string[] | undefined;
  /** Names of the operands over whose leading rows the output is a sum; undefined where it is none. */
  sumsRows?(node: Node): readonly string[] | undefined;
  /** Bytes of the largest value inside the emission, where it is larger than the outputs. */
  scratch?(node: Node): number;
}

const table = new Map<string, Kernel>();

export function defineKernel(kernel: Kernel): Kernel {
  table.set(kernel.name, kernel);
  return kernel;
}

export function kernelNames(): string[] {
  return [...table.keys()];
}

export function findKernel(name: string, scope = ""): Kernel {
  const kernel = table.get(name);
  if (kernel) return kernel;
  throw new PeftError("ENGINE_KERNEL_MISSING", `the compiled engine has no emission for the kernel ${name}`, {
    place: scope || undefined,
    hint: 'run this function under useEngine("eager"), or compose it from other operations',
  });
}
