// From a function to the graph that runs.

import type * as tf from "@tensorflow/tfjs";
import type { Outputs } from "./engine.js";
import type { Graph, Spec } from "./graph.js";
import { flatten } from "./outputs.js";
import { simplify } from "./simplify/index.js";
import { trace } from "./trace.js";

export interface Graphs {
  readonly traced: Graph;
  readonly simplified: Graph;
  /** The structure of what the function returns. */
  readonly template: Outputs;
}

/** @param specs shapes and types of the arguments */
export function graphsOf(fn: (...args: tf.Tensor[]) => Outputs, specs: readonly Spec[]): Graphs {
  let template: Outputs | undefined;
  const traced = trace(specs, (tensors) => {
    template = fn(...tensors);
    return flatten(template);
  });
  return { traced, simplified: simplify(traced), template: template! };
}
