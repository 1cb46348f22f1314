// T5 on disk: Hugging Face's files, with or without copies of the shared matrix, with or without a head of their own.

import type { OpenModel, Translate } from "../loading.js";
import { areEqual, sharedMatrix } from "../seq2seq/index.js";
import { parseT5Config, type T5Config } from "./config.js";

export interface T5LoadingOptions {
  /** Dropout in training. @defaultValue as the config has it, mostly 0.1 */
  dropoutRate?: number;
}

export const SHARED = "shared.weight";
export const HEAD = "lm_head.weight";
export const COPIES: readonly string[] = ["encoder.embed_tokens.weight", "decoder.embed_tokens.weight"];
/** Old files have a table that no version reads. */
const IDLE = "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight";

/**
 * The config of an opened folder. Whether the head is tied is what the file says: where it has a head, that is used, unless
 * the output is scaled for the shared matrix (version 1.0) and the head is a copy of it.
 *
 * @throws PeftError CONFIG_INVALID
 */
export function readT5Config({ config: json, configPath, weights }: OpenModel, options: T5LoadingOptions): T5Config {
  const config = parseT5Config({ ...(json as object), ...rateOf(options) }, configPath);
  if (!weights.tensors.has(HEAD)) return config;
  const shared = [SHARED, ...COPIES].find((name) => weights.tensors.has(name));
  const isCopy = config.scaleDecoderOutputs && (shared === undefined || areEqual(weights, shared, HEAD));
  return { ...config, tieWordEmbeddings: isCopy };
}

function rateOf({ dropoutRate }: T5LoadingOptions): object {
  return dropoutRate === undefined ? {} : { dropout_rate: dropoutRate };
}

/** From a file's names to the model's. */
export function t5Names({ weights }: OpenModel, { tieWordEmbeddings }: T5Config): Translate {
  const shared = sharedMatrix(weights, [SHARED, ...COPIES, ...(tieWordEmbeddings ? [HEAD] : [])], SHARED);
  return (fileName) => (fileName === IDLE ? [] : (shared(fileName) ?? [fileName]));
}
