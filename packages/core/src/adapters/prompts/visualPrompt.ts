// Visual prompts (Jia et al. 2022): trained tokens behind the class token of a vision transformer, once before its first block
// (shallow) or anew before every block (deep). The same on spectrograms (`ast-adapter.md` §3.2).

import * as tf from "@tensorflow/tfjs";
import * as v from "valibot";
import { Parameter } from "../../engine/index.js";
import { PeftError } from "../../errors.js";
import { eachOf, type HostModel, insertTokens } from "../../models/index.js";
import { Conv2d, type Layer, namedModules, Residual, type Slot, slots, uniform } from "../../nn/index.js";
import {
  type AttachOptions,
  type CommonFields,
  commonEntries,
  fieldsFromJSON,
  PeftConfig,
  setFields,
} from "../config.js";
import type { Attachment } from "../method.js";
import { unwrap, wrap } from "../wrap.js";
import { attachPrompts, PROMPT_KEY } from "./attach.js";
import { promptPlace } from "./places.js";

export interface VisualPromptFields extends CommonFields {
  /** P, how many tokens are put in. */
  numVirtualTokens: number;
  /** Whether every block after the first gets P tokens of its own in the place of what became of the last ones. @defaultValue false */
  deep: boolean;
}

const Schema = v.strictObject({
  numVirtualTokens: v.pipe(v.number(), v.integer(), v.minValue(1)),
  deep: v.optional(v.boolean(), false),
  ...commonEntries,
});
const DEEP_KEY = "deep_prompt_embeddings";
/** The start counts a patch's numbers as those of a picture with colours, for sounds too. */
const COLORS = 3;

export interface VisualPromptConfig extends Readonly<VisualPromptFields> {}

/**
 * P trained tokens behind the class token, without positions, for ViT, CLIP's vision encoder and AST. They start as
 * U(-b, b), b = sqrt(6 / (3 patch^2 + D)). PEFT has no such method; the file is in its form, with `prompt_embeddings` [P, D] and
 * `deep_prompt_embeddings` [blocks - 1, P, D].
 */
export class VisualPromptConfig extends PeftConfig<VisualPromptFields> {
  static readonly peftType = "VISUAL_PROMPT";
  readonly peftType = "VISUAL_PROMPT";

  /** @throws PeftError CONFIG_INVALID naming the field */
  constructor(fields: Partial<VisualPromptFields> & Pick<VisualPromptFields, "numVirtualTokens">) {
    super();
    setFields(this, Schema, fields);
  }

  /** From `adapter_config.json`'s object. @throws PeftError CONFIG_INVALID */
  static fromJSON(json: unknown, place = "adapter_config.json"): VisualPromptConfig {
    return new VisualPromptConfig(fieldsFromJSON(json, { schema: Schema, place }) as unknown as VisualPromptFields);
  }

  override attach(host: HostModel, _adapterName: string, { seed = 0 }: AttachOptions = {}): Attachment {
    const { path, place } = promptPlace(host, "patches");
    const { numVirtualTokens: count, deep } = this;
    const stack = path.slice(0, -"prompts".length);
    const later = deep ? blocksOf(host, stack).slice(1) : [];
    const init = uniform(Math.sqrt(6 / (COLORS * patchOf(host, stack) + place.width)), seed);
    const made = (shape: number[]): Parameter => new Parameter(shape, (name) => init(shape, name));
    return attachPrompts(host, this, seed, () => {
      const prompts = made([count, place.width]);
      const tensors = new Map([[PROMPT_KEY, prompts]]);
      const put = place.put({ count, value: () => prompts.value() });
      if (later.length === 0) return { tensors, layers: [path], parts: [put] };
      const own = made([later.length, count, place.width]);
      const blocks = later.map((slot, i) =>
        wrap(slot, (forward, x, ...others) => {
          const tokens = eachOf(
            x!,
            tf.reshape(tf.slice(own.value(), [i, 0, 0], [1, count, place.width]), [count, place.width]),
          );
          return forward(insertTokens(x!, [tokens], put.start, put.start + count), ...others);
        }),
      );
      tensors.set(DEEP_KEY, own);
      return { tensors, layers: [path, ...later.map((slot) => slot.path)], parts: [put, ...blocks] };
    });
  }
}

/** The blocks of a stack, in order: what has a sum after its attention. */
function blocksOf(host: HostModel, stack: string): Slot[] {
  const places = slots(host);
  return [...places.values()].flatMap(({ path, get }) => {
    const end = ".attention_residual";
    if (!path.startsWith(stack) || !path.endsWith(end) || !(unwrap(get() as Layer) instanceof Residual)) return [];
    return [places.get(path.slice(0, -end.length))!];
  });
}

/** How many places of a picture are in a patch. */
function patchOf(host: HostModel, stack: string): number {
  for (const [path, module] of namedModules(host)) {
    const projection = unwrap(module);
    if (!path.startsWith(stack) || !(projection instanceof Conv2d)) continue;
    const [, , rows, columns] = projection.weight.shape as [number, number, number, number];
    return rows * columns;
  }
  throw new PeftError("TARGET_UNSUPPORTED", "the model cuts nothing into patches", { place: stack });
}
