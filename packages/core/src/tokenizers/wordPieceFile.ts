// The object of a `tokenizer.json` for a folder that has BERT's `vocab.txt` alone: one word piece a line, its number the
// line's. Text is cleaned, Chinese characters stand alone, and capitals and accents go unless the config keeps them.

import { PeftError } from "../errors.js";
import { addedTokens, type SpecialTokens } from "./specialTokens.js";

/** What `tokenizer_config.json` says of BERT's tokenizers. */
export interface WordPieceFields {
  readonly do_lower_case?: boolean;
  readonly tokenize_chinese_chars?: boolean;
  /** Null: as `do_lower_case`. */
  readonly strip_accents?: boolean | null;
}

const USUAL: SpecialTokens = { unk: "[UNK]", sep: "[SEP]", pad: "[PAD]", cls: "[CLS]", mask: "[MASK]" };
/** Longer words are unknown. */
const MAX_WORD = 100;

/**
 * @param text of `vocab.txt`
 * @throws PeftError CONFIG_INVALID for a vocabulary without the tokens that begin and end a text
 */
export function wordPieceTokenizer(
  text: string,
  fields: WordPieceFields,
  named: SpecialTokens,
  place: string,
): Record<string, unknown> {
  const tokens = { ...USUAL, ...named } as Required<Pick<SpecialTokens, "unk" | "sep" | "cls">> & SpecialTokens;
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  const vocabulary = new Map(lines.map((line, i) => [line.replace(/\r$/, ""), i]));
  for (const role of ["unk", "sep", "cls"] as const) {
    if (vocabulary.has(tokens[role])) continue;
    throw new PeftError("CONFIG_INVALID", `the vocabulary has no "${tokens[role]}", which BERT's tokenizers need`, {
      place,
      hint: `name the token in tokenizer_config.json as ${role}_token`,
    });
  }
  const special = (id: string, type: number) => ({ SpecialToken: { id, type_id: type } });
  const sequence = (id: "A" | "B", type: number) => ({ Sequence: { id, type_id: type } });
  const single = [special(tokens.cls, 0), sequence("A", 0), special(tokens.sep, 0)];
  const inTemplate = (content: string) => ({ id: content, ids: [vocabulary.get(content)!], tokens: [content] });
  return {
    added_tokens: addedTokens(vocabulary, tokens),
    normalizer: {
      type: "BertNormalizer",
      clean_text: true,
      handle_chinese_chars: fields.tokenize_chinese_chars ?? true,
      strip_accents: fields.strip_accents ?? null,
      lowercase: fields.do_lower_case ?? true,
    },
    pre_tokenizer: { type: "BertPreTokenizer" },
    post_processor: {
      type: "TemplateProcessing",
      single,
      pair: [...single, sequence("B", 1), special(tokens.sep, 1)],
      special_tokens: { [tokens.cls]: inTemplate(tokens.cls), [tokens.sep]: inTemplate(tokens.sep) },
    },
    decoder: { type: "WordPiece", prefix: "##", cleanup: true },
    model: {
      type: "WordPiece",
      unk_token: tokens.unk,
      continuing_subword_prefix: "##",
      max_input_chars_per_word: MAX_WORD,
      vocab: Object.fromEntries(vocabulary),
    },
  };
}
