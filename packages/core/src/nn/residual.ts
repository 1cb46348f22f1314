// A residual sum as a named module without parameters: the place where adapters beside or behind a branch are attached.

import * as tf from "@tensorflow/tfjs";
import { Module } from "./module.js";

export class Residual extends Module {
  /** @param width of the last axis, which what is attached here must know */
  constructor(readonly width: number) {
    super();
  }

  /**
   * @param skip the block's input, [batch, tokens, width]
   * @param branch what the block computed from it, of the same shape
   */
  override forward(skip: tf.Tensor, branch: tf.Tensor): tf.Tensor {
    return tf.add(skip, branch);
  }
}
