// The audio spectrogram transformer (Gong et al. 2021), with the module names of Hugging Face's checkpoint files: the blocks
// of a vision transformer over overlapping patches of a spectrogram, with two tokens in front.

import * as tf from "@tensorflow/tfjs";
import { Parameter } from "../../engine/index.js";
import { PeftError } from "../../errors.js";
import { Conv2d, Dropout, type Initializer, Layer, LayerNorm, Module, nameModules, normal } from "../../nn/index.js";
import type { ModelInputs } from "../hostModel.js";
import { type SaveOptions, saveModel } from "../loading.js";
import { TokenPlace } from "../tokenPlace.js";
import { ViTLayer } from "../vit/model.js";
import { type ASTLoadingOptions, loadAST } from "./checkpoint.js";
import { type ASTConfig, gridOf, serializeASTConfig } from "./config.js";

/** Spectrograms [batch, frames, bins] to [batch, 2 + patches, D]; of the patches, those of one frequency come together. */
export class ASTEmbeddings extends Layer {
  /** [1, 1, D] */
  readonly cls_token: Parameter;
  /** [1, 1, D] */
  readonly distillation_token: Parameter;
  /** [1, 2 + patches, D] */
  readonly position_embeddings: Parameter;
  readonly patch_embeddings: { readonly projection: Layer };
  readonly dropout: Layer;
  readonly #config: ASTConfig;

  constructor(config: ASTConfig, init: Initializer) {
    super();
    const { hiddenSize, patchSize, frequencyStride, timeStride } = config;
    const [frequency, time] = gridOf(config);
    const made = (shape: readonly number[]): Parameter => new Parameter(shape, (name) => init(shape, name));
    this.#config = config;
    this.cls_token = made([1, 1, hiddenSize]);
    this.distillation_token = made([1, 1, hiddenSize]);
    this.position_embeddings = made([1, 2 + frequency * time, hiddenSize]);
    const windows = { kernel: [patchSize, patchSize], stride: [frequencyStride, timeStride] } as const;
    this.patch_embeddings = { projection: new Conv2d(1, hiddenSize, { ...windows, init }) };
    this.dropout = new Dropout(config.dropout.embeddings);
  }

  override forward(spectrograms: tf.Tensor): tf.Tensor {
    const { hiddenSize, maxLength, numMelBins } = this.#config;
    const [batch, frames, bins] = spectrograms.shape as [number, number, number];
    if (spectrograms.rank !== 3 || frames !== maxLength || bins !== numMelBins) {
      const expected = `[batch, ${maxLength}, ${numMelBins}]`;
      throw new PeftError("SHAPE_MISMATCH", `expected spectrograms of ${expected}, got [${spectrograms.shape}]`, {
        place: this.path,
        hint: "load the model with the maxLength of your spectrograms",
      });
    }
    const image = tf.reshape(tf.transpose(spectrograms, [0, 2, 1]), [batch, 1, bins, frames]);
    const map = this.patch_embeddings.projection.forward(image);
    const tokens = tf.transpose(tf.reshape(map, [batch, hiddenSize, map.shape[2]! * map.shape[3]!]), [0, 2, 1]);
    const first = [this.cls_token, this.distillation_token].map((token) =>
      tf.broadcastTo(token.value(), [batch, 1, hiddenSize]),
    );
    return this.dropout.forward(tf.add(tf.concat([...first, tokens], 1), this.position_embeddings.value()));
  }
}

export interface ASTOutput {
  /** After the final norm, [batch, 2 + patches, D]. */
  readonly lastHiddenState: tf.Tensor;
  /** The embeddings' output and each block's, [batch, 2 + patches, D]. */
  readonly hiddenStates: readonly tf.Tensor[];
}

/** The bare model, without a head. */
export class ASTModel extends Module {
  readonly embeddings: Layer;
  /** Where prompts go: behind the two tokens in front. */
  readonly prompts: TokenPlace;
  readonly encoder: { readonly layer: readonly Layer[] };
  readonly layernorm: Layer;

  /** A model with new weights. @param options.seed of the weights, @defaultValue 0 */
  constructor(
    readonly config: ASTConfig,
    { seed = 0 }: { seed?: number } = {},
  ) {
    super();
    const init = normal(config.initializerRange, seed);
    this.embeddings = new ASTEmbeddings(config, init);
    this.prompts = new TokenPlace(config.hiddenSize, 2);
    this.encoder = { layer: Array.from({ length: config.numHiddenLayers }, () => new ViTLayer(config, init)) };
    this.layernorm = new LayerNorm(config.hiddenSize, config.layerNormEps);
    nameModules(this);
  }

  /**
   * Loads a folder with `config.json` and safetensors, with or without a head, which is left out, or the prefix
   * `audio_spectrogram_transformer.`, with the names of transformers 4 or 5.
   *
   * @throws PeftError HUB_ID for a model's name on the hub, FILE_MISSING, CONFIG_INVALID, CHECKPOINT_INVALID,
   *   SAFETENSORS_INVALID; KEY_MISMATCH with `{ missing, unexpected, misshapen }`
   */
  static fromPretrained(directory: string, options: ASTLoadingOptions = {}): Promise<ASTModel> {
    return loadAST(directory, options, "", (config) => ({ model: new ASTModel(config, options), keepsHead: false }));
  }

  /** Writes `config.json` and `model.safetensors`. @throws PeftError FILE_UNWRITABLE */
  savePretrained(directory: string, options: SaveOptions = {}): Promise<void> {
    return saveModel(directory, this, serializeASTConfig(this.config, "ASTModel"), options);
  }

  override forward(spectrograms: tf.Tensor): ASTOutput {
    const hiddenStates = [this.prompts.forward(this.embeddings.forward(spectrograms))];
    for (const layer of this.encoder.layer) hiddenStates.push(layer.forward(hiddenStates.at(-1)!));
    return { lastHiddenState: this.layernorm.forward(hiddenStates.at(-1)!), hiddenStates };
  }

  /** The mean of the two tokens in front, after the final norm: [batch, D], transformers' `pooler_output`. */
  audioFeatures({ inputValues }: ModelInputs): tf.Tensor {
    return meanOfFirst(this.forward(inputValues!));
  }
}

/** [batch, D] */
export function meanOfFirst({ lastHiddenState }: ASTOutput): tf.Tensor {
  const [batch, , width] = lastHiddenState.shape as [number, number, number];
  return tf.mean(tf.slice(lastHiddenState, [0, 0, 0], [batch, 2, width]), 1);
}
