// Which words of a vocabulary stand for something else than text, as a checkpoint's files name them.

/** The roles of special tokens, as `<role>_token` in `tokenizer_config.json` and `special_tokens_map.json`. */
export const ROLES = ["bos", "eos", "unk", "sep", "pad", "cls", "mask"] as const;
export type Role = (typeof ROLES)[number];

export type SpecialTokens = Partial<Readonly<Record<Role, string>>>;

/** An entry of `added_tokens` in `tokenizer.json`. */
export interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly single_word: boolean;
  /** Whether it takes the blanks before it. */
  readonly lstrip: boolean;
  readonly rstrip: boolean;
  readonly normalized: boolean;
  readonly special: boolean;
}

/** The tokens that a JSON object names, each as a string or as an object with its `content`. */
export function specialTokensOf(json: unknown): SpecialTokens {
  const fields = (json ?? {}) as Readonly<Record<string, unknown>>;
  const found: Partial<Record<Role, string>> = {};
  for (const role of ROLES) {
    const given = fields[`${role}_token`];
    const content = typeof given === "object" ? (given as { content?: unknown } | null)?.content : given;
    if (typeof content === "string") found[role] = content;
  }
  return found;
}

/** The entries of the tokens that the vocabulary has, each once, by their numbers. @param takesBlank the one with `lstrip` */
export function addedTokens(
  vocabulary: ReadonlyMap<string, number>,
  tokens: SpecialTokens,
  takesBlank?: string,
): AddedToken[] {
  return [...new Set(Object.values(tokens))]
    .filter((content) => vocabulary.has(content))
    .map((content) => ({
      id: vocabulary.get(content)!,
      content,
      single_word: false,
      lstrip: content === takesBlank,
      rstrip: false,
      normalized: false,
      special: true,
    }))
    .sort((a, b) => a.id - b.id);
}
