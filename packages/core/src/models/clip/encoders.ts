// CLIP's encoders as models of their own, with or without the projection to the space that they share.

import type * as tf from "@tensorflow/tfjs";
import { PeftError } from "../../errors.js";
import { type Layer, Linear, nameModules, normal } from "../../nn/index.js";
import { HostModel, type ModelArguments, type ModelInputs, type ModelOutput } from "../hostModel.js";
import { checkIds } from "../ids.js";
import { loadParameters, type OpenModel, type Translate, withModel } from "../loading.js";
import { type NameTable, prefixTable } from "../names.js";
import {
  type CLIPTextConfig,
  type CLIPVisionConfig,
  parseCLIPTextConfig,
  parseCLIPVisionConfig,
  serializeCLIPTextConfig,
  serializeCLIPVisionConfig,
} from "./config.js";
import { type CLIPOutput, CLIPTextTransformer } from "./text.js";
import { CLIPVisionTransformer } from "./vision.js";

/** How a new encoder is made. */
export interface CLIPEncoderOptions {
  /** Width that the projection goes to. @defaultValue no projection */
  projectionDim?: number;
  /** Of the weights. @defaultValue 0 */
  seed?: number;
}

export interface CLIPVisionLoadingOptions {
  /** How to resize the position table for pictures of another size. @defaultValue such pictures are an error */
  positionResize?: CLIPVisionConfig["positionResize"];
}

/** One encoder. Adapters can be trained in it; the loss is that of what its numbers are used for. */
abstract class CLIPEncoder extends HostModel {
  override get defaultTargets(): readonly string[] {
    return ["q_proj", "v_proj"];
  }

  /** @throws PeftError ARGUMENT_INVALID: an encoder alone has no task */
  override loss(): tf.Tensor {
    throw new PeftError("ARGUMENT_INVALID", "one encoder of CLIP has no loss of its own", {
      hint: "train a CLIPModel, or give the trainer a model with a loss over this one's outputs",
    });
  }

  protected static async load<M extends CLIPEncoder>(
    directory: string,
    { prefix, projection, make }: Loaded<M>,
  ): Promise<M> {
    return withModel(directory, (opened) => {
      const model = make(opened, opened.weights.tensors.get(projection)?.shape[0]);
      loadParameters(model, opened, namesOf(prefix, projection));
      model.nameOrPath = directory;
      return model;
    });
  }
}

/** What loading needs to know of an encoder. */
interface Loaded<M> {
  /** Of its names in the files of both. */
  readonly prefix: "text_model." | "vision_model.";
  /** The weight of its projection. */
  readonly projection: string;
  make(opened: OpenModel, projectionDim: number | undefined): M;
}

/** From a file's names to an encoder's. A file of both has the other's too; one of the encoder alone may lack the prefix. */
function namesOf(prefix: string, projection: string): Translate {
  return (fileName) => {
    if (fileName === projection || fileName.startsWith(prefix)) return [fileName];
    if (/^(text_model|vision_model|text_projection|visual_projection|logit_scale)\b/.test(fileName)) return [];
    return [prefix + fileName];
  };
}

/**
 * CLIP's vision encoder. Inputs: `pixelValues` [batch, channels, height, width]. The logits are the pictures' vectors in the
 * shared space, [batch, E], without a norm; without a projection the pooled ones, [batch, D].
 */
export class CLIPVisionModel extends CLIPEncoder {
  readonly vision_model: CLIPVisionTransformer;
  /** Present where the checkpoint has one. */
  readonly visual_projection?: Layer;

  /** A model with new weights. */
  constructor(
    readonly config: CLIPVisionConfig,
    { projectionDim, seed = 0 }: CLIPEncoderOptions = {},
  ) {
    super();
    const init = normal(config.initializerRange, seed);
    this.vision_model = new CLIPVisionTransformer(config, init);
    if (projectionDim) this.visual_projection = new Linear(config.hiddenSize, projectionDim, { bias: false, init });
    nameModules(this);
  }

  /**
   * Loads a folder with `config.json` and safetensors: of a `CLIPModel`, or of its vision encoder, with or without the
   * projection, which is there if the file has one.
   *
   * @throws PeftError HUB_ID for a model's name on the hub, FILE_MISSING, CONFIG_INVALID, CHECKPOINT_INVALID,
   *   SAFETENSORS_INVALID; KEY_MISMATCH with `{ missing, unexpected, misshapen }`
   */
  static fromPretrained(directory: string, options: CLIPVisionLoadingOptions = {}): Promise<CLIPVisionModel> {
    return CLIPEncoder.load(directory, {
      prefix: "vision_model.",
      projection: "visual_projection.weight",
      make: ({ config, configPath }, projectionDim) => {
        const found = parseCLIPVisionConfig(config, configPath);
        return new CLIPVisionModel({ ...found, positionResize: options.positionResize }, { projectionDim });
      },
    });
  }

  /** transformers 5 has no prefix where there is no projection. */
  override get names(): NameTable {
    return prefixTable("vision_model.", Object.keys(this.vision_model), this.visual_projection === undefined);
  }

  override configJSON(): Record<string, unknown> {
    const { visual_projection: projection } = this;
    const name = projection ? "CLIPVisionModelWithProjection" : "CLIPVisionModel";
    return { architectures: [name], ...serializeCLIPVisionConfig(this.config, widthOf(projection)) };
  }

  /** What the encoder computes, before the projection. */
  encode({ pixelValues }: ModelInputs): CLIPOutput {
    return this.vision_model.forward(pixelValues!);
  }

  /** The pictures' vectors, the logits: [batch, E], or without a projection [batch, D]. */
  imageFeatures(inputs: ModelInputs): tf.Tensor {
    return this.forward(inputs).logits;
  }

  override forward(inputs: ModelInputs): ModelOutput {
    const { pooled, hiddenStates } = this.encode(inputs);
    return { logits: this.visual_projection?.forward(pooled) ?? pooled, hiddenStates };
  }
}

/**
 * CLIP's text encoder. Inputs: `inputIds` [batch, tokens] int32; `attentionMask` [batch, tokens], 1 for a token and 0 for
 * padding, by default all ones. The logits are the texts' vectors in the shared space, [batch, E], without a norm; without a
 * projection the pooled ones, [batch, D].
 */
export class CLIPTextModel extends CLIPEncoder {
  readonly text_model: CLIPTextTransformer;
  /** Present where the checkpoint has one. */
  readonly text_projection?: Layer;

  /** A model with new weights. */
  constructor(
    readonly config: CLIPTextConfig,
    { projectionDim, seed = 0 }: CLIPEncoderOptions = {},
  ) {
    super();
    const init = normal(config.initializerRange, seed);
    this.text_model = new CLIPTextTransformer(config, init);
    if (projectionDim) this.text_projection = new Linear(config.hiddenSize, projectionDim, { bias: false, init });
    nameModules(this);
  }

  /** Loads a folder as `CLIPVisionModel` does, of the text encoder. @throws PeftError as there */
  static fromPretrained(directory: string): Promise<CLIPTextModel> {
    return CLIPEncoder.load(directory, {
      prefix: "text_model.",
      projection: "text_projection.weight",
      make: ({ config, configPath }, projectionDim) =>
        new CLIPTextModel(parseCLIPTextConfig(config, configPath), { projectionDim }),
    });
  }

  /** transformers 5 has no prefix where there is no projection. */
  override get names(): NameTable {
    return prefixTable("text_model.", Object.keys(this.text_model), this.text_projection === undefined);
  }

  override configJSON(): Record<string, unknown> {
    const { text_projection: projection } = this;
    const name = projection ? "CLIPTextModelWithProjection" : "CLIPTextModel";
    return { architectures: [name], ...serializeCLIPTextConfig(this.config, widthOf(projection)) };
  }

  override checkInputs(inputs: ModelArguments): void {
    checkIds(inputs, { inputIds: this.config.vocabSize });
  }

  /** What the encoder computes, before the projection. */
  encode(inputs: ModelInputs): CLIPOutput {
    return this.text_model.forward(inputs);
  }

  /** The texts' vectors, the logits: [batch, E], or without a projection [batch, D]. */
  textFeatures(inputs: ModelInputs): tf.Tensor {
    return this.forward(inputs).logits;
  }

  override forward(inputs: ModelInputs): ModelOutput {
    const { pooled, hiddenStates } = this.encode(inputs);
    return { logits: this.text_projection?.forward(pooled) ?? pooled, hiddenStates };
  }
}

function widthOf(projection: Layer | undefined): number | undefined {
  return (projection as Linear | undefined)?.outFeatures;
}
