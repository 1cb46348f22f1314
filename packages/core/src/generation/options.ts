// What `generate` was asked for: the model's own settings, with what the caller wants otherwise.

import { PeftError } from "../errors.js";
import type { GenerationConfig, Seq2SeqModel } from "../models/index.js";

/**
 * Settings as in `GenerationConfig`; those that are left out are the model's, and one that is given as undefined is
 * switched off.
 */
export interface GenerateOptions extends GenerationConfig {
  /** Of the numbers by which tokens are drawn. @defaultValue 0 */
  readonly seed?: number;
  /** Stops between two tokens; the call rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /**
   * Called with the newest token of each sequence as soon as it is chosen; padding where one has ended. Not for beams, whose
   * sequences are known at the end only.
   */
  readonly onTokens?: (tokens: readonly number[], step: number) => void;
}

/** Settings that are whole and fit one another. */
export interface Settings {
  readonly startTokenId: number;
  readonly padTokenId: number;
  readonly eosTokenIds: readonly number[];
  readonly forcedBosTokenId?: number;
  readonly forcedEosTokenId?: number;
  /** Tokens at most, the start token among them. */
  readonly maxLength: number;
  /** Tokens at least, the start token among them. */
  readonly minLength: number;
  readonly doSample: boolean;
  readonly temperature: number;
  readonly topK: number;
  readonly topP: number;
  readonly numBeams: number;
  readonly lengthPenalty: number;
  readonly earlyStopping: boolean | "never";
  readonly noRepeatNgramSize: number;
  readonly repetitionPenalty: number;
}

/** New tokens where nothing is said, as in transformers. */
const DEFAULT_NEW_TOKENS = 20;
/** transformers' number of tokens to draw from. */
const DEFAULT_TOP_K = 50;

/** @throws PeftError ARGUMENT_INVALID naming the setting */
export function settingsOf(host: Seq2SeqModel, options: GenerateOptions): Settings {
  const given = host.generationConfig;
  const all: GenerationConfig = { ...given, ...options };
  const settings: Settings = {
    startTokenId: all.decoderStartTokenId ?? all.bosTokenId ?? host.tokens.decoderStartTokenId,
    padTokenId: all.padTokenId ?? host.tokens.padTokenId,
    eosTokenIds: all.eosTokenIds ?? [],
    forcedBosTokenId: all.forcedBosTokenId,
    forcedEosTokenId: all.forcedEosTokenId,
    maxLength: lengthOf(options.maxNewTokens, options.maxLength) ?? defaultLength(host),
    minLength: lengthOf(options.minNewTokens, options.minLength) ?? lengthOf(given.minNewTokens, given.minLength) ?? 0,
    doSample: all.doSample ?? false,
    temperature: all.temperature ?? 1,
    topK: all.topK ?? DEFAULT_TOP_K,
    topP: all.topP ?? 1,
    numBeams: all.numBeams ?? 1,
    lengthPenalty: all.lengthPenalty ?? 1,
    earlyStopping: all.earlyStopping ?? false,
    noRepeatNgramSize: all.noRepeatNgramSize ?? 0,
    repetitionPenalty: all.repetitionPenalty ?? 1,
  };
  const fail = faultOf(settings, host, options.onTokens !== undefined);
  if (fail) throw new PeftError("ARGUMENT_INVALID", `generate: ${fail}`);
  return settings;
}

/** The start token is one of the length. */
function lengthOf(newTokens: number | undefined, length: number | undefined): number | undefined {
  return newTokens === undefined ? length : newTokens + 1;
}

function defaultLength({ generationConfig, maxPositions = Number.POSITIVE_INFINITY }: Seq2SeqModel): number {
  const { maxNewTokens, maxLength } = generationConfig;
  return Math.min(lengthOf(maxNewTokens, maxLength) ?? DEFAULT_NEW_TOKENS + 1, maxPositions);
}

function faultOf(s: Settings, { maxPositions, tokens }: Seq2SeqModel, streams: boolean): string | undefined {
  const isWhole = (x: number, least: number): boolean => Number.isInteger(x) && x >= least;
  const { startTokenId: decoderStartTokenId, padTokenId, forcedBosTokenId, forcedEosTokenId } = s;
  for (const [name, id = 0] of Object.entries({
    decoderStartTokenId,
    padTokenId,
    forcedBosTokenId,
    forcedEosTokenId,
  })) {
    if (!(isWhole(id, 0) && id < tokens.vocabSize)) return `${name} ${id} is none of the ${tokens.vocabSize} tokens`;
  }
  if (!isWhole(s.maxLength, 2)) return `a greatest length of ${s.maxLength} leaves no room for a token`;
  if (maxPositions !== undefined && s.maxLength > maxPositions) {
    return `the model numbers ${maxPositions} tokens, and maxLength is ${s.maxLength}`;
  }
  if (!isWhole(s.numBeams, 1)) return `numBeams ${s.numBeams} is not 1 or more`;
  // Files that do not draw hold numbers with which nothing could be drawn.
  if (s.doSample && !(s.temperature > 0)) return `temperature ${s.temperature} is not above 0`;
  if (s.doSample && !(s.topP > 0 && s.topP <= 1)) return `topP ${s.topP} is not in (0, 1]`;
  if (s.doSample && !isWhole(s.topK, 0)) return `topK ${s.topK} is not 0 or more`;
  if (!(s.repetitionPenalty > 0)) return `repetitionPenalty ${s.repetitionPenalty} is not above 0`;
  if (!isWhole(s.noRepeatNgramSize, 0)) return `noRepeatNgramSize ${s.noRepeatNgramSize} is not 0 or more`;
  if (s.numBeams > 1 && s.doSample) return "beams follow the likeliest tokens, they do not draw (numBeams, doSample)";
  if (s.numBeams > 1 && streams) return "beams have no tokens to show before the end (numBeams, onTokens)";
  return undefined;
}
