// A host with one layer of every kind that an adapter may go to, for tests and for comparison with the same model in
// PyTorch (`reference/make_peft.py`). It has no paper: pictures and words are each made one vector, added, classified.

import * as tf from "@tensorflow/tfjs";
import { classificationLoss } from "../models/classificationLoss.js";
import { HostModel, type ModelInputs, type ModelOutput } from "../models/index.js";
import { Conv2d, Embedding, type Layer, LayerNorm, Linear, nameModules } from "../nn/index.js";

/** Sizes of `SmallHost`. */
export const SMALL_HOST = { channels: 3, size: 9, words: 11, length: 5, width: 8, inner: 10, classes: 4 } as const;

/**
 * Inputs: `pixelValues` [batch, 3, 9, 9] and `inputIds` [batch, 5] below 11; for training also `labels`, [batch] int32.
 */
export class SmallHost extends HostModel {
  /** 3x3 in steps of 2, then 1x1 without a bias, then 3x3 in two groups. */
  readonly stem: Layer;
  readonly mix: Layer;
  readonly grouped: Layer;
  readonly words: Layer;
  /** No method adapts a norm. */
  readonly norm: LayerNorm;
  readonly fc1: Layer;
  readonly fc2: Layer;
  readonly head: Layer;

  constructor() {
    super();
    const { channels, words, width, inner, classes } = SMALL_HOST;
    this.stem = new Conv2d(channels, 6, { kernel: [3, 3], stride: 2, padding: 1 });
    this.mix = new Conv2d(6, width, { kernel: [1, 1], bias: false });
    this.grouped = new Conv2d(width, width, { kernel: [3, 3], padding: 1, groups: 2 });
    this.words = new Embedding(words, width);
    this.norm = new LayerNorm(width, 1e-5);
    this.fc1 = new Linear(width, inner);
    this.fc2 = new Linear(inner, width, { bias: false });
    this.head = new Linear(width, classes);
    nameModules(this);
  }

  override get headPath(): string {
    return "head";
  }

  override forward({ pixelValues, inputIds }: ModelInputs): ModelOutput {
    const mixed = this.mix.forward(tf.tanh(this.stem.forward(pixelValues!)));
    const picture = tf.mean(this.grouped.forward(tf.tanh(mixed)), [2, 3]);
    const text = tf.mean(this.words.forward(inputIds!), 1);
    const both = this.norm.forward(tf.add(picture, text));
    const hidden = tf.add(both, this.fc2.forward(tf.tanh(this.fc1.forward(both))));
    return { logits: this.head.forward(hidden), hiddenStates: [both, hidden] };
  }

  /** Cross-entropy, the mean over the batch. */
  override loss({ logits }: ModelOutput, { labels }: ModelInputs): tf.Tensor {
    return classificationLoss(logits, labels!);
  }
}
