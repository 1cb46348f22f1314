import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import {
  BartForConditionalGeneration,
  generate,
  generateText,
  getPeftModel,
  LoraConfig,
  loadTokenizer,
  parseBartConfig,
  type Tokenizer,
  useEngine,
} from "../../src/index.js";
import { FIXTURES } from "../fixtures.js";
import { fillHashed } from "../models/seq2seqSupport.js";

const TEXTS = ["The small model learns.", "Die Bären aßen früh am Morgen süße Äpfel"];
let tokenizer: Tokenizer;
let model: BartForConditionalGeneration;

beforeAll(async () => {
  await useEngine("compiled", { threads: 2 });
  // The tokenizer of BART is RoBERTa's: bytes, of which several make one character.
  tokenizer = await loadTokenizer(join(FIXTURES, "tokenizers", "roberta"));
  const sizes = { d_model: 8, encoder_layers: 1, decoder_layers: 1, encoder_attention_heads: 2 };
  const heads = { decoder_attention_heads: 2, encoder_ffn_dim: 16, decoder_ffn_dim: 16 };
  const json = { ...sizes, ...heads, vocab_size: tokenizer.size, max_position_embeddings: 64 };
  model = new BartForConditionalGeneration(parseBartConfig(json, "test"));
  fillHashed(model.parameters());
});

describe("texts from texts in one call", () => {
  it("are what generate gives for the tokenizer's ids, decoded; also with an adapter and by beams", async () => {
    for (const options of [{ maxNewTokens: 9 }, { maxNewTokens: 9, numBeams: 3 }]) {
      const { sequences } = await generate(model, tokenizer.encode(TEXTS), options);
      const found = await generateText(model, TEXTS, { tokenizer, ...options });
      expect(found).toEqual(sequences.map((ids) => tokenizer.decode(ids)));
      expect(found.join("")).not.toBe("");
    }
    const adapted = getPeftModel(model, new LoraConfig({ r: 2 }));
    expect(await generateText(adapted, TEXTS, { tokenizer, maxNewTokens: 3 })).toHaveLength(2);
    await expect(generateText(model, [], { tokenizer })).rejects.toMatchObject({ code: "ARGUMENT_INVALID" });
  });

  it("come piece by piece, which together are the result", async () => {
    const pieces = TEXTS.map((): string[] => []);
    let steps = 0;
    const found = await generateText(model, TEXTS, {
      tokenizer,
      maxNewTokens: 40,
      doSample: true,
      seed: 3,
      onTokens: () => steps++,
      onText: (newest) => {
        for (const [row, piece] of newest.entries()) pieces[row]!.push(piece);
      },
    });
    expect(steps).toBe(40);
    expect(pieces.map((own) => own.join(""))).toEqual(found);
    expect(pieces[0]!.filter((piece) => piece !== "").length).toBeGreaterThan(5);
  });

  it("have no pieces where beams are followed", async () => {
    const options = { tokenizer, numBeams: 2, onText: () => {} };
    await expect(generateText(model, TEXTS, options)).rejects.toMatchObject({ code: "ARGUMENT_INVALID" });
  });
});
