import { join } from "node:path";
import { expect, it, vi } from "vitest";
import { loadTokenizer } from "../../src/index.js";
import { FIXTURES } from "../fixtures.js";

vi.mock("@huggingface/tokenizers", () => {
  throw new Error("Cannot find package '@huggingface/tokenizers'");
});

it("loading a tokenizer says how to install @huggingface/tokenizers where it is missing", async () => {
  await expect(loadTokenizer(join(FIXTURES, "tokenizers", "roberta"))).rejects.toMatchObject({
    code: "PEER_MISSING",
    hint: "npm install @huggingface/tokenizers",
  });
});
