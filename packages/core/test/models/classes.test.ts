import { expect, it } from "vitest";
import {
  parseASTConfig,
  parseBartConfig,
  parseBertConfig,
  parseRobertaConfig,
  parseSwinConfig,
  parseViTConfig,
} from "../../src/index.js";

it.each([
  ["BERT", parseBertConfig, 2],
  ["RoBERTa", parseRobertaConfig, 2],
  ["BART", parseBartConfig, 3],
  ["ViT", parseViTConfig, 2],
  ["Swin", parseSwinConfig, 2],
  ["AST", parseASTConfig, 2],
] as const)(
  "%s's config names the classes, or counts them, or has as many as transformers takes",
  (_, parse, usual) => {
    const numbered = (count: number) => Array.from({ length: count }, (_, i) => `LABEL_${i}`);
    expect(parse({ id2label: { 1: "bee", 0: "ant" }, num_labels: 5 }, "test").labels).toEqual(["ant", "bee"]);
    expect(parse({ num_labels: 5 }, "test").labels).toEqual(numbered(5));
    expect(parse({ id2label: null, num_labels: 4 }, "test").labels).toEqual(numbered(4));
    expect(parse({}, "test").labels).toEqual(numbered(usual));
  },
);
