// The configuration of a BART, as `config.json` has it.

import * as v from "valibot";
import { PeftError } from "../../errors.js";
import { checkModelType, LABEL_FIELDS, labelsOf, labelsToJSON, onlyToken, parseFields } from "../configFields.js";
import { PROBLEM_TYPES, type ProblemType } from "../sequenceLoss.js";

const positive = v.pipe(v.number(), v.integer(), v.minValue(1));
const token = v.pipe(v.number(), v.integer(), v.minValue(0));
const rate = v.pipe(v.number(), v.minValue(0), v.ltValue(1));
/** Switches of BART's relatives, which compute something else. */
const never = v.optional(v.literal(false), false);

const Schema = v.object({
  vocab_size: v.optional(positive, 50265),
  max_position_embeddings: v.optional(positive, 1024),
  d_model: v.optional(positive, 1024),
  encoder_layers: v.optional(positive, 12),
  encoder_attention_heads: v.optional(positive, 16),
  encoder_ffn_dim: v.optional(positive, 4096),
  decoder_layers: v.optional(positive, 12),
  decoder_attention_heads: v.optional(positive, 16),
  decoder_ffn_dim: v.optional(positive, 4096),
  activation_function: v.optional(v.string(), "gelu"),
  dropout: v.optional(rate, 0.1),
  attention_dropout: v.optional(rate, 0),
  activation_dropout: v.optional(rate, 0),
  classifier_dropout: v.optional(rate, 0),
  classif_dropout: v.optional(rate),
  init_std: v.optional(v.number(), 0.02),
  scale_embedding: v.optional(v.boolean(), false),
  normalize_before: never,
  add_final_layer_norm: never,
  static_position_embeddings: never,
  ...LABEL_FIELDS,
  problem_type: v.nullish(v.picklist(PROBLEM_TYPES)),
  pad_token_id: v.nullish(token),
  bos_token_id: v.nullish(token),
  eos_token_id: v.nullish(token),
  decoder_start_token_id: v.nullish(token),
  forced_bos_token_id: v.nullish(token),
  forced_eos_token_id: v.nullish(onlyToken),
});

/** The size of one of the two stacks. */
export interface BartStackConfig {
  readonly layers: number;
  readonly attentionHeads: number;
  /** Width inside the feed-forward layers. */
  readonly ffnDim: number;
}

export interface BartConfig {
  /** @defaultValue 50265 */
  readonly vocabSize: number;
  /** Tokens that encoder and decoder can number. @defaultValue 1024 */
  readonly maxPositionEmbeddings: number;
  /** Width of the residual stream. @defaultValue 1024 */
  readonly dModel: number;
  /** @defaultValue 12 layers, 16 heads, 4096 */
  readonly encoder: BartStackConfig;
  /** @defaultValue 12 layers, 16 heads, 4096 */
  readonly decoder: BartStackConfig;
  /** @defaultValue "gelu", the exact one */
  readonly activationFunction: string;
  /** Rates of dropout in training: of embeddings and branches, attention probabilities, inside the feed-forward layers, the classifier. */
  readonly dropout: {
    readonly hidden: number;
    readonly attention: number;
    readonly activation: number;
    readonly classifier: number;
  };
  /** Standard deviation of new weights. @defaultValue 0.02 */
  readonly initStd: number;
  /** Whether tokens' vectors are multiplied by sqrt(dModel). @defaultValue false */
  readonly scaleEmbedding: boolean;
  /** @defaultValue 1 */
  readonly padTokenId: number;
  /** @defaultValue 0 */
  readonly bosTokenId: number;
  /** @defaultValue 2 */
  readonly eosTokenId: number;
  /** @defaultValue 2 */
  readonly decoderStartTokenId: number;
  /** The first token that is generated, where it is forced. */
  readonly forcedBosTokenId?: number;
  /** The last token of a sequence that reaches its greatest length. @defaultValue 2 */
  readonly forcedEosTokenId?: number;
  /** Class names of a classifier, in the order of the logits. @defaultValue three, LABEL_0 to LABEL_2 */
  readonly labels: readonly string[];
  /** @defaultValue told by the number of classes and the type of the labels */
  readonly problemType?: ProblemType;
}

/** Reads `config.json`'s object. @throws PeftError CONFIG_INVALID naming the field */
export function parseBartConfig(json: unknown, place: string): BartConfig {
  checkModelType(json, "bart", place);
  const c = parseFields(Schema, json, { what: "a BART", place });
  for (const [name, heads] of [
    ["encoder_attention_heads", c.encoder_attention_heads],
    ["decoder_attention_heads", c.decoder_attention_heads],
  ] as const) {
    if (c.d_model % heads !== 0) {
      throw new PeftError("CONFIG_INVALID", `d_model ${c.d_model} is no multiple of ${name} ${heads}`, { place });
    }
  }
  return {
    vocabSize: c.vocab_size,
    maxPositionEmbeddings: c.max_position_embeddings,
    dModel: c.d_model,
    encoder: { layers: c.encoder_layers, attentionHeads: c.encoder_attention_heads, ffnDim: c.encoder_ffn_dim },
    decoder: { layers: c.decoder_layers, attentionHeads: c.decoder_attention_heads, ffnDim: c.decoder_ffn_dim },
    activationFunction: c.activation_function,
    dropout: {
      hidden: c.dropout,
      attention: c.attention_dropout,
      activation: c.activation_dropout,
      classifier: c.classif_dropout ?? c.classifier_dropout,
    },
    initStd: c.init_std,
    scaleEmbedding: c.scale_embedding,
    padTokenId: c.pad_token_id ?? 1,
    bosTokenId: c.bos_token_id ?? 0,
    eosTokenId: c.eos_token_id ?? 2,
    decoderStartTokenId: c.decoder_start_token_id ?? 2,
    forcedBosTokenId: c.forced_bos_token_id ?? undefined,
    forcedEosTokenId: c.forced_eos_token_id === undefined ? 2 : (c.forced_eos_token_id ?? undefined),
    labels: labelsOf(c, 3),
    ...(c.problem_type && { problemType: c.problem_type }),
  };
}

/** `config.json`'s object, as transformers reads it. */
export function serializeBartConfig(config: BartConfig, architecture: string): Record<string, unknown> {
  return {
    architectures: [architecture],
    model_type: "bart",
    is_encoder_decoder: true,
    vocab_size: config.vocabSize,
    max_position_embeddings: config.maxPositionEmbeddings,
    d_model: config.dModel,
    encoder_layers: config.encoder.layers,
    encoder_attention_heads: config.encoder.attentionHeads,
    encoder_ffn_dim: config.encoder.ffnDim,
    decoder_layers: config.decoder.layers,
    decoder_attention_heads: config.decoder.attentionHeads,
    decoder_ffn_dim: config.decoder.ffnDim,
    activation_function: config.activationFunction,
    dropout: config.dropout.hidden,
    attention_dropout: config.dropout.attention,
    activation_dropout: config.dropout.activation,
    classifier_dropout: config.dropout.classifier,
    init_std: config.initStd,
    scale_embedding: config.scaleEmbedding,
    tie_word_embeddings: true,
    pad_token_id: config.padTokenId,
    bos_token_id: config.bosTokenId,
    eos_token_id: config.eosTokenId,
    decoder_start_token_id: config.decoderStartTokenId,
    forced_bos_token_id: config.forcedBosTokenId ?? null,
    forced_eos_token_id: config.forcedEosTokenId ?? null,
    ...labelsToJSON(config.labels),
    ...(config.problemType && { problem_type: config.problemType }),
  };
}
