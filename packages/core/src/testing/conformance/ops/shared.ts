// What the cases of our ops are made of.

import type * as tf from "@tensorflow/tfjs";
import * as fc from "fast-check";
import { findOp } from "../../../engine/op.js";

export interface OpCase {
  /** Shapes of the differentiable inputs. */
  readonly shapes: readonly (readonly number[])[];
  /** The op over tensors of those shapes. */
  apply(inputs: tf.Tensor[]): tf.Tensor;
  /** The composition that TensorFlow.js can differentiate by itself; absent where `apply` is one already. */
  compose?(inputs: tf.Tensor[]): tf.Tensor;
  /** Scale of the inputs. */
  readonly scale?: number;
}

export const dimension: fc.Arbitrary<number> = fc.integer({ min: 1, max: 9 });
export const shape: fc.Arbitrary<number[]> = fc.array(dimension, { minLength: 1, maxLength: 4 });

/** The composition registered with the op. */
export const composed = (name: string, inputs: Record<string, tf.Tensor>, attrs = {}): tf.Tensor =>
  findOp(name)!.eager(inputs, attrs) as tf.Tensor;
