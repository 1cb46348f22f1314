// The configuration of a vision transformer, as `config.json` has it.

import * as v from "valibot";
import { PeftError } from "../../errors.js";
import { checkModelType, LABEL_FIELDS, labelsOf, labelsToJSON, parseFields } from "../configFields.js";
import { PROBLEM_TYPES, type ProblemType } from "../sequenceLoss.js";

const positive = v.pipe(v.number(), v.integer(), v.minValue(1));
const size = v.pipe(
  v.union([positive, v.tuple([positive, positive])]),
  v.transform((given): [height: number, width: number] => (typeof given === "number" ? [given, given] : given)),
);
const rate = v.pipe(v.number(), v.minValue(0), v.maxValue(1));

const Schema = v.object({
  hidden_size: v.optional(positive, 768),
  num_hidden_layers: v.optional(positive, 12),
  num_attention_heads: v.optional(positive, 12),
  intermediate_size: v.optional(positive, 3072),
  hidden_act: v.optional(v.string(), "gelu"),
  hidden_dropout_prob: v.optional(rate, 0),
  attention_probs_dropout_prob: v.optional(rate, 0),
  initializer_range: v.optional(v.number(), 0.02),
  layer_norm_eps: v.optional(v.number(), 1e-12),
  image_size: v.optional(size, 224),
  patch_size: v.optional(size, 16),
  num_channels: v.optional(positive, 3),
  qkv_bias: v.optional(v.boolean(), true),
  ...LABEL_FIELDS,
  problem_type: v.nullish(v.picklist(PROBLEM_TYPES)),
});

export interface ViTConfig {
  /** D. @defaultValue 768 */
  readonly hiddenSize: number;
  /** @defaultValue 12 */
  readonly numHiddenLayers: number;
  /** @defaultValue 12 */
  readonly numAttentionHeads: number;
  /** M, the width inside the feed-forward layers. @defaultValue 3072 */
  readonly intermediateSize: number;
  /** @defaultValue "gelu", the exact one */
  readonly hiddenAct: string;
  /** Rates of dropout in training: on the embeddings' sum, on attention's output, in the feed-forward layers. */
  readonly dropout: { readonly embeddings: number; readonly attention: number; readonly mlp: number };
  /** Standard deviation of new weights. @defaultValue 0.02 */
  readonly initializerRange: number;
  /** @defaultValue 1e-12; timm's weights want 1e-6 */
  readonly layerNormEps: number;
  /** Height and width in pixels. @defaultValue [224, 224] */
  readonly imageSize: readonly [number, number];
  /** @defaultValue [16, 16] */
  readonly patchSize: readonly [number, number];
  /** @defaultValue 3 */
  readonly numChannels: number;
  /** @defaultValue true */
  readonly qkvBias: boolean;
  /** Class names in the order of the logits. */
  readonly labels: readonly string[];
  /** @defaultValue told by the number of classes and the type of the labels */
  readonly problemType?: ProblemType;
  /**
   * How the position table is resized where pictures have another size: `bicubic` as transformers does it, `bilinear` with
   * corners that meet, as the code does that these checkpoints come from, and MoSA's. Undefined makes that an error.
   */
  readonly positionResize?: "bicubic" | "bilinear";
}

/** Reads `config.json`'s object. @throws PeftError CONFIG_INVALID naming the field */
export function parseViTConfig(json: unknown, place: string): ViTConfig {
  checkModelType(json, "vit", place);
  const c = parseFields(Schema, json, { what: "a ViT", place });
  if (c.hidden_size % c.num_attention_heads !== 0) {
    const message = `hidden_size ${c.hidden_size} is no multiple of num_attention_heads ${c.num_attention_heads}`;
    throw new PeftError("CONFIG_INVALID", message, { place });
  }
  return {
    hiddenSize: c.hidden_size,
    numHiddenLayers: c.num_hidden_layers,
    numAttentionHeads: c.num_attention_heads,
    intermediateSize: c.intermediate_size,
    hiddenAct: c.hidden_act,
    dropout: {
      embeddings: c.hidden_dropout_prob,
      attention: c.hidden_dropout_prob,
      mlp: c.hidden_dropout_prob,
    },
    initializerRange: c.initializer_range,
    layerNormEps: c.layer_norm_eps,
    imageSize: c.image_size,
    patchSize: c.patch_size,
    numChannels: c.num_channels,
    qkvBias: c.qkv_bias,
    labels: labelsOf(c),
    ...(c.problem_type && { problemType: c.problem_type }),
  };
}

/** `config.json`'s object, as transformers reads it. */
export function serializeViTConfig(config: ViTConfig): Record<string, unknown> {
  const square = ([height, width]: readonly [number, number]): unknown => (height === width ? height : [height, width]);
  return {
    architectures: ["ViTForImageClassification"],
    model_type: "vit",
    hidden_size: config.hiddenSize,
    num_hidden_layers: config.numHiddenLayers,
    num_attention_heads: config.numAttentionHeads,
    intermediate_size: config.intermediateSize,
    hidden_act: config.hiddenAct,
    hidden_dropout_prob: config.dropout.mlp,
    attention_probs_dropout_prob: 0,
    initializer_range: config.initializerRange,
    layer_norm_eps: config.layerNormEps,
    image_size: square(config.imageSize),
    patch_size: square(config.patchSize),
    num_channels: config.numChannels,
    qkv_bias: config.qkvBias,
    ...labelsToJSON(config.labels),
    ...(config.problemType && { problem_type: config.problemType }),
  };
}
