// What a compiled function returns: a tensor, or arrays and records of tensors. Taken apart into a list and put together
// again.

import * as tf from "@tensorflow/tfjs";
import { PeftError } from "../errors.js";
import type { Outputs } from "./engine.js";

/**
 * The same structure over other tensors.
 *
 * @throws PeftError ENGINE_GRAPH_INVALID for anything but tensors, arrays and records of them
 */
export function mapOutputs(outputs: Outputs, map: (tensor: tf.Tensor) => tf.Tensor): Outputs {
  if (outputs instanceof tf.Tensor) return map(outputs);
  if (Array.isArray(outputs)) return outputs.map((part: Outputs) => mapOutputs(part, map));
  if (typeof outputs !== "object" || outputs === null || outputs instanceof Promise) throw notTensors(outputs);
  return Object.fromEntries(Object.entries(outputs).map(([name, part]) => [name, mapOutputs(part, map)]));
}

/** @throws PeftError ENGINE_GRAPH_INVALID as `mapOutputs` */
export function flatten(outputs: Outputs): tf.Tensor[] {
  const tensors: tf.Tensor[] = [];
  mapOutputs(outputs, (tensor) => {
    tensors.push(tensor);
    return tensor;
  });
  return tensors;
}

/** The structure of `template` over other tensors, in `flatten`'s order. */
export function unflatten(template: Outputs, tensors: readonly tf.Tensor[]): Outputs {
  let next = 0;
  return mapOutputs(template, () => tensors[next++]!);
}

function notTensors(value: unknown): PeftError {
  const isPromise = value instanceof Promise;
  // What it fails with, such as a read of numbers that are not there yet, is said by this error.
  if (isPromise) value.catch(() => {});
  const what = isPromise ? "a promise" : value === null ? "null" : `a value of type ${typeof value}`;
  return new PeftError("ENGINE_GRAPH_INVALID", `a function that runs on the engine returned ${what} for a tensor`, {
    hint: isPromise
      ? "it must not be async, nor call another compiled function: call the plain function"
      : "let it return a tensor, or arrays and records of tensors",
  });
}
