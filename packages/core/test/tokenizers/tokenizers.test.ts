import { readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ArrayDataset } from "../../src/data/index.js";
import { loadTokenizer, SequenceLoader, type Tokenizer } from "../../src/index.js";
import { keptTokens } from "../../src/tokenizers/truncate.js";
import { FIXTURES } from "../fixtures.js";
import { newFolder } from "../models/changedFolder.js";

const FOLDER = join(FIXTURES, "tokenizers");

interface Encoded {
  readonly input_ids: readonly number[];
  readonly token_type_ids?: readonly number[];
}
interface Facts {
  readonly types: boolean;
  readonly singles: readonly (Encoded & { readonly text: string })[];
  readonly pairs: readonly (Encoded & { readonly texts: readonly [string, string] })[];
  readonly cut: readonly (Encoded & { readonly texts: readonly [string, string?]; readonly maxLength: number })[];
  readonly decoded: readonly { readonly ids: readonly number[]; readonly text: string }[];
  readonly special: Readonly<Record<string, number | null>>;
  readonly size: number;
}

const facts = (name: string): Facts => JSON.parse(readFileSync(join(FOLDER, `${name}.json`), "utf8"));
const ids = (tokenizer: Tokenizer, text: string, options: { pair?: string; maxLength?: number } = {}) => {
  const { inputIds, tokenTypeIds } = tokenizer.example(text, { maxLength: 1000, ...options });
  return { input_ids: [...inputIds!.data], ...(tokenTypeIds && { token_type_ids: [...tokenTypeIds.data] }) };
};
const of = ({ input_ids, token_type_ids }: Encoded) => ({ input_ids, ...(token_type_ids && { token_type_ids }) });

describe.each([
  "bert-uncased",
  "bert-uncased-vocab",
  "bert-cased",
  "bert-cased-vocab",
  "roberta",
  "roberta-vocab",
  "clip",
  "clip-vocab",
])("the tokenizer of %s gives what Python's gives", (name) => {
  const wanted = facts(name);

  it.each(wanted.singles.map((one) => [JSON.stringify(one.text).slice(0, 60), one] as const))(
    "for %s",
    async (_, one) => {
      expect(ids(await loadTokenizer(join(FOLDER, name)), one.text)).toEqual(of(one));
    },
  );

  it("for pairs, and for texts and pairs that are cut", async () => {
    const tokenizer = await loadTokenizer(join(FOLDER, name));
    for (const one of wanted.pairs) {
      expect(ids(tokenizer, one.texts[0], { pair: one.texts[1] }), one.texts.join("|")).toEqual(of(one));
    }
    for (const one of wanted.cut) {
      const found = ids(tokenizer, one.texts[0], { pair: one.texts[1], maxLength: one.maxLength });
      expect(found, `${one.texts.join("|")} at ${one.maxLength}`).toEqual(of(one));
    }
  });

  it("back from ids, and for special tokens and the size of the vocabulary", async () => {
    const tokenizer = await loadTokenizer(join(FOLDER, name));
    for (const { ids, text } of wanted.decoded) expect(tokenizer.decode(ids)).toBe(text);
    expect(tokenizer.size).toBe(wanted.size);
    for (const [role, id] of Object.entries(wanted.special)) {
      if (id !== null) expect(tokenizer.specialId(role as "pad"), role).toBe(id);
      else expect(() => tokenizer.specialId(role as "pad"), role).toThrow(/has no/);
    }
  });
});

describe("texts for a model", () => {
  it("are padded to one of a few lengths, with a mask, and types where the model has them", async () => {
    const tokenizer = await loadTokenizer(join(FOLDER, "bert-uncased"));
    const texts = ["The small model learns.", "a"];
    const batch = tokenizer.encode(texts, { pairs: ["Nothing is forgotten.", "b c"], lengths: [6, 30, 40] });
    const counts = texts.map((text, i) => ids(tokenizer, text, { pair: ["Nothing is forgotten.", "b c"][i]! }));
    expect(Object.keys(batch).sort()).toEqual(["attentionMask", "inputIds", "tokenTypeIds"]);
    for (const { shape, dtype } of Object.values(batch)) {
      expect({ shape, dtype }).toEqual({ shape: [2, 30], dtype: "int32" });
    }
    for (const [row, { input_ids: given }] of counts.entries()) {
      const rest = new Array(30 - given.length).fill(0);
      const at = (name: string) => [...batch[name]!.data.slice(30 * row, 30 * (row + 1))];
      expect(at("inputIds")).toEqual([...given, ...rest]);
      expect(at("attentionMask")).toEqual([...given.map(() => 1), ...rest]);
    }
    expect(Object.keys((await loadTokenizer(join(FOLDER, "roberta"))).encode("a")).sort()).toEqual([
      "attentionMask",
      "inputIds",
    ]);
  });

  it("take the least power of two, or the model's own length, where no lengths are given", async () => {
    const tokenizer = await loadTokenizer(join(FOLDER, "clip"));
    const length = (count: number, maxLength?: number) =>
      tokenizer.encode("a ".repeat(count), { maxLength }).inputIds.shape[1];
    expect([1, 6, 7, 30, 31, 62, 63, 75, 200].map((count) => length(count))).toEqual([
      8, 8, 16, 32, 64, 64, 77, 77, 77,
    ]);
    expect(length(60, 20)).toBe(20);
    expect(length(3, 5)).toBe(5);
  });

  it("go through a data loader", async () => {
    const tokenizer = await loadTokenizer(join(FOLDER, "roberta"));
    const examples = ["The small model", "learns", "and the large model stays"].map((text) => tokenizer.example(text));
    const loader = new SequenceLoader(new ArrayDataset(examples), {
      batchSize: 3,
      shuffle: false,
      padding: tokenizer.padding([8, 16]),
    });
    for await (const { inputs } of loader.batches(0)) {
      expect(Object.keys(inputs).sort()).toEqual(["attentionMask", "inputIds"]);
      expect(inputs.inputIds!.shape[0]).toBe(3);
    }
  });

  it("are cut as Hugging Face cuts: the longer text of a pair first", () => {
    const kept = (first: number, second: number, maxLength: number) =>
      keptTokens(first, second, { maxLength, special: 3 });
    expect(kept(3, 4, 13)).toEqual([3, 4]);
    expect(kept(3, 12, 13)).toEqual([3, 7]);
    expect(kept(12, 3, 13)).toEqual([7, 3]);
    expect(kept(10, 9, 12)).toEqual([5, 4]);
    expect(kept(9, 10, 12)).toEqual([4, 5]);
    expect(kept(15, 14, 12)).toEqual([4, 5]);
    expect(kept(12, 0, 12)).toEqual([9, 0]);
  });
});

describe("a T5's folder that names no special tokens", () => {
  it("has the padding, end and unknown tokens of T5's tokenizers, and no beginning", async () => {
    const folder = newFolder();
    const special = ["<pad>", "</s>", "<unk>"];
    const words = ["\u2581the", "\u2581cat", "\u2581"];
    const json = {
      added_tokens: special.map((content, id) => ({ id, content, special: true, normalized: false })),
      normalizer: null,
      pre_tokenizer: { type: "Metaspace", replacement: "\u2581", prepend_scheme: "always", split: true },
      post_processor: {
        type: "TemplateProcessing",
        single: [{ Sequence: { id: "A", type_id: 0 } }, { SpecialToken: { id: "</s>", type_id: 0 } }],
        pair: [],
        special_tokens: { "</s>": { id: "</s>", ids: [1], tokens: ["</s>"] } },
      },
      decoder: { type: "Metaspace", replacement: "\u2581", prepend_scheme: "always", split: true },
      model: { type: "Unigram", unk_id: 2, vocab: [...special, ...words].map((word, i) => [word, i < 3 ? 0 : -i]) },
    };
    await writeFile(join(folder, "tokenizer.json"), JSON.stringify(json));
    await writeFile(join(folder, "tokenizer_config.json"), JSON.stringify({ model_max_length: 512 }));
    const tokenizer = await loadTokenizer(folder);
    expect([...tokenizer.encode(["the cat"]).inputIds.data]).toEqual([3, 4, 1, 0, 0, 0, 0, 0]);
    expect([tokenizer.specialId("pad"), tokenizer.specialId("eos"), tokenizer.specialId("unk")]).toEqual([0, 1, 2]);
    expect(() => tokenizer.specialId("bos")).toThrow(/no bos token/);
  });
});

describe("what is not right with a tokenizer is an error that says what to do:", () => {
  it("a folder without one, one of SentencePiece, and a vocabulary of another kind", async () => {
    const folder = newFolder();
    await expect(loadTokenizer(folder)).rejects.toThrow(/no tokenizer/);
    await writeFile(join(folder, "spiece.model"), "");
    await expect(loadTokenizer(folder)).rejects.toThrow(/AutoTokenizer.*save_pretrained/);
    await writeFile(join(folder, "vocab.json"), '{"a": 0}');
    await writeFile(join(folder, "merges.txt"), "");
    await expect(loadTokenizer(folder)).rejects.toThrow(/neither RoBERTa/);
    await writeFile(join(folder, "vocab.txt"), "a\nb\n");
    await expect(loadTokenizer(folder)).rejects.toThrow(/unk_token/);
    await writeFile(join(folder, "tokenizer.json"), '{"model": {"type": "Strange"}}');
    await expect(loadTokenizer(folder)).rejects.toThrow(expect.objectContaining({ code: "CONFIG_INVALID" }));
    await mkdir(join(folder, "empty"));
    await expect(loadTokenizer("bert-base/uncased")).rejects.toThrow(expect.objectContaining({ code: "HUB_ID" }));
  });

  it("no room for special tokens, pairs of another count, a text longer than the lengths", async () => {
    const tokenizer = await loadTokenizer(join(FOLDER, "roberta"));
    expect(() => tokenizer.encode("a", { maxLength: 1 })).toThrow(/at least 2/);
    expect(() => tokenizer.encode(["a", "b"], { pairs: ["a"] })).toThrow(/2 texts/);
    expect(() => tokenizer.encode("The small model learns", { lengths: [4] })).toThrow(/text 0/);
  });
});
