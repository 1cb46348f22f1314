// Small models and data for the tests of training.

import * as tf from "@tensorflow/tfjs";
import type { TrainingHooks } from "../../src/adapters/method.js";
import {
  type HostArray,
  HostModel,
  type ModelInputs,
  type ModelOutput,
  type Parameter,
  ViTForImageClassification,
} from "../../src/index.js";
import { Dropout, Linear, nameModules, normal } from "../../src/nn/index.js";
import { gelu, softmaxCrossEntropy } from "../../src/ops/index.js";
import type { TrainableModel } from "../../src/train/index.js";

/** Two linear layers with GELU and dropout between them; a classifier that is trained as a whole. */
export class Mlp extends HostModel implements TrainableModel {
  readonly first: Linear;
  readonly dropout: Dropout;
  readonly second: Linear;
  hooks?: TrainingHooks;

  constructor(options: { inputs?: number; hidden?: number; classes?: number; dropout?: number; seed?: number } = {}) {
    super();
    const { inputs = 4, hidden = 8, classes = 3, dropout = 0, seed = 0 } = options;
    const init = normal(0.5, seed);
    this.first = new Linear(inputs, hidden, { init });
    this.dropout = new Dropout(dropout);
    this.second = new Linear(hidden, classes, { init });
    nameModules(this);
  }

  override forward({ x }: ModelInputs): ModelOutput {
    const hidden = this.dropout.forward(gelu(this.first.forward(x!)));
    return { logits: this.second.forward(hidden), hiddenStates: [hidden] };
  }

  override loss({ logits }: ModelOutput, { labels }: ModelInputs): tf.Tensor {
    return softmaxCrossEntropy(logits, labels!);
  }

  trainableParameters(): Map<string, Parameter> {
    return this.parameters();
  }
}

/** A vision transformer that is trained as a whole. */
export class TrainedViT extends ViTForImageClassification implements TrainableModel {
  trainableParameters(): Map<string, Parameter> {
    return this.parameters();
  }
}

/** Parameters whose gradients are given as inputs named after them: the loss is the sum of their products. */
export class GivenGradients implements TrainableModel {
  hooks?: TrainingHooks;

  constructor(readonly parameters: ReadonlyMap<string, Parameter>) {}

  forward(): ModelOutput {
    return { logits: tf.zeros([1, 1]), hiddenStates: [] };
  }

  loss(_: ModelOutput, batch: ModelInputs): tf.Tensor {
    const products = [...this.parameters].map(([name, p]) => tf.sum(tf.mul(p.value(), batch[name]!)));
    return tf.addN(products);
  }

  trainableParameters(): ReadonlyMap<string, Parameter> {
    return this.parameters;
  }
}

export function floats(values: readonly number[] | Float32Array, shape: readonly number[]): HostArray {
  return { data: Float32Array.from(values), shape, dtype: "float32" };
}

/** Points of three classes, each around a corner of its own. */
export function points(count: number, seed = 1): { x: HostArray; labels: HostArray } {
  const labels = Int32Array.from({ length: count }, (_, i) => i % 3);
  const x = Float32Array.from({ length: count * 4 }, (_, i) => {
    const noise = Math.sin((i + 1) * 12.9898 * seed) * 0.6;
    return noise + (i % 4 === labels[Math.floor(i / 4)] ? 1.5 : 0);
  });
  return {
    x: { data: x, shape: [count, 4], dtype: "float32" },
    labels: { data: labels, shape: [count], dtype: "int32" },
  };
}

/** Every number of a set of parameters, in order. */
export async function numbersOf(parameters: ReadonlyMap<string, Parameter>): Promise<Record<string, number[]>> {
  const numbers: Record<string, number[]> = {};
  for (const [name, parameter] of parameters) numbers[name] = [...(await parameter.read())];
  return numbers;
}
