// Prompt tuning (Lester et al. 2021): trained vectors before those of the words. Field for field PEFT's `PromptTuningConfig`,
// but for how the vectors start.

import * as tf from "@tensorflow/tfjs";
import * as v from "valibot";
import { compile, Parameter } from "../../engine/index.js";
import { PeftError } from "../../errors.js";
import type { HostModel } from "../../models/index.js";
import { Embedding, namedModules, normal } from "../../nn/index.js";
import {
  type AttachOptions,
  type CommonFields,
  commonEntries,
  fieldsFromJSON,
  PeftConfig,
  setFields,
} from "../config.js";
import type { Attachment } from "../method.js";
import { unwrap } from "../wrap.js";
import { attachPrompts, PROMPT_KEY } from "./attach.js";
import { promptPlace, taskOf } from "./places.js";
import { withoutSizes } from "./sizes.js";

export interface PromptTuningFields extends CommonFields {
  /** P, how many vectors are put before a text's. */
  numVirtualTokens: number;
  /**
   * The words that the vectors start as: PEFT's start "TEXT", with the ids in place of the text. Repeated where there are
   * fewer, cut where there are more. @defaultValue N(0, 1), PEFT's "RANDOM"
   */
  initTokenIds?: readonly number[];
  /**
   * Files of PEFT for encoder-decoder models say 2 and hold 2 P vectors, of which the second P are never used.
   *
   * @defaultValue 1
   */
  numTransformerSubmodules: number;
}

const count = v.pipe(v.number(), v.integer(), v.minValue(1));
const Schema = v.strictObject({
  numVirtualTokens: count,
  initTokenIds: v.optional(v.pipe(v.array(v.pipe(v.number(), v.integer(), v.minValue(0))), v.minLength(1))),
  numTransformerSubmodules: v.optional(v.picklist([1, 2]), 1),
  ...commonEntries,
});
/** What PEFT notes about how the vectors started. */
const START_KEYS = ["prompt_tuning_init", "prompt_tuning_init_text", "tokenizer_name_or_path", "tokenizer_kwargs"];

export interface PromptTuningConfig extends Readonly<PromptTuningFields> {}

/**
 * P trained vectors before a text's words, for BERT, RoBERTa, T5's and BART's encoders. They have places and are never masked;
 * logits of single tokens are those of the words alone. A classifier that reads the first token reads the first prompt, as
 * in PEFT. Of a text there is room for P tokens less.
 *
 * With transformers 5 PEFT makes no model of an encoder-decoder one; files for those are in its form all the same.
 */
export class PromptTuningConfig extends PeftConfig<PromptTuningFields> {
  static readonly peftType = "PROMPT_TUNING";
  readonly peftType = "PROMPT_TUNING";

  /** @throws PeftError CONFIG_INVALID naming the field */
  constructor(fields: Partial<PromptTuningFields> & Pick<PromptTuningFields, "numVirtualTokens">) {
    super();
    setFields(this, Schema, fields);
  }

  /** From `adapter_config.json`'s object. @throws PeftError CONFIG_INVALID */
  static fromJSON(json: unknown, place = "adapter_config.json"): PromptTuningConfig {
    const fields = fieldsFromJSON(withoutSizes(json, START_KEYS), { schema: Schema, place });
    return new PromptTuningConfig(fields as unknown as PromptTuningFields);
  }

  override attach(host: HostModel, _adapterName: string, { seed = 0 }: AttachOptions = {}): Attachment {
    const { path, place } = promptPlace(host, "words");
    const { numVirtualTokens: tokens, initTokenIds } = this;
    const rows = tokens * this.numTransformerSubmodules;
    const shape = [rows, place.width];
    const start = normal(1, seed);
    return attachPrompts(host, this, seed, () => {
      const prompts = new Parameter(shape, (name) => start(shape, name));
      if (initTokenIds) startAs(prompts, wordsOf(host, path), initTokenIds);
      const first = () => firstRows(prompts, tokens);
      return {
        tensors: new Map([[PROMPT_KEY, prompts]]),
        layers: [path],
        parts: [place.put({ count: tokens, value: first })],
        describe: () => {
          const { init_token_ids: _, ...json } = this.toJSON();
          return { ...json, task_type: this.taskType ?? taskOf(host), token_dim: place.width };
        },
      };
    });
  }
}

/** [rows, width] to [tokens, width] */
function firstRows(prompts: Parameter, tokens: number): tf.Tensor {
  const [rows, width] = prompts.shape as [number, number];
  return rows === tokens ? prompts.value() : tf.slice(prompts.value(), [0, 0], [tokens, width]);
}

/** The words' table of the host: of what stands nearest to the place, the first. */
function wordsOf(host: HostModel, path: string): Parameter {
  const tables = [...namedModules(host)].flatMap(([found, module]) => {
    const table = unwrap(module);
    return table instanceof Embedding ? [{ found, table }] : [];
  });
  const beside = path.slice(0, path.lastIndexOf(".") + 1);
  const [words] = [
    ...tables.filter(({ found }) => found === `${beside}word_embeddings`),
    ...tables.filter(({ found }) => /(^|\.)shared$/.test(found)),
  ];
  if (words) return words.table.weight;
  throw new PeftError("TARGET_UNSUPPORTED", "the model has no table of words that prompts could start as", {
    place: "initTokenIds",
    hint: "leave initTokenIds out: the prompts then start at random",
  });
}

/** Copies rows of the table; where the engine holds it, there, before whatever runs later. */
function startAs(prompts: Parameter, table: Parameter, ids: readonly number[]): void {
  const [rows, width] = prompts.shape as [number, number];
  const [words] = table.shape as [number, number];
  const chosen = Int32Array.from({ length: rows }, (_, i) => ids[i % ids.length]!);
  const stranger = chosen.find((id) => id >= words);
  if (stranger !== undefined) {
    throw new PeftError("CONFIG_INVALID", `there is no word ${stranger}: the model's table has ${words} rows`, {
      place: "initTokenIds",
      hint: "use the tokenizer that belongs to the checkpoint",
    });
  }
  const there = table.peek();
  if (there) {
    const numbers = new Float32Array(rows * width);
    for (const [i, id] of chosen.entries())
      numbers.set(there.subarray(id * width, (id + 1) * width) as Float32Array, i * width);
    prompts.adopt(numbers);
    return;
  }
  const copy = compile(() => {
    prompts.assign(tf.gather(table.value(), tf.tensor1d(chosen, "int32")));
    return [];
  });
  // A device that fails here fails the next call too, where somebody listens.
  void copy().catch(() => {});
}
