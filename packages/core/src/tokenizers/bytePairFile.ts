// The object of a `tokenizer.json` for a folder that has `vocab.json` and `merges.txt` alone: byte-level byte pairs, as
// RoBERTa and BART have them, or as CLIP has them, where capitals go and words end in `</w>`.

import { PeftError } from "../errors.js";
import { addedTokens, type SpecialTokens } from "./specialTokens.js";

const ROBERTA: SpecialTokens = {
  bos: "<s>",
  eos: "</s>",
  unk: "<unk>",
  sep: "</s>",
  pad: "<pad>",
  cls: "<s>",
  mask: "<mask>",
};
const CLIP: SpecialTokens = {
  bos: "<|startoftext|>",
  eos: "<|endoftext|>",
  unk: "<|endoftext|>",
  pad: "<|endoftext|>",
};
/** The pieces of CLIP's texts (`clip/simple_tokenizer.py` of openai/CLIP): letters, single digits, endings, the rest. */
const CLIP_PIECES =
  "<\\|startoftext\\|>|<\\|endoftext\\|>|'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+";

/** What `tokenizer_config.json` says of these tokenizers. */
export interface BytePairFields {
  readonly add_prefix_space?: boolean;
}

/** The special tokens that such a folder means where it names none. */
export function usualTokens(vocabulary: ReadonlyMap<string, number>): SpecialTokens | undefined {
  return [CLIP, ROBERTA].find((tokens) => vocabulary.has(tokens.bos!) && vocabulary.has(tokens.eos!));
}

/**
 * @param json the object of `vocab.json`
 * @param mergesText of `merges.txt`
 * @throws PeftError CONFIG_INVALID for a vocabulary that is neither RoBERTa's nor CLIP's
 */
export function bytePairTokenizer(
  json: Readonly<Record<string, number>>,
  mergesText: string,
  fields: BytePairFields,
  named: SpecialTokens,
  place: string,
): Record<string, unknown> {
  const vocabulary = new Map(Object.entries(json));
  const usual = usualTokens(vocabulary);
  if (!usual) {
    throw new PeftError("CONFIG_INVALID", "the vocabulary is neither RoBERTa's, BART's nor CLIP's: it has no <s>", {
      place,
      hint: "save it with Python's AutoTokenizer, which writes a tokenizer.json",
    });
  }
  const tokens = { ...usual, ...named };
  const isClip = usual === CLIP;
  const prefix = fields.add_prefix_space ?? false;
  const [first, last] = isClip ? [tokens.bos!, tokens.eos!] : [tokens.cls!, tokens.sep!];
  const byteLevel = {
    type: "ByteLevel",
    add_prefix_space: isClip ? false : prefix,
    trim_offsets: true,
    use_regex: true,
  };
  return {
    // The mask stands for a word with the blank before it, as in the published files.
    added_tokens: addedTokens(vocabulary, tokens, tokens.mask),
    normalizer: isClip
      ? {
          type: "Sequence",
          normalizers: [
            { type: "NFC" },
            { type: "Replace", pattern: { Regex: "\\s+" }, content: " " },
            { type: "Lowercase" },
          ],
        }
      : null,
    pre_tokenizer: isClip
      ? {
          type: "Sequence",
          pretokenizers: [
            { type: "Split", pattern: { Regex: CLIP_PIECES }, behavior: "Removed", invert: true },
            byteLevel,
          ],
        }
      : byteLevel,
    post_processor: {
      type: "RobertaProcessing",
      sep: [last, vocabulary.get(last)],
      cls: [first, vocabulary.get(first)],
      trim_offsets: !isClip,
      add_prefix_space: prefix,
    },
    decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: "BPE",
      unk_token: isClip ? tokens.unk : null,
      continuing_subword_prefix: "",
      end_of_word_suffix: isClip ? "</w>" : "",
      fuse_unk: false,
      byte_fallback: false,
      vocab: json,
      merges: mergesOf(mergesText),
    },
  };
}

/** One pair a line, the first to be merged first; a line that begins with `#version` is a header. */
function mergesOf(text: string): [string, string][] {
  return text
    .split(/\r?\n/)
    .filter((line, i) => line !== "" && !(i === 0 && line.startsWith("#version")))
    .map((line) => line.split(" ") as [string, string]);
}
