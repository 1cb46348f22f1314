// The configurations of CLIP's two encoders and of both together, as `config.json` has them: those of a `CLIPModel`, or of
// one encoder alone.

import * as v from "valibot";
import { PeftError } from "../../errors.js";
import { parseFields } from "../configFields.js";

const positive = v.pipe(v.number(), v.integer(), v.minValue(1));
const rate = v.pipe(v.number(), v.minValue(0), v.maxValue(1));
const common = {
  num_hidden_layers: v.optional(positive, 12),
  hidden_act: v.optional(v.string(), "quick_gelu"),
  layer_norm_eps: v.optional(v.number(), 1e-5),
  attention_dropout: v.optional(rate, 0),
  initializer_range: v.optional(v.number(), 0.02),
};

const TextSchema = v.object({
  ...common,
  vocab_size: v.optional(positive, 49408),
  hidden_size: v.optional(positive, 512),
  intermediate_size: v.optional(positive, 2048),
  num_attention_heads: v.optional(positive, 8),
  max_position_embeddings: v.optional(positive, 77),
  eos_token_id: v.optional(v.number(), 49407),
});

const VisionSchema = v.object({
  ...common,
  hidden_size: v.optional(positive, 768),
  intermediate_size: v.optional(positive, 3072),
  num_attention_heads: v.optional(positive, 12),
  num_channels: v.optional(positive, 3),
  image_size: v.optional(positive, 224),
  patch_size: v.optional(positive, 32),
});

const JointSchema = v.object({
  projection_dim: v.optional(positive, 512),
  logit_scale_init_value: v.optional(v.number(), 2.6592),
});

/** What an encoder's blocks are made of. */
export interface CLIPEncoderConfig {
  /** D */
  readonly hiddenSize: number;
  /** The width inside the feed-forward layers. */
  readonly intermediateSize: number;
  /** @defaultValue 12 */
  readonly numHiddenLayers: number;
  readonly numAttentionHeads: number;
  /** @defaultValue "quick_gelu"; OpenCLIP's models mostly say "gelu" */
  readonly hiddenAct: string;
  /** @defaultValue 1e-5 */
  readonly layerNormEps: number;
  /** Rate of dropout of attention's probabilities in training. @defaultValue 0 */
  readonly attentionDropout: number;
  /** Standard deviation of new weights. @defaultValue 0.02 */
  readonly initializerRange: number;
}

export interface CLIPTextConfig extends CLIPEncoderConfig {
  /** @defaultValue 49408 */
  readonly vocabSize: number;
  /** @defaultValue 77 */
  readonly maxPositionEmbeddings: number;
  /** The token whose vector stands for the text. 2, as older configs have it, means the largest id. @defaultValue 49407 */
  readonly eosTokenId: number;
}

export interface CLIPVisionConfig extends CLIPEncoderConfig {
  /** @defaultValue 3 */
  readonly numChannels: number;
  /** @defaultValue 224 */
  readonly imageSize: number;
  /** @defaultValue 32 */
  readonly patchSize: number;
  /** How the position table is resized where pictures have another size; undefined makes that an error. */
  readonly positionResize?: "bicubic";
}

export interface CLIPConfig {
  readonly text: CLIPTextConfig;
  readonly vision: CLIPVisionConfig;
  /** Width of the space that both project to. @defaultValue 512 */
  readonly projectionDim: number;
  /** Logarithm of the factor of new models' similarities. @defaultValue 2.6592 */
  readonly logitScaleInitValue: number;
}

type Json = Readonly<Record<string, unknown>>;

/**
 * The part of a config that belongs to one encoder.
 *
 * @throws PeftError CONFIG_INVALID for another model's config, or one whose two copies of the part disagree
 */
function partOf(json: unknown, part: "text" | "vision", place: string): Json {
  const config = (json ?? {}) as Json;
  const type = config.model_type ?? `clip_${part}_model`;
  if (type === `clip_${part}_model`) return config;
  if (type !== "clip") {
    throw new PeftError("CONFIG_INVALID", `the folder holds a model of the type "${type}", not "clip"`, {
      place,
      hint: `load a CLIP model, or its ${part} encoder`,
    });
  }
  const own = (config[`${part}_config`] ?? {}) as Json;
  // Older files hold the part twice, and readers differ in which they take.
  const old = (config[`${part}_config_dict`] ?? {}) as Json;
  const other = Object.keys(old).find((key) => key in own && JSON.stringify(old[key]) !== JSON.stringify(own[key]));
  if (other !== undefined) {
    throw new PeftError("CONFIG_INVALID", `${part}_config and ${part}_config_dict disagree on ${other}`, {
      place,
      hint: "keep the one that the weights were trained with",
    });
  }
  return { ...old, ...own };
}

function encoderOf(
  c: v.InferOutput<typeof TextSchema> | v.InferOutput<typeof VisionSchema>,
  place: string,
): CLIPEncoderConfig {
  if (c.hidden_size % c.num_attention_heads !== 0) {
    const message = `hidden_size ${c.hidden_size} is no multiple of num_attention_heads ${c.num_attention_heads}`;
    throw new PeftError("CONFIG_INVALID", message, { place });
  }
  return {
    hiddenSize: c.hidden_size,
    intermediateSize: c.intermediate_size,
    numHiddenLayers: c.num_hidden_layers,
    numAttentionHeads: c.num_attention_heads,
    hiddenAct: c.hidden_act,
    layerNormEps: c.layer_norm_eps,
    attentionDropout: c.attention_dropout,
    initializerRange: c.initializer_range,
  };
}

/** Reads the text encoder's part of `config.json`'s object. @throws PeftError CONFIG_INVALID naming the field */
export function parseCLIPTextConfig(json: unknown, place: string): CLIPTextConfig {
  const c = parseFields(TextSchema, partOf(json, "text", place), { what: "CLIP's text encoder", place });
  return {
    ...encoderOf(c, place),
    vocabSize: c.vocab_size,
    maxPositionEmbeddings: c.max_position_embeddings,
    eosTokenId: c.eos_token_id,
  };
}

/** Reads the vision encoder's part of `config.json`'s object. @throws PeftError CONFIG_INVALID naming the field */
export function parseCLIPVisionConfig(json: unknown, place: string): CLIPVisionConfig {
  const c = parseFields(VisionSchema, partOf(json, "vision", place), { what: "CLIP's vision encoder", place });
  return {
    ...encoderOf(c, place),
    numChannels: c.num_channels,
    imageSize: c.image_size,
    patchSize: c.patch_size,
  };
}

/** Reads `config.json`'s object of both. @throws PeftError CONFIG_INVALID naming the field */
export function parseCLIPConfig(json: unknown, place: string): CLIPConfig {
  const { projection_dim, logit_scale_init_value } = parseFields(JointSchema, json, { what: "CLIP", place });
  return {
    text: parseCLIPTextConfig({ model_type: "clip", ...(json as Json | null) }, place),
    vision: parseCLIPVisionConfig({ model_type: "clip", ...(json as Json | null) }, place),
    projectionDim: projection_dim,
    logitScaleInitValue: logit_scale_init_value,
  };
}

function serializeEncoder(config: CLIPEncoderConfig): Json {
  return {
    hidden_size: config.hiddenSize,
    intermediate_size: config.intermediateSize,
    num_hidden_layers: config.numHiddenLayers,
    num_attention_heads: config.numAttentionHeads,
    hidden_act: config.hiddenAct,
    layer_norm_eps: config.layerNormEps,
    attention_dropout: config.attentionDropout,
    initializer_range: config.initializerRange,
  };
}

/** The object of `config.json`, as transformers reads it. @param projectionDim undefined without a projection */
export function serializeCLIPTextConfig(config: CLIPTextConfig, projectionDim?: number): Record<string, unknown> {
  return {
    model_type: "clip_text_model",
    ...serializeEncoder(config),
    vocab_size: config.vocabSize,
    max_position_embeddings: config.maxPositionEmbeddings,
    eos_token_id: config.eosTokenId,
    ...(projectionDim !== undefined && { projection_dim: projectionDim }),
  };
}

/** The object of `config.json`, as transformers reads it. @param projectionDim undefined without a projection */
export function serializeCLIPVisionConfig(config: CLIPVisionConfig, projectionDim?: number): Record<string, unknown> {
  return {
    model_type: "clip_vision_model",
    ...serializeEncoder(config),
    num_channels: config.numChannels,
    image_size: config.imageSize,
    patch_size: config.patchSize,
    ...(projectionDim !== undefined && { projection_dim: projectionDim }),
  };
}

/** The object of `config.json`, as transformers reads it. */
export function serializeCLIPConfig(config: CLIPConfig): Record<string, unknown> {
  return {
    architectures: ["CLIPModel"],
    model_type: "clip",
    projection_dim: config.projectionDim,
    logit_scale_init_value: config.logitScaleInitValue,
    text_config: serializeCLIPTextConfig(config.text, config.projectionDim),
    vision_config: serializeCLIPVisionConfig(config.vision, config.projectionDim),
  };
}
