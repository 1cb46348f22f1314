// The settings of `generate` that come with a model, in `generation_config.json` or, in older folders, in `config.json`.

import { stat } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import { env } from "../../env.js";
import { PeftError } from "../../errors.js";
import { readJson, writeJson } from "../../files/index.js";
import { onlyToken } from "../configFields.js";

const token = v.pipe(v.number(), v.integer(), v.minValue(0));
const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const tokens = v.pipe(
  v.union([token, v.array(token)]),
  v.transform((given): readonly number[] => (typeof given === "number" ? [given] : given)),
);
/** transformers writes null for what was never set. */
const optional = <S extends v.GenericSchema>(schema: S) =>
  v.pipe(
    v.nullish(schema),
    v.transform((given): v.InferOutput<S> | undefined => given ?? undefined),
  );

const Schema = v.object({
  pad_token_id: optional(token),
  bos_token_id: optional(token),
  eos_token_id: optional(tokens),
  decoder_start_token_id: optional(token),
  forced_bos_token_id: optional(token),
  /** Older than `forced_bos_token_id`, before which it goes. */
  force_bos_token_to_be_generated: optional(v.boolean()),
  forced_eos_token_id: optional(onlyToken),
  max_length: optional(count),
  max_new_tokens: optional(count),
  min_length: optional(count),
  min_new_tokens: optional(count),
  do_sample: optional(v.boolean()),
  temperature: optional(v.number()),
  top_k: optional(count),
  top_p: optional(v.number()),
  num_beams: optional(count),
  length_penalty: optional(v.number()),
  early_stopping: optional(v.union([v.boolean(), v.literal("never")])),
  no_repeat_ngram_size: optional(count),
  repetition_penalty: optional(v.number()),
});

/** Settings of transformers' that change what is generated and that this library does not have, and where they change nothing. */
const UNSUPPORTED: Readonly<Record<string, number | boolean | undefined>> = {
  bad_words_ids: undefined,
  begin_suppress_tokens: undefined,
  diversity_penalty: 0,
  encoder_no_repeat_ngram_size: 0,
  encoder_repetition_penalty: 1,
  epsilon_cutoff: 0,
  eta_cutoff: 0,
  exponential_decay_length_penalty: undefined,
  guidance_scale: 1,
  max_time: undefined,
  min_p: 0,
  num_beam_groups: 1,
  num_return_sequences: 1,
  penalty_alpha: 0,
  renormalize_logits: false,
  sequence_bias: undefined,
  stop_strings: undefined,
  suppress_tokens: undefined,
  top_h: undefined,
  typical_p: 1,
  watermarking_config: undefined,
};

/** Settings of `generate`, as transformers' `GenerationConfig` names them; undefined where nothing is said. */
export interface GenerationConfig {
  readonly padTokenId?: number;
  /** The start token where `decoderStartTokenId` is not given. */
  readonly bosTokenId?: number;
  /** The tokens that end a sequence. */
  readonly eosTokenIds?: readonly number[];
  readonly decoderStartTokenId?: number;
  /** The first token after the start token. */
  readonly forcedBosTokenId?: number;
  /** The last token of a sequence that reaches the greatest length. */
  readonly forcedEosTokenId?: number;
  /** Tokens at most, the start token among them; `maxNewTokens` goes before. */
  readonly maxLength?: number;
  /** Tokens at most, without the start token. */
  readonly maxNewTokens?: number;
  /** Tokens at least, the start token among them. */
  readonly minLength?: number;
  /** Tokens at least, without the start token. */
  readonly minNewTokens?: number;
  /** Draws tokens by their probabilities instead of taking the likeliest. */
  readonly doSample?: boolean;
  /** Divides the logits before tokens are drawn. */
  readonly temperature?: number;
  /** Draws from so many of the likeliest tokens; 0 for all. */
  readonly topK?: number;
  /** Draws from the likeliest tokens that together have this probability. */
  readonly topP?: number;
  /** Sequences that are followed at once; 1 for the likeliest token at each place. */
  readonly numBeams?: number;
  /** Exponent of the length by which a sequence's score is divided. */
  readonly lengthPenalty?: number;
  /** Whether a sample is done as soon as it has `numBeams` ended sequences, or only when no better one can come. */
  readonly earlyStopping?: boolean | "never";
  /** No sequence of so many tokens comes twice; 0 for no such rule. */
  readonly noRepeatNgramSize?: number;
  /** Divides the logits of tokens that are there already, where they are above 0, and multiplies them below. */
  readonly repetitionPenalty?: number;
}

/**
 * From the object of `generation_config.json` or `config.json`. A setting that is not supported is warned of.
 *
 * @throws PeftError CONFIG_INVALID naming the field
 */
export function parseGenerationConfig(json: unknown, place: string): GenerationConfig {
  const parsed = v.safeParse(Schema, json);
  if (!parsed.success) {
    const [issue] = parsed.issues;
    const field = issue.path?.map((part) => String(part.key)).join(".") ?? "";
    throw new PeftError("CONFIG_INVALID", `not the settings of generation: ${field}: ${issue.message}`, { place });
  }
  const c = parsed.output;
  const left = Object.entries(UNSUPPORTED).flatMap(([key, neutral]) => {
    const given = (json as Record<string, unknown>)[key] ?? neutral;
    return given === neutral ? [] : [key];
  });
  if (left.length > 0) {
    const message = `settings of generation that are not supported are left out: ${left.join(", ")} (${place})`;
    env.warn({ code: "CONFIG_UNKNOWN_KEY", message });
  }
  const config: GenerationConfig = {
    padTokenId: c.pad_token_id,
    bosTokenId: c.bos_token_id,
    eosTokenIds: c.eos_token_id,
    decoderStartTokenId: c.decoder_start_token_id,
    forcedBosTokenId: c.force_bos_token_to_be_generated ? c.bos_token_id : c.forced_bos_token_id,
    forcedEosTokenId: c.forced_eos_token_id,
    maxLength: c.max_length,
    maxNewTokens: c.max_new_tokens,
    minLength: c.min_length,
    minNewTokens: c.min_new_tokens,
    doSample: c.do_sample,
    temperature: c.temperature,
    topK: c.top_k,
    topP: c.top_p,
    numBeams: c.num_beams,
    lengthPenalty: c.length_penalty,
    earlyStopping: c.early_stopping,
    noRepeatNgramSize: c.no_repeat_ngram_size,
    repetitionPenalty: c.repetition_penalty,
  };
  return Object.fromEntries(Object.entries(config).filter(([, value]) => value !== undefined));
}

const FILE = "generation_config.json";

/**
 * A folder's settings of generation: `generation_config.json` where there is one, else what `config.json` says of them.
 *
 * @param config the object of `config.json`
 * @throws PeftError CONFIG_INVALID, JSON_INVALID
 */
export async function readGenerationConfig(folder: string, config: unknown): Promise<GenerationConfig> {
  const path = join(folder, FILE);
  const isThere = await stat(path).then(
    () => true,
    () => false,
  );
  return isThere ? parseGenerationConfig(await readJson(path), path) : parseGenerationConfig(config, folder);
}

/** Writes `generation_config.json`, as transformers reads it. @throws PeftError FILE_UNWRITABLE */
export function writeGenerationConfig(folder: string, config: GenerationConfig): Promise<void> {
  const snake = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  const { eosTokenIds, ...others } = config;
  const fields = Object.fromEntries(Object.entries(others).map(([name, value]) => [snake(name), value]));
  const eos = eosTokenIds && { eos_token_id: eosTokenIds.length === 1 ? eosTokenIds[0] : eosTokenIds };
  return writeJson(join(folder, FILE), { ...fields, ...eos });
}
