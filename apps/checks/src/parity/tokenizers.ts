// Tokenizers against Python's: the ids of texts and pairs, whole and cut (fixtures/tokenizers).
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { loadTokenizer, type Tokenizer } from "@peft/core";
import { type Row, row } from "./rows.js";

interface Encoded {
  readonly input_ids: readonly number[];
  readonly token_type_ids?: readonly number[];
}

interface Facts {
  readonly singles: readonly (Encoded & { readonly text: string })[];
  readonly pairs: readonly (Encoded & { readonly texts: readonly [string, string] })[];
  readonly cut: readonly (Encoded & { readonly texts: readonly [string, string?]; readonly maxLength: number })[];
}

const NAMES = ["bert-uncased", "bert-cased", "roberta", "clip"].flatMap((name) => [name, `${name}-vocab`]);
/** Where a text is not to be cut. */
const NO_LIMIT = 10_000;

/** One row for each tokenizer and kind of texts; the error is how many texts have other ids. */
export async function tokenizers(fixtures: string): Promise<Row[]> {
  const folder = join(fixtures, "tokenizers");
  const rows: Row[] = [];
  for (const name of NAMES) {
    const facts = JSON.parse(await readFile(join(folder, `${name}.json`), "utf8")) as Facts;
    const tokenizer = await loadTokenizer(join(folder, name));
    const differ = (text: string, pair: string | undefined, maxLength: number, wanted: Encoded) =>
      idsOf(tokenizer, text, pair, maxLength) === JSON.stringify([wanted.input_ids, wanted.token_type_ids]) ? 0 : 1;
    const count = (numbers: readonly number[]) => numbers.reduce((sum, n) => sum + n, 0);
    const found = {
      texts: facts.singles.map((one) => differ(one.text, undefined, NO_LIMIT, one)),
      pairs: facts.pairs.map((one) => differ(...one.texts, NO_LIMIT, one)),
      cut: facts.cut.map((one) => differ(one.texts[0], one.texts[1], one.maxLength, one)),
    };
    for (const [what, numbers] of Object.entries(found)) {
      rows.push(row(`tokenizer ${name} / ${what}, ${numbers.length}`, "exact", count(numbers)));
    }
  }
  return rows;
}

function idsOf(tokenizer: Tokenizer, text: string, pair: string | undefined, maxLength: number): string {
  const { inputIds, tokenTypeIds } = tokenizer.example(text, { pair, maxLength });
  return JSON.stringify([[...inputIds!.data], tokenTypeIds && [...tokenTypeIds.data]]);
}
