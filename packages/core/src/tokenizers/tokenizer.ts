// A tokenizer as models here use it: texts in, padded arrays of ids out. Splitting texts into tokens is
// @huggingface/tokenizers' work; cutting, padding and what the arrays are called is done here.

import { type ArrayExample, collateArrays, type Padding } from "../data/collate.js";
import { PeftError } from "../errors.js";
import type { HostArray } from "../hostArray.js";
import type { Role, SpecialTokens } from "./specialTokens.js";
import { keptTokens } from "./truncate.js";

/** Ids of several texts, to be given to a model: `await model(tokenizer.encode(texts))`. */
export type TextBatch = {
  /** [texts, tokens] int32 */
  readonly inputIds: HostArray;
  /** [texts, tokens] int32: 1 for a token, 0 for padding. */
  readonly attentionMask: HostArray;
  /** `tokenTypeIds` [texts, tokens] int32, where the model tells the texts of a pair apart. */
  readonly [name: string]: HostArray;
};

export interface ExampleOptions {
  /** The second text of a pair. */
  readonly pair?: string;
  /** Longer texts are cut, the longer of a pair first. @defaultValue the model's, if its files name it */
  readonly maxLength?: number;
}

export interface EncodeOptions {
  /** The second texts of pairs, as many as there are texts. */
  readonly pairs?: readonly string[];
  /** Longer texts are cut, the longer of a pair first. @defaultValue the model's, if its files name it */
  readonly maxLength?: number;
  /**
   * The lengths that a batch may have: it takes the least that holds its longest text, so that a model is compiled as many
   * times and no more. @defaultValue the powers of two from 8 to `maxLength`, and that
   */
  readonly lengths?: readonly number[];
}

/** What is known of a tokenizer beside how it splits texts. */
export interface TokenizerFacts {
  readonly special: SpecialTokens;
  /** Tokens that the model takes at most; undefined where its files do not say. */
  readonly modelMaxLength: number | undefined;
  /** Whether the model is given `tokenTypeIds`. */
  readonly hasTypes: boolean;
  readonly place: string;
}

/** Tokens of one or two texts with special tokens around them. */
interface Joined {
  readonly tokens: string[];
  readonly token_type_ids?: number[];
}

/** What is used of the class `Tokenizer` of @huggingface/tokenizers. */
export interface HubTokenizer {
  readonly model: { readonly unk_token_id?: number } | null;
  readonly post_processor: {
    post_process(first: string[], second: string[] | null, addSpecialTokens: boolean): Joined;
  } | null;
  tokenize(text: string, options: { add_special_tokens: boolean }): string[];
  token_to_id(token: string): number | undefined;
  id_to_token(id: number): string | undefined;
  get_vocab(): ReadonlyMap<string, number>;
  decode(ids: number[], options: { skip_special_tokens: boolean; clean_up_tokenization_spaces: boolean }): string;
}

const SHORTEST = 8;

/** Made by `loadTokenizer`. */
export class Tokenizer {
  readonly #hub: HubTokenizer;
  readonly #facts: TokenizerFacts;

  constructor(hub: HubTokenizer, facts: TokenizerFacts) {
    this.#hub = hub;
    this.#facts = facts;
  }

  /** Tokens that the model takes at most; undefined where its files do not say. */
  get modelMaxLength(): number | undefined {
    return this.#facts.modelMaxLength;
  }

  /** How many ids there are. */
  get size(): number {
    return this.#hub.get_vocab().size;
  }

  /** The id of a token, undefined for one that is not in the vocabulary. */
  idOf(token: string): number | undefined {
    return this.#hub.token_to_id(token);
  }

  /** The token of an id, undefined for one that there is not. */
  tokenOf(id: number): string | undefined {
    return this.#hub.id_to_token(id);
  }

  /** The id of a special token, such as `mask`. @throws PeftError CONFIG_INVALID where the tokenizer has none */
  specialId(role: Role): number {
    const token = this.#facts.special[role];
    const id = token === undefined ? undefined : this.idOf(token);
    if (id !== undefined) return id;
    throw new PeftError("CONFIG_INVALID", `the tokenizer has no ${role} token`, {
      place: this.#facts.place,
      hint: `name one in tokenizer_config.json: "${role}_token"`,
    });
  }

  /**
   * The ids of texts, cut and padded.
   *
   * @throws PeftError ARGUMENT_INVALID for pairs of another count or a `maxLength` that special tokens fill; DATA_INVALID for
   *   a text that is longer than the largest of `lengths`
   */
  encode(texts: string | readonly string[], { pairs, maxLength, lengths }: EncodeOptions = {}): TextBatch {
    const list = typeof texts === "string" ? [texts] : texts;
    if (list.length === 0 || (pairs && pairs.length !== list.length)) {
      throw new PeftError("ARGUMENT_INVALID", `encode wants texts and as many pairs, got ${list.length} texts`, {
        place: pairs && `${pairs.length} pairs`,
      });
    }
    const examples = list.map((text, i) => this.example(text, { pair: pairs?.[i], maxLength }));
    const longest = Math.max(...examples.map(({ inputIds }) => inputIds!.shape[0]!));
    const usual = usualLengths(longest, maxLength ?? this.modelMaxLength);
    return collateArrays(examples, this.padding(lengths ?? usual), (i) => `text ${i}`) as TextBatch;
  }

  /**
   * The ids of one text, or a pair, without padding: `inputIds` [tokens], and `tokenTypeIds` where the model has them. For a
   * data set that a `SequenceLoader` pads with `padding(lengths)`.
   */
  example(text: string, { pair, maxLength = this.modelMaxLength }: ExampleOptions = {}): ArrayExample {
    let [first, second] = [this.#tokens(text), pair === undefined ? undefined : this.#tokens(pair)];
    if (maxLength !== undefined) {
      const special = this.#join([], second && []).tokens.length;
      if (maxLength < special) {
        throw new PeftError("ARGUMENT_INVALID", `maxLength ${maxLength} has no room for the special tokens`, {
          hint: `take at least ${special}`,
        });
      }
      const [a, b] = keptTokens(first.length, second?.length ?? 0, { maxLength, special });
      [first, second] = [first.slice(0, a), second?.slice(0, b)];
    }
    const { tokens, token_type_ids: types } = this.#join(first, second);
    const array = (data: Int32Array): HostArray => ({ data, shape: [data.length], dtype: "int32" });
    return {
      inputIds: array(Int32Array.from(tokens, (token) => this.#idOf(token)!)),
      ...(this.#facts.hasTypes && {
        tokenTypeIds: array(Int32Array.from(types ?? new Array<number>(tokens.length).fill(0))),
      }),
    };
  }

  /** How a `SequenceLoader` pads this tokenizer's examples to one of `lengths`. */
  padding(lengths: readonly number[]): Record<string, Padding> {
    return {
      inputIds: { value: this.specialId("pad"), lengths, mask: "attentionMask" },
      ...(this.#facts.hasTypes && { tokenTypeIds: { value: 0, lengths } }),
    };
  }

  /** The text of ids, without special tokens. */
  decode(ids: ArrayLike<number>): string {
    if (ids.length === 0) return "";
    return this.#hub.decode(Array.from(ids), { skip_special_tokens: true, clean_up_tokenization_spaces: false });
  }

  /** Tokens of a text; those of no id, where there is none for what is unknown, are left out. */
  #tokens(text: string): string[] {
    return this.#hub.tokenize(text, { add_special_tokens: false }).filter((token) => this.#idOf(token) !== undefined);
  }

  #idOf(token: string): number | undefined {
    return this.#hub.token_to_id(token) ?? this.#hub.model?.unk_token_id;
  }

  /** Puts the special tokens around one or two texts. */
  #join(first: string[], second: string[] | undefined): Joined {
    const processor = this.#hub.post_processor;
    return processor?.post_process(first, second ?? null, true) ?? { tokens: [...first, ...(second ?? [])] };
  }
}

/** The powers of two up to the first that holds `longest`, or up to `most`. */
function usualLengths(longest: number, most = Number.POSITIVE_INFINITY): number[] {
  const lengths: number[] = [];
  let length = SHORTEST;
  for (; length < Math.min(longest, most); length *= 2) lengths.push(length);
  return [...lengths, Math.min(length, most)];
}
