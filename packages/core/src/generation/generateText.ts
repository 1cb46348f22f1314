// Texts from texts, in one call.

import type { HostModel } from "../models/index.js";
import type { Tokenizer } from "../tokenizers/index.js";
import { generate } from "./generate.js";
import type { GenerateOptions } from "./options.js";

export interface GenerateTextOptions extends GenerateOptions {
  /** The checkpoint's, from `loadTokenizer`. Texts longer than it says are cut. */
  readonly tokenizer: Tokenizer;
  /**
   * Called with what each text has become longer by, as soon as whole characters are known; together the pieces are the result.
   * Not for beams, whose texts are known at the end only.
   */
  readonly onText?: (pieces: readonly string[]) => void;
}

/**
 * A text for each text, such as a translation or a summary.
 *
 * @param model an encoder-decoder host, or a `PeftModel` over one
 * @throws PeftError ARGUMENT_INVALID for no texts, another model, or settings that do not fit; the reason of `signal`
 */
export async function generateText(
  model: HostModel,
  texts: readonly string[],
  { tokenizer, onText, ...options }: GenerateTextOptions,
): Promise<string[]> {
  const growing = texts.map(() => new GrowingText(tokenizer));
  const tell = (pieces: readonly string[]): void => {
    if (pieces.some((piece) => piece !== "")) onText?.(pieces);
  };
  const onTokens = (tokens: readonly number[], step: number): void => {
    options.onTokens?.(tokens, step);
    tell(growing.map((text, row) => text.add(tokens[row]!)));
  };
  const { sequences } = await generate(model, tokenizer.encode(texts), { ...options, ...(onText && { onTokens }) });
  const results = sequences.map((tokens) => tokenizer.decode(tokens));
  tell(growing.map((text, row) => text.rest(results[row]!)));
  return results;
}

/** What has been told of a text whose tokens come one after another. */
class GrowingText {
  readonly #tokenizer: Tokenizer;
  readonly #tokens: number[] = [];
  #told = "";

  constructor(tokenizer: Tokenizer) {
    this.#tokenizer = tokenizer;
  }

  add(token: number): string {
    this.#tokens.push(token);
    const text = this.#tokenizer.decode(this.#tokens);
    // The bytes of one character may be several tokens: until the last has come, it is a replacement character.
    return text.endsWith("\uFFFD") ? "" : this.rest(text);
  }

  rest(text: string): string {
    if (!text.startsWith(this.#told)) return "";
    const piece = text.slice(this.#told.length);
    this.#told = text;
    return piece;
  }
}
