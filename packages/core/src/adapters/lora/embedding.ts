// LoRA on an embedding, as PEFT has it: the row of a token is W[i] + scaling * B A[:, i]. B starts at random and A at zero,
// the other way round than on a linear layer.

import * as tf from "@tensorflow/tfjs";
import { Parameter, type ParameterData } from "../../engine/index.js";
import { PeftError } from "../../errors.js";
import { type Embedding, normal, zeros } from "../../nn/index.js";
import { linear } from "../../ops/index.js";
import { LoraLayer, type LoraLayerOptions } from "./layer.js";
import type { Factors } from "./product.js";

/** [...] int32 ids to [..., width]. There is no dropout, as in PEFT: ids are numbers of rows. */
export class EmbeddingLora extends LoraLayer<Embedding> {
  /** [r, count] */
  readonly lora_embedding_A: Parameter;
  /** [width, r] */
  readonly lora_embedding_B: Parameter;

  /** @throws PeftError TARGET_UNSUPPORTED for a bias, or a start that is linear layers' own */
  constructor(base: Embedding, options: LoraLayerOptions) {
    super(base, { ...options, dropout: 0 });
    const { r, bias, init, seed } = options;
    if (bias || init === "orthogonal") {
      const what = bias ? "loraBias" : 'the start "orthogonal"';
      throw new PeftError("TARGET_UNSUPPORTED", `${what} is not for embeddings`, {
        place: base.path,
        hint: "leave the embedding out, with excludeModules",
      });
    }
    const [count, width] = base.weight.shape as [number, number];
    const [a, b] = [init ? zeros : normal(1, seed), normal(1, seed)];
    this.lora_embedding_A = new Parameter([r, count], (name) => a([r, count], name));
    this.lora_embedding_B = new Parameter([width, r], (name) => b([width, r], name));
  }

  override get pair(): readonly [Parameter, Parameter] {
    return [this.lora_embedding_A, this.lora_embedding_B];
  }

  override get norm(): { axes: readonly number[]; shape: readonly number[] } {
    return { axes: [0], shape: this.base.weight.shape.slice(1) };
  }

  override update(ids: tf.Tensor): tf.Tensor {
    const rows = tf.gather(tf.transpose(this.lora_embedding_A.value()), tf.cast(ids, "int32"));
    return linear(tf.mul(rows, this.scalingFor(rows)), this.lora_embedding_B.value());
  }

  override bare(ids: tf.Tensor): tf.Tensor {
    return this.base.forward(ids);
  }

  override product(): tf.Tensor {
    const [a, b] = this.scaledPair();
    return tf.matMul(a as tf.Tensor2D, b as tf.Tensor2D, true, true);
  }

  override factors(a: ParameterData, b: ParameterData): Factors {
    const [rows, columns] = this.base.weight.shape as [number, number];
    const r = this.lora_embedding_A.shape[0]!;
    return { left: { data: a, step: 1, rank: rows }, right: { data: b, step: r, rank: 1 }, rows, columns, r };
  }
}
