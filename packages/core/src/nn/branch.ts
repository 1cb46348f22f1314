// The output of a branch as a named module without parameters, before the branch is scaled, dropped or added: the place where
// adapters parallel to its layers are attached.

import type * as tf from "@tensorflow/tfjs";
import { Module } from "./module.js";

export class Branch extends Module {
  /** @param width of the last axis, which what is attached here must know */
  constructor(readonly width: number) {
    super();
  }

  /**
   * @param _input what the branch's layers have worked on, [batch, tokens, width]
   * @param output what they made of it, of the same shape; passed on
   */
  override forward(_input: tf.Tensor, output: tf.Tensor): tf.Tensor {
    return output;
  }
}
