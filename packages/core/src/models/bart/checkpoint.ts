// BART on disk: Hugging Face's files, with or without the prefix `model.`, with or without copies of the shared matrix.

import { PeftError } from "../../errors.js";
import type { OpenModel, Translate } from "../loading.js";
import { sharedMatrix } from "../seq2seq/index.js";
import { type BartConfig, parseBartConfig } from "./config.js";

export interface BartLoadingOptions {
  /** Rates of dropout in training. @defaultValue as the config has it */
  dropout?: Partial<BartConfig["dropout"]>;
}

/** @throws PeftError CONFIG_INVALID, ARGUMENT_INVALID for a rate that is none */
export function readBartConfig(opened: OpenModel, options: BartLoadingOptions): BartConfig {
  const config = parseBartConfig(opened.config, opened.configPath);
  const dropout = { ...config.dropout, ...options.dropout };
  for (const [place, rate] of Object.entries(dropout)) {
    if (!(rate >= 0 && rate < 1)) {
      throw new PeftError("ARGUMENT_INVALID", `dropout.${place} wants 0 <= rate < 1, got ${rate}`);
    }
  }
  return { ...config, dropout };
}

const BARE = ["shared.weight", "encoder.embed_tokens.weight", "decoder.embed_tokens.weight"];
/** The matrix of the tokens' vectors, and its further names. */
export const SHARED = "model.shared.weight";
export const COPIES: readonly string[] = ["model.encoder.embed_tokens.weight", "model.decoder.embed_tokens.weight"];
export const VOCABULARY_HEAD = "lm_head.weight";
/** A buffer that is added to the logits, zeros in all released files. */
export const LOGITS_BIAS = "final_logits_bias";
/** Before the names of a classifier's tensors. */
export const HEAD = "classification_head";

/**
 * From a file's names to the model's.
 *
 * @param left the beginning of names that are left out
 */
export function bartNames({ weights }: OpenModel, left: readonly string[] = []): Translate {
  const shared = sharedMatrix(weights, [SHARED, ...COPIES, ...BARE, VOCABULARY_HEAD], SHARED);
  return (fileName) => {
    if (left.some((beginning) => fileName.startsWith(beginning))) return [];
    const matrix = shared(fileName);
    if (matrix) return matrix;
    const isOutside = fileName.startsWith("model.") || fileName === LOGITS_BIAS || fileName.startsWith(`${HEAD}.`);
    return [isOutside ? fileName : `model.${fileName}`];
  };
}
