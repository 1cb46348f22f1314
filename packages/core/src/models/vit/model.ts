// The vision transformer (Dosovitskiy et al. 2021), with the module names of Hugging Face's checkpoint files.

import * as tf from "@tensorflow/tfjs";
import { checkpoint, Parameter } from "../../engine/index.js";
import { PeftError } from "../../errors.js";
import {
  activation,
  Conv2d,
  Dropout,
  type Initializer,
  Layer,
  LayerNorm,
  Linear,
  Module,
  nameModules,
  normal,
  Residual,
} from "../../nn/index.js";
import { attention } from "../../ops/index.js";
import type { ModelInputs } from "../hostModel.js";
import { loadParameters, type SaveOptions, saveModel, withModel } from "../loading.js";
import { resizePositions } from "../positions.js";
import { type PrefixPlaces, prefixPlaces, TokenPlace } from "../tokenPlace.js";
import { hasPart, readViTConfig, type ViTLoadingOptions, viTNames } from "./checkpoint.js";
import { serializeViTConfig, type ViTConfig } from "./config.js";

/** pixels [batch, channels, height, width] to [batch, 1 + patches, D]. */
export class ViTEmbeddings extends Layer {
  /** [1, 1, D] */
  readonly cls_token: Parameter;
  /** [1, 1 + patches, D] */
  readonly position_embeddings: Parameter;
  readonly patch_embeddings: { projection: Layer };
  readonly dropout: Layer;
  readonly #config: ViTConfig;

  constructor(config: ViTConfig, init: Initializer) {
    super();
    const { hiddenSize, patchSize, numChannels } = config;
    const [rows, columns] = gridOf(config);
    const positions = [1, 1 + rows * columns, hiddenSize];
    this.#config = config;
    this.cls_token = new Parameter([1, 1, hiddenSize], (name) => init([1, 1, hiddenSize], name));
    this.position_embeddings = new Parameter(positions, (name) => init(positions, name));
    this.patch_embeddings = {
      projection: new Conv2d(numChannels, hiddenSize, { kernel: patchSize, stride: patchSize[0], init }),
    };
    this.dropout = new Dropout(config.dropout.embeddings);
  }

  override forward(pixels: tf.Tensor): tf.Tensor {
    const { hiddenSize, imageSize, numChannels } = this.#config;
    const [batch, channels, height, width] = pixels.shape as [number, number, number, number];
    const resized = height !== imageSize[0] || width !== imageSize[1];
    if (pixels.rank !== 4 || channels !== numChannels || (resized && !this.#config.positionResize)) {
      const expected = `[batch, ${numChannels}, ${imageSize.join(", ")}]`;
      throw new PeftError("SHAPE_MISMATCH", `expected pixels of ${expected}, got [${pixels.shape}]`, {
        place: this.path,
        hint: "resize the pictures, or load the model with positionResize",
      });
    }
    const map = this.patch_embeddings.projection.forward(pixels);
    const [, , rows, columns] = map.shape as [number, number, number, number];
    const tokens = tf.transpose(tf.reshape(map, [batch, hiddenSize, rows * columns]), [0, 2, 1]);
    const cls = tf.broadcastTo(this.cls_token.value(), [batch, 1, hiddenSize]);
    const table = this.position_embeddings.value();
    const positions = resized
      ? resizePositions(table, gridOf(this.#config), [rows, columns], this.#config.positionResize!)
      : table;
    return this.dropout.forward(tf.add(tf.concat([cls, tokens], 1), positions));
  }
}

/** What a block is made of. */
export type ViTBlockConfig = Pick<
  ViTConfig,
  "hiddenSize" | "numAttentionHeads" | "intermediateSize" | "hiddenAct" | "layerNormEps" | "qkvBias"
> & { readonly dropout: Pick<ViTConfig["dropout"], "attention" | "mlp"> };

/** softmax(q k^T / sqrt(d)) v over all tokens. */
export class ViTSelfAttention extends Layer {
  readonly query: Layer;
  readonly key: Layer;
  readonly value: Layer;
  /** Where prefixes go. */
  readonly prefix: PrefixPlaces;
  readonly #heads: number;

  constructor(config: ViTBlockConfig, init: Initializer) {
    super();
    const { hiddenSize, qkvBias: bias } = config;
    this.#heads = config.numAttentionHeads;
    this.query = new Linear(hiddenSize, hiddenSize, { bias, init });
    this.key = new Linear(hiddenSize, hiddenSize, { bias, init });
    this.value = new Linear(hiddenSize, hiddenSize, { bias, init });
    this.prefix = prefixPlaces(hiddenSize);
  }

  override forward(x: tf.Tensor): tf.Tensor {
    const queries = this.query.forward(x);
    const keys = this.prefix.keys.forward(this.key.forward(x));
    const values = this.prefix.values.forward(this.value.forward(x));
    return attention(queries, keys, values, { heads: this.#heads });
  }
}

export class ViTAttention extends Layer {
  readonly attention: Layer;
  readonly output: { dense: Layer; dropout: Layer };

  constructor(config: ViTBlockConfig, init: Initializer) {
    super();
    this.attention = new ViTSelfAttention(config, init);
    this.output = {
      dense: new Linear(config.hiddenSize, config.hiddenSize, { init }),
      dropout: new Dropout(config.dropout.attention),
    };
  }

  override forward(x: tf.Tensor): tf.Tensor {
    return this.output.dropout.forward(this.output.dense.forward(this.attention.forward(x)));
  }
}

/** A pre-norm block: h = x + attention(norm(x)); y = h + ffn(norm(h)). */
export class ViTLayer extends Layer {
  readonly layernorm_before: Layer;
  readonly attention: Layer;
  /** The sum after attention: where adapters of the attention block are attached. */
  readonly attention_residual: Residual;
  readonly layernorm_after: Layer;
  readonly intermediate: { dense: Layer; dropout: Layer };
  readonly output: { dense: Layer; dropout: Layer };
  /** The sum after the feed-forward layers: where adapters beside or behind them are attached. */
  readonly ffn_residual: Residual;
  readonly #activation: (x: tf.Tensor) => tf.Tensor;

  constructor(config: ViTBlockConfig, init: Initializer) {
    super();
    const { hiddenSize, intermediateSize, layerNormEps, dropout } = config;
    this.layernorm_before = new LayerNorm(hiddenSize, layerNormEps);
    this.attention = new ViTAttention(config, init);
    this.attention_residual = new Residual(hiddenSize);
    this.layernorm_after = new LayerNorm(hiddenSize, layerNormEps);
    this.intermediate = {
      dense: new Linear(hiddenSize, intermediateSize, { init }),
      dropout: new Dropout(dropout.mlp),
    };
    this.output = { dense: new Linear(intermediateSize, hiddenSize, { init }), dropout: new Dropout(dropout.mlp) };
    this.ffn_residual = new Residual(hiddenSize);
    this.#activation = activation(config.hiddenAct);
  }

  override forward(x: tf.Tensor): tf.Tensor {
    const h = this.attention_residual.forward(x, this.attention.forward(this.layernorm_before.forward(x)));
    // Attention computes its probabilities again in any case, and its projections cost as much as they would spare.
    return checkpoint(() => {
      const inner = this.#activation(this.intermediate.dense.forward(this.layernorm_after.forward(h)));
      const f = this.output.dense.forward(this.intermediate.dropout.forward(inner));
      return this.ffn_residual.forward(h, this.output.dropout.forward(f));
    });
  }
}

export interface ViTOutput {
  /** After the final norm, [batch, 1 + patches, D]. */
  readonly lastHiddenState: tf.Tensor;
  /** The embeddings' output and each block's, [batch, 1 + patches, D]. */
  readonly hiddenStates: readonly tf.Tensor[];
}

/** The bare model, without a head. */
export class ViTModel extends Module {
  readonly embeddings: Layer;
  /** Where prompts go: behind the class token. */
  readonly prompts: TokenPlace;
  readonly encoder: { layer: Layer[] };
  readonly layernorm: Layer;
  /** Present where the checkpoint has one. */
  readonly pooler?: { dense: Layer };

  readonly config: ViTConfig;

  constructor(config: ViTConfig, options: { seed: number; pooler: boolean }) {
    super();
    this.config = config;
    const init = normal(config.initializerRange, options.seed);
    this.embeddings = new ViTEmbeddings(config, init);
    this.prompts = new TokenPlace(config.hiddenSize, 1);
    this.encoder = { layer: Array.from({ length: config.numHiddenLayers }, () => new ViTLayer(config, init)) };
    this.layernorm = new LayerNorm(config.hiddenSize, config.layerNormEps);
    if (options.pooler) this.pooler = { dense: new Linear(config.hiddenSize, config.hiddenSize, { init }) };
  }

  /**
   * Loads the bare model from a folder, as `ViTForImageClassification.fromPretrained` does; a head in the file is left
   * out, and the pooler is there if the file has one.
   */
  static async fromPretrained(directory: string, options: ViTLoadingOptions = {}): Promise<ViTModel> {
    return withModel(directory, (opened) => {
      const pooler = hasPart(opened, "pooler");
      const model = new ViTModel(readViTConfig(opened, options), { seed: options.seed ?? 0, pooler });
      nameModules(model);
      loadParameters(model, opened, viTNames(opened, "", ["pooler"]));
      return model;
    });
  }

  /** Writes `config.json` and `model.safetensors`. @throws PeftError FILE_UNWRITABLE */
  savePretrained(directory: string, options: SaveOptions = {}): Promise<void> {
    return saveModel(directory, this, { ...serializeViTConfig(this.config), architectures: ["ViTModel"] }, options);
  }

  override forward(pixels: tf.Tensor): ViTOutput {
    const hiddenStates = [this.prompts.forward(this.embeddings.forward(pixels))];
    for (const layer of this.encoder.layer) hiddenStates.push(layer.forward(hiddenStates.at(-1)!));
    return { lastHiddenState: this.layernorm.forward(hiddenStates.at(-1)!), hiddenStates };
  }

  /** The class token after the final norm: [batch, D]. */
  imageFeatures({ pixelValues }: ModelInputs): tf.Tensor {
    return classToken(this.forward(pixelValues!));
  }

  /** tanh of a dense layer over the class token: [batch, D]. @throws PeftError KEY_MISMATCH where there is no pooler */
  pool(output: ViTOutput): tf.Tensor {
    if (!this.pooler) throw new PeftError("KEY_MISMATCH", "the checkpoint of this model has no pooler");
    return tf.tanh(this.pooler.dense.forward(classToken(output)));
  }
}

/** [batch, D] */
export function classToken({ lastHiddenState }: ViTOutput): tf.Tensor {
  const [batch, , width] = lastHiddenState.shape as [number, number, number];
  return tf.reshape(tf.slice(lastHiddenState, [0, 0, 0], [batch, 1, width]), [batch, width]);
}

function gridOf({ imageSize, patchSize }: ViTConfig): [rows: number, columns: number] {
  return [Math.floor(imageSize[0] / patchSize[0]), Math.floor(imageSize[1] / patchSize[1])];
}
