// What a function cannot do while it is traced, because it would happen once and not at every call: draw TensorFlow.js's
// random numbers, and assign to its variables.

import * as tf from "@tensorflow/tfjs";
import { PeftError } from "../errors.js";

/** Runs the body, in which both are errors. */
export function inPurity<T>(body: () => T): T {
  const { random } = Math;
  const { assign } = tf.Variable.prototype;
  Math.random = () => {
    throw new PeftError(
      "ENGINE_GRAPH_INVALID",
      "random numbers of a compiled function would be the same at every call",
      {
        hint: 'take them from draw("name", shape, distribution), and dropout from the Dropout layer',
      },
    );
  };
  tf.Variable.prototype.assign = function (this: tf.Variable) {
    throw new PeftError("ENGINE_GRAPH_INVALID", "a tf.Variable cannot be assigned to in a compiled function", {
      place: this.name,
      hint: "hold the numbers in a Parameter: parameter.assign(tensor)",
    });
  };
  try {
    return body();
  } finally {
    Math.random = random;
    tf.Variable.prototype.assign = assign;
  }
}
