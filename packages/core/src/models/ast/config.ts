// The configuration of an audio spectrogram transformer, as `config.json` has it.

import * as v from "valibot";
import { PeftError } from "../../errors.js";
import { checkModelType, LABEL_FIELDS, labelsOf, labelsToJSON, parseFields } from "../configFields.js";
import { PROBLEM_TYPES, type ProblemType } from "../sequenceLoss.js";

const MODEL_TYPE = "audio-spectrogram-transformer";
const positive = v.pipe(v.number(), v.integer(), v.minValue(1));
const rate = v.pipe(v.number(), v.minValue(0), v.maxValue(1));

const Schema = v.object({
  hidden_size: v.optional(positive, 768),
  num_hidden_layers: v.optional(positive, 12),
  num_attention_heads: v.optional(positive, 12),
  intermediate_size: v.optional(positive, 3072),
  hidden_act: v.optional(v.string(), "gelu"),
  hidden_dropout_prob: v.optional(rate, 0),
  initializer_range: v.optional(v.number(), 0.02),
  layer_norm_eps: v.optional(v.number(), 1e-12),
  patch_size: v.optional(positive, 16),
  qkv_bias: v.optional(v.boolean(), true),
  frequency_stride: v.optional(positive, 10),
  time_stride: v.optional(positive, 10),
  max_length: v.optional(positive, 1024),
  num_mel_bins: v.optional(positive, 128),
  ...LABEL_FIELDS,
  problem_type: v.nullish(v.picklist(PROBLEM_TYPES)),
});

export interface ASTConfig {
  /** D. @defaultValue 768 */
  readonly hiddenSize: number;
  /** @defaultValue 12 */
  readonly numHiddenLayers: number;
  /** @defaultValue 12 */
  readonly numAttentionHeads: number;
  /** The width inside the feed-forward layers. @defaultValue 3072 */
  readonly intermediateSize: number;
  /** @defaultValue "gelu", the exact one */
  readonly hiddenAct: string;
  /** Rates of dropout in training: on the embeddings' sum, on attention's output, in the feed-forward layers. */
  readonly dropout: { readonly embeddings: number; readonly attention: number; readonly mlp: number };
  /** Standard deviation of new weights. @defaultValue 0.02 */
  readonly initializerRange: number;
  /** @defaultValue 1e-12 */
  readonly layerNormEps: number;
  /** Side of a patch, in bins and frames. @defaultValue 16 */
  readonly patchSize: number;
  /** @defaultValue true */
  readonly qkvBias: boolean;
  /** From patch to patch, in bins. @defaultValue 10 */
  readonly frequencyStride: number;
  /** From patch to patch, in frames. @defaultValue 10 */
  readonly timeStride: number;
  /** Frames of a sound. @defaultValue 1024 */
  readonly maxLength: number;
  /** Bins of a frame. @defaultValue 128 */
  readonly numMelBins: number;
  /** Class names in the order of the logits. */
  readonly labels: readonly string[];
  /** @defaultValue told by the number of classes and the type of the labels */
  readonly problemType?: ProblemType;
}

/** Patches along frequency and along time. */
export type PatchGrid = readonly [frequency: number, time: number];

export function gridOf({ numMelBins, maxLength, patchSize, frequencyStride, timeStride }: ASTConfig): PatchGrid {
  return [
    Math.floor((numMelBins - patchSize) / frequencyStride) + 1,
    Math.floor((maxLength - patchSize) / timeStride) + 1,
  ];
}

/** Reads `config.json`'s object. @throws PeftError CONFIG_INVALID naming the field */
export function parseASTConfig(json: unknown, place: string): ASTConfig {
  checkModelType(json, MODEL_TYPE, place);
  const c = parseFields(Schema, json, { what: "an audio spectrogram transformer", place });
  if (c.hidden_size % c.num_attention_heads !== 0) {
    const message = `hidden_size ${c.hidden_size} is no multiple of num_attention_heads ${c.num_attention_heads}`;
    throw new PeftError("CONFIG_INVALID", message, { place });
  }
  const dropout = c.hidden_dropout_prob;
  return {
    hiddenSize: c.hidden_size,
    numHiddenLayers: c.num_hidden_layers,
    numAttentionHeads: c.num_attention_heads,
    intermediateSize: c.intermediate_size,
    hiddenAct: c.hidden_act,
    dropout: { embeddings: dropout, attention: dropout, mlp: dropout },
    initializerRange: c.initializer_range,
    layerNormEps: c.layer_norm_eps,
    patchSize: c.patch_size,
    qkvBias: c.qkv_bias,
    frequencyStride: c.frequency_stride,
    timeStride: c.time_stride,
    maxLength: c.max_length,
    numMelBins: c.num_mel_bins,
    labels: labelsOf(c),
    ...(c.problem_type && { problemType: c.problem_type }),
  };
}

/** `config.json`'s object, as transformers reads it. @param architecture the class that is written */
export function serializeASTConfig(config: ASTConfig, architecture: string): Record<string, unknown> {
  return {
    architectures: [architecture],
    model_type: MODEL_TYPE,
    hidden_size: config.hiddenSize,
    num_hidden_layers: config.numHiddenLayers,
    num_attention_heads: config.numAttentionHeads,
    intermediate_size: config.intermediateSize,
    hidden_act: config.hiddenAct,
    hidden_dropout_prob: config.dropout.mlp,
    attention_probs_dropout_prob: 0,
    initializer_range: config.initializerRange,
    layer_norm_eps: config.layerNormEps,
    patch_size: config.patchSize,
    qkv_bias: config.qkvBias,
    frequency_stride: config.frequencyStride,
    time_stride: config.timeStride,
    max_length: config.maxLength,
    num_mel_bins: config.numMelBins,
    ...labelsToJSON(config.labels),
    ...(config.problemType && { problem_type: config.problemType }),
  };
}
