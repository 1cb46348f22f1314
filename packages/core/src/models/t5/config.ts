// The configuration of a T5, as `config.json` has it: version 1.0, 1.1, and those adapted to language modelling.

import * as v from "valibot";
import { checkModelType, parseFields } from "../configFields.js";

const positive = v.pipe(v.number(), v.integer(), v.minValue(1));
const token = v.pipe(v.number(), v.integer(), v.minValue(0));
const rate = v.pipe(v.number(), v.minValue(0), v.ltValue(1));

const Schema = v.object({
  vocab_size: v.optional(positive, 32128),
  d_model: v.optional(positive, 512),
  d_kv: v.optional(positive, 64),
  d_ff: v.optional(positive, 2048),
  num_layers: v.optional(positive, 6),
  num_decoder_layers: v.nullish(positive),
  num_heads: v.optional(positive, 8),
  relative_attention_num_buckets: v.optional(v.pipe(v.number(), v.integer(), v.multipleOf(4), v.minValue(4)), 32),
  relative_attention_max_distance: v.optional(positive, 128),
  dropout_rate: v.optional(rate, 0.1),
  layer_norm_epsilon: v.optional(v.number(), 1e-6),
  initializer_factor: v.optional(v.number(), 1),
  feed_forward_proj: v.optional(v.string(), "relu"),
  tie_word_embeddings: v.nullish(v.boolean()),
  scale_decoder_outputs: v.nullish(v.boolean()),
  pad_token_id: v.nullish(token),
  eos_token_id: v.nullish(token),
  decoder_start_token_id: v.nullish(token),
});

export interface T5Config {
  /** @defaultValue 32128 */
  readonly vocabSize: number;
  /** Width of the residual stream. @defaultValue 512 */
  readonly dModel: number;
  /** Width of a head; heads times this need not be `dModel`. @defaultValue 64 */
  readonly dKv: number;
  /** Width inside the feed-forward layers. @defaultValue 2048 */
  readonly dFf: number;
  /** Blocks of the encoder. @defaultValue 6 */
  readonly numLayers: number;
  /** Blocks of the decoder. @defaultValue as many as the encoder's */
  readonly numDecoderLayers: number;
  /** @defaultValue 8 */
  readonly numHeads: number;
  /** Relative positions that are told apart, both directions together. @defaultValue 32 */
  readonly relativeAttentionNumBuckets: number;
  /** From this distance on all are one bucket. @defaultValue 128 */
  readonly relativeAttentionMaxDistance: number;
  /** Dropout in training: embeddings, attention probabilities, branches, inside the feed-forward layers. @defaultValue 0.1 */
  readonly dropoutRate: number;
  /** @defaultValue 1e-6 */
  readonly layerNormEpsilon: number;
  /** Scales new weights. @defaultValue 1 */
  readonly initializerFactor: number;
  /** An activation's name, with `gated-` before it for T5 1.1. @defaultValue "relu" */
  readonly feedForwardProj: string;
  /** Whether the head is the shared matrix; a file that has a head of its own decides. @defaultValue true */
  readonly tieWordEmbeddings: boolean;
  /** Whether the decoder's output is multiplied by dModel^-0.5 before the head: version 1.0. @defaultValue true */
  readonly scaleDecoderOutputs: boolean;
  /** @defaultValue 0 */
  readonly padTokenId: number;
  /** @defaultValue 1 */
  readonly eosTokenId: number;
  /** @defaultValue the padding's */
  readonly decoderStartTokenId: number;
}

/** Reads `config.json`'s object. @throws PeftError CONFIG_INVALID naming the field */
export function parseT5Config(json: unknown, place: string): T5Config {
  checkModelType(json, "t5", place);
  const c = parseFields(Schema, json, { what: "a T5", place });
  const padTokenId = c.pad_token_id ?? 0;
  return {
    vocabSize: c.vocab_size,
    dModel: c.d_model,
    dKv: c.d_kv,
    dFf: c.d_ff,
    numLayers: c.num_layers,
    numDecoderLayers: c.num_decoder_layers ?? c.num_layers,
    numHeads: c.num_heads,
    relativeAttentionNumBuckets: c.relative_attention_num_buckets,
    relativeAttentionMaxDistance: c.relative_attention_max_distance,
    dropoutRate: c.dropout_rate,
    layerNormEpsilon: c.layer_norm_epsilon,
    initializerFactor: c.initializer_factor,
    feedForwardProj: c.feed_forward_proj,
    // transformers 5 says of all that they are tied, and keeps what version 1.1 said in the other field.
    tieWordEmbeddings: c.tie_word_embeddings ?? true,
    scaleDecoderOutputs: c.scale_decoder_outputs ?? c.tie_word_embeddings ?? true,
    padTokenId,
    eosTokenId: c.eos_token_id ?? 1,
    decoderStartTokenId: c.decoder_start_token_id ?? padTokenId,
  };
}

/** Whether the feed-forward layers are gated, and the activation: `gated-gelu` is the tanh form, as transformers has it. */
export function feedForward({ feedForwardProj }: Pick<T5Config, "feedForwardProj">): { gated: boolean; act: string } {
  const gated = feedForwardProj.startsWith("gated-");
  const act = gated ? feedForwardProj.slice("gated-".length) : feedForwardProj;
  return { gated, act: gated && act === "gelu" ? "gelu_new" : act };
}

/** `config.json`'s object, as transformers reads it. */
export function serializeT5Config(config: T5Config): Record<string, unknown> {
  const { gated, act } = feedForward(config);
  return {
    architectures: ["T5ForConditionalGeneration"],
    model_type: "t5",
    is_encoder_decoder: true,
    vocab_size: config.vocabSize,
    d_model: config.dModel,
    d_kv: config.dKv,
    d_ff: config.dFf,
    num_layers: config.numLayers,
    num_decoder_layers: config.numDecoderLayers,
    num_heads: config.numHeads,
    relative_attention_num_buckets: config.relativeAttentionNumBuckets,
    relative_attention_max_distance: config.relativeAttentionMaxDistance,
    dropout_rate: config.dropoutRate,
    layer_norm_epsilon: config.layerNormEpsilon,
    // transformers 5 takes no whole number for this one, which JSON here cannot tell from another; it is for new weights only.
    ...(Number.isInteger(config.initializerFactor) ? {} : { initializer_factor: config.initializerFactor }),
    feed_forward_proj: config.feedForwardProj,
    dense_act_fn: act,
    is_gated_act: gated,
    tie_word_embeddings: config.tieWordEmbeddings,
    scale_decoder_outputs: config.scaleDecoderOutputs,
    pad_token_id: config.padTokenId,
    eos_token_id: config.eosTokenId,
    decoder_start_token_id: config.decoderStartTokenId,
  };
}
