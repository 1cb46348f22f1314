// Language models of the size of RoBERTa-base and T5-base with LoRA on their queries and values: the layers alone, with random
// weights, as the models of transformers have them that reference/bench/language_models.py trains.
import {
  attention,
  causalMask,
  Embedding,
  estimateMemory,
  gelu,
  getPeftModel,
  type HostArray,
  HostModel,
  Layer,
  LayerNorm,
  Linear,
  LoraConfig,
  type ModelInputs,
  type ModelOutput,
  nameModules,
  paddingMask,
  RMSNorm,
  relu,
  softmaxCrossEntropy,
  trainingStep,
} from "@peft/core";
import * as tf from "@tensorflow/tfjs";
import { serve } from "../sides/protocol.js";
import { fill, OPTIONS, runStep } from "./training.js";

const [WIDTH, INNER, HEADS, LAYERS] = [768, 3072, 12, 12];
const CLASSES = 2;

class RobertaLayer extends Layer {
  readonly query: Layer = new Linear(WIDTH, WIDTH);
  readonly key: Layer = new Linear(WIDTH, WIDTH);
  readonly value: Layer = new Linear(WIDTH, WIDTH);
  readonly dense: Layer = new Linear(WIDTH, WIDTH);
  readonly norm: LayerNorm = new LayerNorm(WIDTH, 1e-5);
  readonly intermediate: Layer = new Linear(WIDTH, INNER);
  readonly output: Layer = new Linear(INNER, WIDTH);
  readonly outputNorm: LayerNorm = new LayerNorm(WIDTH, 1e-5);

  override forward(x: tf.Tensor, mask?: tf.Tensor): tf.Tensor {
    const of = [this.query, this.key, this.value].map((layer) => layer.forward(x)) as [tf.Tensor, tf.Tensor, tf.Tensor];
    const h = this.norm.forward(tf.add(x, this.dense.forward(attention(...of, { heads: HEADS, mask }))));
    return this.outputNorm.forward(tf.add(h, this.output.forward(gelu(this.intermediate.forward(h)))));
  }
}

class ClassificationHead extends Layer {
  readonly dense: Linear = new Linear(WIDTH, WIDTH);
  readonly out: Linear = new Linear(WIDTH, CLASSES);

  override forward(x: tf.Tensor): tf.Tensor {
    return this.out.forward(tf.tanh(this.dense.forward(x)));
  }
}

/** A sequence classifier: embeddings, twelve post-norm layers, a dense layer with tanh over the first token. */
class Roberta extends HostModel {
  readonly words: Embedding = new Embedding(50265, WIDTH);
  readonly positions: Embedding = new Embedding(514, WIDTH);
  readonly types: Embedding = new Embedding(1, WIDTH);
  readonly norm: LayerNorm = new LayerNorm(WIDTH, 1e-5);
  readonly layer: RobertaLayer[] = Array.from({ length: LAYERS }, () => new RobertaLayer());
  readonly classifier: Layer = new ClassificationHead();

  constructor() {
    super();
    nameModules(this);
  }

  override get headPath(): string {
    return "classifier";
  }

  override forward({ inputIds, attentionMask }: ModelInputs): ModelOutput {
    const [batch, tokens] = inputIds!.shape as [number, number];
    const places = this.positions.forward(tf.range(2, tokens + 2, 1, "int32"));
    const embedded = tf.add(tf.add(this.words.forward(inputIds!), places), this.types.weight.value());
    const mask = paddingMask(attentionMask!);
    const h = this.layer.reduce((x, layer) => layer.forward(x, mask), this.norm.forward(embedded));
    const first = tf.reshape(tf.slice(h, [0, 0, 0], [batch, 1, WIDTH]), [batch, WIDTH]);
    return { logits: this.classifier.forward(first), hiddenStates: [] };
  }

  override loss({ logits }: ModelOutput, { labels }: ModelInputs): tf.Tensor {
    return softmaxCrossEntropy(logits, labels!);
  }
}

/** Unscaled attention without biases, over the same or another sequence. */
class T5Attention extends Layer {
  readonly norm: RMSNorm = new RMSNorm(WIDTH, 1e-6);
  readonly q: Layer = new Linear(WIDTH, WIDTH, { bias: false });
  readonly k: Layer = new Linear(WIDTH, WIDTH, { bias: false });
  readonly v: Layer = new Linear(WIDTH, WIDTH, { bias: false });
  readonly o: Layer = new Linear(WIDTH, WIDTH, { bias: false });

  override forward(x: tf.Tensor, mask?: tf.Tensor, memory?: tf.Tensor): tf.Tensor {
    const normal = this.norm.forward(x);
    const from = memory ?? normal;
    const options = { heads: HEADS, scale: 1, mask };
    const y = attention(this.q.forward(normal), this.k.forward(from), this.v.forward(from), options);
    return tf.add(x, this.o.forward(y));
  }
}

class T5FeedForward extends Layer {
  readonly norm: RMSNorm = new RMSNorm(WIDTH, 1e-6);
  readonly wi: Linear = new Linear(WIDTH, INNER, { bias: false });
  readonly wo: Linear = new Linear(INNER, WIDTH, { bias: false });

  override forward(x: tf.Tensor): tf.Tensor {
    return tf.add(x, this.wo.forward(relu(this.wi.forward(this.norm.forward(x)))));
  }
}

const [BUCKETS, FARTHEST] = [32, 128];

/** The bucket of a key's distance from a query, T5's: half exact, half logarithmic; both directions in an encoder. */
function bucketOf(distance: number, both: boolean): number {
  const buckets = both ? BUCKETS / 2 : BUCKETS;
  const far = both ? Math.abs(distance) : Math.max(-distance, 0);
  const exact = buckets / 2;
  const log = exact + Math.floor((Math.log(far / exact) / Math.log(FARTHEST / exact)) * (buckets - exact));
  return (both && distance > 0 ? buckets : 0) + (far < exact ? far : Math.min(log, buckets - 1));
}

class RelativeBias extends Layer {
  readonly table: Embedding = new Embedding(BUCKETS, HEADS);

  constructor(readonly both: boolean) {
    super();
  }

  /** [1, heads, tokens, tokens] */
  override forward(x: tf.Tensor): tf.Tensor {
    const tokens = x.shape[1]!;
    const buckets = Int32Array.from({ length: tokens * tokens }, (_, i) =>
      bucketOf((i % tokens) - Math.floor(i / tokens), this.both),
    );
    const bias = this.table.forward(tf.tensor2d(buckets, [tokens, tokens], "int32"));
    return tf.expandDims(tf.transpose(bias, [2, 0, 1]), 0);
  }
}

interface T5Stack {
  readonly bias: RelativeBias;
  readonly block: { readonly self: T5Attention; readonly ffn: T5FeedForward }[];
  readonly norm: RMSNorm;
}

/** Encoder and decoder of T5 v1.0 with the tied head. */
class T5 extends HostModel {
  readonly shared: Embedding = new Embedding(32128, WIDTH);
  readonly encoder: T5Stack = {
    bias: new RelativeBias(true),
    block: Array.from({ length: LAYERS }, () => ({ self: new T5Attention(), ffn: new T5FeedForward() })),
    norm: new RMSNorm(WIDTH, 1e-6),
  };
  readonly decoder: T5Stack & { block: { cross: T5Attention }[] } = {
    bias: new RelativeBias(false),
    block: Array.from({ length: LAYERS }, () => ({
      self: new T5Attention(),
      cross: new T5Attention(),
      ffn: new T5FeedForward(),
    })),
    norm: new RMSNorm(WIDTH, 1e-6),
  };

  constructor() {
    super();
    nameModules(this);
  }

  override forward({ inputIds, attentionMask, decoderInputIds }: ModelInputs): ModelOutput {
    const padding = paddingMask(attentionMask!);
    let h = this.shared.forward(inputIds!);
    const mask = tf.add(this.encoder.bias.forward(h), padding);
    for (const { self, ffn } of this.encoder.block) h = ffn.forward(self.forward(h, mask));
    const memory = this.encoder.norm.forward(h);
    let y = this.shared.forward(decoderInputIds!);
    const seen = tf.add(this.decoder.bias.forward(y), causalMask(y.shape[1]!));
    for (const { self, cross, ffn } of this.decoder.block) {
      y = ffn.forward(cross.forward(self.forward(y, seen), padding, memory));
    }
    const scaled = tf.mul(this.decoder.norm.forward(y), WIDTH ** -0.5);
    const [batch, tokens] = decoderInputIds!.shape as [number, number];
    const rows = tf.reshape(scaled, [batch * tokens, WIDTH]);
    const logits = tf.matMul(rows as tf.Tensor2D, this.shared.weight.value() as tf.Tensor2D, false, true);
    return { logits: tf.reshape(logits, [batch, tokens, -1]), hiddenStates: [] };
  }

  override loss({ logits }: ModelOutput, { labels }: ModelInputs): tf.Tensor {
    return softmaxCrossEntropy(logits, labels!);
  }
}

const ids = (shape: [number, number], below: number): HostArray => ({
  data: Int32Array.from({ length: shape[0] * shape[1] }, (_, i) => 3 + ((i * 7919) % (below - 3))),
  shape,
  dtype: "int32",
});

/** Sequences from half the length to the whole. */
function lengths([batch, tokens]: [number, number]): HostArray {
  const data = Int32Array.from({ length: batch * tokens }, (_, i) => {
    const length = tokens / 2 + Math.floor((Math.floor(i / tokens) * tokens) / (2 * Math.max(1, batch - 1)));
    return Number(i % tokens < length);
  });
  return { data, shape: [batch, tokens], dtype: "int32" };
}

interface LanguageModel {
  readonly host: () => HostModel;
  readonly targets: string[];
  readonly batch: () => Record<string, HostArray>;
}

const MODELS: Readonly<Record<"roberta-lora-b8" | "t5-lora-b4", LanguageModel>> = {
  "roberta-lora-b8": {
    host: () => new Roberta(),
    targets: ["query", "value"],
    batch: () => ({
      inputIds: ids([8, 128], 50265),
      attentionMask: lengths([8, 128]),
      labels: { data: Int32Array.from({ length: 8 }, (_, i) => i % CLASSES), shape: [8], dtype: "int32" as const },
    }),
  },
  "t5-lora-b4": {
    host: () => new T5(),
    targets: ["q", "v"],
    batch: () => ({
      inputIds: ids([4, 256], 32128),
      attentionMask: lengths([4, 256]),
      decoderInputIds: ids([4, 64], 32128),
      labels: ids([4, 64], 32128),
    }),
  },
};

export function isLanguageModel(name: string): name is keyof typeof MODELS {
  return name in MODELS;
}

export async function serveLanguageModel(name: keyof typeof MODELS): Promise<void> {
  const { host, targets, batch } = MODELS[name];
  await serve({
    async setup() {
      const model = getPeftModel(fill(host()), new LoraConfig({ r: 8, loraAlpha: 8, targetModules: targets }));
      return { model, step: trainingStep(model, OPTIONS), inputs: batch(), steps: 0 };
    },
    estimate: ({ model, inputs }) => estimateMemory(model, inputs, OPTIONS).total,
    step: (state) => runStep(state.step, state.inputs, state.steps++),
  });
}
