// The configuration of BERT and RoBERTa, as `config.json` has it. The two differ in what a field is where it is missing.

import * as v from "valibot";
import { PeftError } from "../../errors.js";
import { checkModelType, LABEL_FIELDS, labelsOf, labelsToJSON, parseFields } from "../configFields.js";
import { PROBLEM_TYPES, type ProblemType } from "../sequenceLoss.js";

export type TextModelType = "bert" | "roberta";

export interface TextConfig {
  readonly modelType: TextModelType;
  readonly vocabSize: number;
  /** H. @defaultValue 768 */
  readonly hiddenSize: number;
  /** @defaultValue 12 */
  readonly numHiddenLayers: number;
  /** @defaultValue 12 */
  readonly numAttentionHeads: number;
  /** The width inside the feed-forward layers. @defaultValue 3072 */
  readonly intermediateSize: number;
  /** @defaultValue "gelu", the exact one */
  readonly hiddenAct: string;
  /** Rates of dropout in training: after dense layers and embeddings, on attention's probabilities, before the classifier. */
  readonly dropout: { readonly hidden: number; readonly attention: number; readonly classifier: number };
  /** Rows of the position table. RoBERTa's first rows, up to that of padding, stand for no place. @defaultValue 512 */
  readonly maxPositionEmbeddings: number;
  /** @defaultValue 2 */
  readonly typeVocabSize: number;
  /** Standard deviation of new weights. @defaultValue 0.02 */
  readonly initializerRange: number;
  /** @defaultValue 1e-12; RoBERTa's checkpoints say 1e-5 */
  readonly layerNormEps: number;
  /** @defaultValue 0; RoBERTa's 1 */
  readonly padTokenId: number;
  /** Class names in the order of the logits. */
  readonly labels: readonly string[];
  /** @defaultValue told by the number of classes and the type of the labels */
  readonly problemType?: ProblemType;
}

const positive = v.pipe(v.number(), v.integer(), v.minValue(1));
const index = v.pipe(v.number(), v.integer(), v.minValue(0));
const rate = v.pipe(v.number(), v.minValue(0), v.maxValue(1));

/** Of transformers' config classes. */
const DEFAULTS = { bert: { vocabSize: 30522, pad: 0 }, roberta: { vocabSize: 50265, pad: 1 } } as const;

function schema(type: TextModelType) {
  return v.object({
    vocab_size: v.optional(positive, DEFAULTS[type].vocabSize),
    hidden_size: v.optional(positive, 768),
    num_hidden_layers: v.optional(positive, 12),
    num_attention_heads: v.optional(positive, 12),
    intermediate_size: v.optional(positive, 3072),
    hidden_act: v.optional(v.string(), "gelu"),
    hidden_dropout_prob: v.optional(rate, 0.1),
    attention_probs_dropout_prob: v.optional(rate, 0.1),
    classifier_dropout: v.nullish(rate),
    max_position_embeddings: v.optional(positive, 512),
    type_vocab_size: v.optional(positive, 2),
    initializer_range: v.optional(v.number(), 0.02),
    layer_norm_eps: v.optional(v.number(), 1e-12),
    pad_token_id: v.optional(index, DEFAULTS[type].pad),
    ...LABEL_FIELDS,
    problem_type: v.nullish(v.picklist(PROBLEM_TYPES)),
    // What would compute something else.
    position_embedding_type: v.optional(v.literal("absolute"), "absolute"),
    is_decoder: v.optional(v.literal(false), false),
    tie_word_embeddings: v.optional(v.literal(true), true),
  });
}

/** Reads `config.json`'s object. @throws PeftError CONFIG_INVALID naming the field, or the model that it is of */
export function parseTextConfig(json: unknown, type: TextModelType, place: string): TextConfig {
  checkModelType(json, type, place);
  const c = parseFields(schema(type), json, { what: type, place });
  if (c.hidden_size % c.num_attention_heads !== 0) {
    const message = `hidden_size ${c.hidden_size} is no multiple of num_attention_heads ${c.num_attention_heads}`;
    throw new PeftError("CONFIG_INVALID", message, { place });
  }
  return {
    modelType: type,
    vocabSize: c.vocab_size,
    hiddenSize: c.hidden_size,
    numHiddenLayers: c.num_hidden_layers,
    numAttentionHeads: c.num_attention_heads,
    intermediateSize: c.intermediate_size,
    hiddenAct: c.hidden_act,
    dropout: {
      hidden: c.hidden_dropout_prob,
      attention: c.attention_probs_dropout_prob,
      classifier: c.classifier_dropout ?? c.hidden_dropout_prob,
    },
    maxPositionEmbeddings: c.max_position_embeddings,
    typeVocabSize: c.type_vocab_size,
    initializerRange: c.initializer_range,
    layerNormEps: c.layer_norm_eps,
    padTokenId: c.pad_token_id,
    labels: labelsOf(c),
    ...(c.problem_type && { problemType: c.problem_type }),
  };
}

/** `config.json`'s object, as transformers reads it. @param architecture the class that is written, such as BertForMaskedLM */
export function serializeTextConfig(config: TextConfig, architecture: string): Record<string, unknown> {
  const { dropout } = config;
  return {
    architectures: [architecture],
    model_type: config.modelType,
    vocab_size: config.vocabSize,
    hidden_size: config.hiddenSize,
    num_hidden_layers: config.numHiddenLayers,
    num_attention_heads: config.numAttentionHeads,
    intermediate_size: config.intermediateSize,
    hidden_act: config.hiddenAct,
    hidden_dropout_prob: dropout.hidden,
    attention_probs_dropout_prob: dropout.attention,
    classifier_dropout: dropout.classifier === dropout.hidden ? null : dropout.classifier,
    max_position_embeddings: config.maxPositionEmbeddings,
    type_vocab_size: config.typeVocabSize,
    initializer_range: config.initializerRange,
    layer_norm_eps: config.layerNormEps,
    pad_token_id: config.padTokenId,
    ...labelsToJSON(config.labels),
    ...(config.problemType && { problem_type: config.problemType }),
  };
}

/** Reads the `config.json` of a BERT. @throws PeftError CONFIG_INVALID */
export function parseBertConfig(json: unknown, place: string): TextConfig {
  return parseTextConfig(json, "bert", place);
}

/** Reads the `config.json` of a RoBERTa. @throws PeftError CONFIG_INVALID */
export function parseRobertaConfig(json: unknown, place: string): TextConfig {
  return parseTextConfig(json, "roberta", place);
}
