// Hosts and inputs of the tests of generation.

import { join } from "node:path";
import {
  BartForConditionalGeneration,
  type GenerateOptions,
  parseBartConfig,
  parseGenerationConfig,
  parseT5Config,
  T5ForConditionalGeneration,
} from "../../src/index.js";
import { type Fixture, readFixture } from "../../src/testing/index.js";
import { FIXTURES } from "../fixtures.js";
import { fillHashed } from "../models/seq2seqSupport.js";

/** What transformers' `generate` gave. */
export interface GenerationFixture {
  readonly host: string;
  readonly cases: readonly {
    /** In transformers' names. */
    readonly options: Readonly<Record<string, unknown>>;
    readonly sequences: readonly (readonly number[])[];
    readonly scores?: readonly number[];
  }[];
}

export const generationFixture = (name: string): Fixture<GenerationFixture> =>
  readFixture<GenerationFixture>(join(FIXTURES, "generation"), name);

export const optionsOf = (options: object): GenerateOptions => parseGenerationConfig(options, "the fixture");

/**
 * Up to the token that ends it. What follows differs: of beams transformers pads with the ending token where padding is
 * token 0.
 */
export function upToEnd(sequence: readonly number[], ends: readonly number[]): number[] {
  const at = sequence.findIndex((id, i) => i > 0 && ends.includes(id));
  return sequence.slice(0, at === -1 ? undefined : at + 1);
}

/** The hosts of the specification's golden values. */
export function tinyBart(): BartForConditionalGeneration {
  const stack = (side: string) => ({
    [`${side}_layers`]: 2,
    [`${side}_attention_heads`]: 2,
    [`${side}_ffn_dim`]: 16,
  });
  const json = {
    vocab_size: 24,
    d_model: 8,
    max_position_embeddings: 16,
    ...stack("encoder"),
    ...stack("decoder"),
  };
  const model = new BartForConditionalGeneration(parseBartConfig(json, "golden"));
  fillHashed(model.parameters());
  return model;
}

export const BART_SOURCE: number[][] = [
  [0, 5, 7, 9, 11, 2],
  [0, 6, 8, 2, 1, 1],
];

export function tinyT5(): T5ForConditionalGeneration {
  const json = { vocab_size: 24, d_model: 8, d_kv: 6, num_heads: 2, d_ff: 16, num_layers: 2 };
  const model = new T5ForConditionalGeneration(parseT5Config(json, "golden"));
  fillHashed(model.parameters());
  return model;
}

export const T5_SOURCE: number[][] = [
  [...Array.from({ length: 23 }, (_, i) => ((7 * i + 3) % 21) + 2), 1],
  [...Array.from({ length: 19 }, (_, i) => ((5 * i + 4) % 21) + 2), 1, 0, 0, 0, 0],
];
