// CLIP (Radford et al. 2021): how well texts and pictures go together.

import * as tf from "@tensorflow/tfjs";
import { Parameter } from "../../engine/index.js";
import { PeftError } from "../../errors.js";
import { type Layer, Linear, nameModules, normal } from "../../nn/index.js";
import { softmaxCrossEntropy } from "../../ops/index.js";
import { HostModel, type ModelArguments, type ModelInputs, type ModelOutput } from "../hostModel.js";
import { checkIds } from "../ids.js";
import { loadParameters, withModel } from "../loading.js";
import { type CLIPConfig, parseCLIPConfig, serializeCLIPConfig } from "./config.js";
import type { CLIPVisionLoadingOptions } from "./encoders.js";
import { CLIPTextTransformer } from "./text.js";
import { CLIPVisionTransformer } from "./vision.js";

/**
 * Both encoders. Inputs: `pixelValues` [pictures, channels, height, width]; `inputIds` [texts, tokens] int32;
 * `attentionMask` [texts, tokens], by default all ones. The logits are the similarities, [pictures, texts], whose softmax
 * over the texts is how likely each belongs to the picture. The hidden states are the vision encoder's.
 */
export class CLIPModel extends HostModel {
  readonly text_model: CLIPTextTransformer;
  readonly vision_model: CLIPVisionTransformer;
  readonly text_projection: Layer;
  readonly visual_projection: Layer;
  /** The logarithm of the similarities' factor, a scalar. */
  readonly logit_scale: Parameter;

  /** A model with new weights. @param options.seed of the weights, @defaultValue 0 */
  constructor(
    readonly config: CLIPConfig,
    { seed = 0 }: { seed?: number } = {},
  ) {
    super();
    const { text, vision, projectionDim, logitScaleInitValue } = config;
    const textInit = normal(text.initializerRange, seed);
    const visionInit = normal(vision.initializerRange, seed);
    this.text_model = new CLIPTextTransformer(text, textInit);
    this.vision_model = new CLIPVisionTransformer(vision, visionInit);
    this.text_projection = new Linear(text.hiddenSize, projectionDim, { bias: false, init: textInit });
    this.visual_projection = new Linear(vision.hiddenSize, projectionDim, { bias: false, init: visionInit });
    this.logit_scale = new Parameter([], () => Float32Array.of(logitScaleInitValue));
    nameModules(this);
  }

  /**
   * Loads a folder with `config.json` and safetensors of a `CLIPModel`.
   *
   * @throws PeftError HUB_ID for a model's name on the hub, FILE_MISSING, CONFIG_INVALID, CHECKPOINT_INVALID,
   *   SAFETENSORS_INVALID; KEY_MISMATCH with `{ missing, unexpected, misshapen }`
   */
  static async fromPretrained(directory: string, options: CLIPVisionLoadingOptions = {}): Promise<CLIPModel> {
    return withModel(directory, (opened) => {
      const found = parseCLIPConfig(opened.config, opened.configPath);
      const vision = { ...found.vision, positionResize: options.positionResize };
      const model = new CLIPModel({ ...found, vision });
      loadParameters(model, opened, (name) => [name]);
      model.nameOrPath = directory;
      return model;
    });
  }

  override configJSON(): Record<string, unknown> {
    return serializeCLIPConfig(this.config);
  }

  override get defaultTargets(): readonly string[] {
    return ["q_proj", "v_proj"];
  }

  override checkInputs(inputs: ModelArguments): void {
    checkIds(inputs, { inputIds: this.config.text.vocabSize });
  }

  /** The texts' vectors in the shared space, [texts, E], without a norm. */
  textFeatures(inputs: ModelInputs): tf.Tensor {
    return this.text_projection.forward(this.text_model.forward(inputs).pooled);
  }

  /** The pictures' vectors in the shared space, [pictures, E], without a norm. */
  imageFeatures({ pixelValues }: ModelInputs): tf.Tensor {
    return this.visual_projection.forward(this.vision_model.forward(pixelValues!).pooled);
  }

  override forward(inputs: ModelInputs): ModelOutput {
    const { pooled, hiddenStates } = this.vision_model.forward(inputs.pixelValues!);
    const pictures = unit(this.visual_projection.forward(pooled));
    const similarities = tf.matMul(pictures, unit(this.textFeatures(inputs)), false, true);
    return { logits: tf.mul(similarities, tf.exp(this.logit_scale.value())), hiddenStates };
  }

  /**
   * The mean of two cross-entropies: which text belongs to each picture, and which picture to each text, where the i-th
   * belong together.
   *
   * @throws PeftError SHAPE_MISMATCH unless there are as many texts as pictures
   */
  override loss({ logits }: ModelOutput): tf.Tensor {
    const [pictures, texts] = logits.shape as [number, number];
    if (pictures !== texts) {
      throw new PeftError("SHAPE_MISMATCH", `the loss is of pairs, and there are ${pictures} pictures, ${texts} texts`);
    }
    const own = tf.range(0, texts, 1, "int32");
    return tf.mul(tf.add(softmaxCrossEntropy(logits, own), softmaxCrossEntropy(tf.transpose(logits), own)), 0.5);
  }
}

/** Rows of length 1. */
function unit(x: tf.Tensor): tf.Tensor2D {
  return tf.div(x, tf.sqrt(tf.sum(tf.square(x), -1, true))) as tf.Tensor2D;
}
