// Prefix tuning (Li & Liang 2021): trained keys and values before those of every self-attention. Field for field PEFT's
// `PrefixTuningConfig`.

import * as tf from "@tensorflow/tfjs";
import * as v from "valibot";
import { PeftError } from "../../errors.js";
import { type HostModel, Seq2SeqModel } from "../../models/index.js";
import { normal, zeros } from "../../nn/index.js";
import {
  type AttachOptions,
  type CommonFields,
  commonEntries,
  fieldsFromJSON,
  isObject,
  PeftConfig,
  setFields,
} from "../config.js";
import type { Attachment } from "../method.js";
import { attachPrompts } from "./attach.js";
import { prefixPlacesOf, taskOf } from "./places.js";
import { type PrefixSource, prefixTable, projectedPrefix } from "./prefixEncoder.js";
import { withoutSizes } from "./sizes.js";

export interface PrefixTuningFields extends CommonFields {
  /** P, how many keys and values are put before those of a layer. */
  numVirtualTokens: number;
  /** Whether they come out of a small network in training, which is steadier. @defaultValue false */
  prefixProjection: boolean;
  /** The width inside of that network. */
  encoderHiddenSize?: number;
  /** "zero": they start as zeros, which are seen all the same. @defaultValue N(0, 1), or with a projection as PyTorch has it */
  initWeights?: "zero";
}

const count = v.pipe(v.number(), v.integer(), v.minValue(1));
const Schema = v.strictObject({
  numVirtualTokens: count,
  prefixProjection: v.optional(v.boolean(), false),
  encoderHiddenSize: v.optional(count),
  initWeights: v.optional(v.literal("zero")),
  ...commonEntries,
});

export interface PrefixTuningConfig extends Readonly<PrefixTuningFields> {}

/**
 * P trained keys and values in every self-attention of ViT, AST, CLIP's encoders, BERT and RoBERTa, and in those of T5's and
 * BART's decoders, as PEFT has it. Queries see all of them. Of BERT, RoBERTa, BART and T5 the tokens are then numbered from P
 * on. A projected prefix is saved as what comes out, as by PEFT; loaded, it is a prefix without a projection.
 *
 * PEFT cuts the numbers of an encoder-decoder model as if its attention to the encoder had some too, which it then leaves out:
 * decoder layer i of L has those of layer 2 i mod L, and where L is even half of the numbers belong to no layer. So that
 * files mean the same there and here, it is so here.
 *
 * With transformers 5 PEFT makes no model of an encoder-decoder one, nor of a ViT, whose attention takes no prefixes there:
 * files for those are written in PEFT's form all the same.
 */
export class PrefixTuningConfig extends PeftConfig<PrefixTuningFields> {
  static readonly peftType = "PREFIX_TUNING";
  readonly peftType = "PREFIX_TUNING";

  /** @throws PeftError CONFIG_INVALID naming the field */
  constructor(fields: Partial<PrefixTuningFields> & Pick<PrefixTuningFields, "numVirtualTokens">) {
    super();
    setFields(this, Schema, fields);
    if (!this.prefixProjection || this.encoderHiddenSize !== undefined) return;
    throw new PeftError("CONFIG_INVALID", "PrefixTuningConfig: a projection needs encoderHiddenSize", {
      place: "encoderHiddenSize",
      hint: "the host's width is PEFT's usual choice",
    });
  }

  /** From `adapter_config.json`'s object. @throws PeftError CONFIG_INVALID */
  static fromJSON(json: unknown, place = "adapter_config.json"): PrefixTuningConfig {
    // PEFT says how many stacks have prefixes, which the host knows.
    const fields = fieldsFromJSON(withoutSizes(json, ["num_transformer_submodules"]), { schema: Schema, place });
    // Of a saved adapter the file has what came out of the projection.
    if (isObject(json) && json.inference_mode === true) fields.prefixProjection = false;
    return new PrefixTuningConfig(fields as unknown as PrefixTuningFields);
  }

  override attach(host: HostModel, _adapterName: string, { seed = 0 }: AttachOptions = {}): Attachment {
    const places = prefixPlacesOf(host);
    const [{ keys: first }] = places as [(typeof places)[number]];
    const { numVirtualTokens: tokens } = this;
    const layers = places.length;
    const { width } = first;
    return attachPrompts(host, this, seed, () => {
      const source = this.#source({ tokens, layers, width }, seed);
      const part = partsOf(source, layers);
      const slot = (layer: number): number => (host instanceof Seq2SeqModel ? slotInDecoder(layer, layers) : layer);
      const put = (at: number) => ({ count: tokens, value: () => part(at) });
      return {
        tensors: source.tensors,
        folded: source.folded,
        layers: places.map(({ path }) => path),
        parts: places.flatMap(({ keys, values }, i) => {
          const at = 2 * slot(i);
          return [keys.put(put(at)), values.put(put(at + 1))];
        }),
        describe: () => ({
          ...this.toJSON(),
          prefix_projection: false,
          task_type: this.taskType ?? taskOf(host),
          token_dim: width,
          num_layers: layers,
        }),
      };
    });
  }

  #source(shape: Parameters<typeof prefixTable>[0], seed: number): PrefixSource {
    const last = this.initWeights === "zero" ? zeros : undefined;
    if (!this.prefixProjection) return prefixTable(shape, last ?? normal(1, seed));
    return projectedPrefix(shape, { hidden: this.encoderHiddenSize!, seed, last });
  }
}

/** Which of L parts a decoder's layer has: PEFT makes 2 L of them, the same twice, and gives each layer two, of which it uses one. */
function slotInDecoder(layer: number, layers: number): number {
  return (2 * layer) % layers;
}

/**
 * The keys and values of all layers, cut apart once in a forward pass: its first layer's keys are asked for first.
 *
 * @returns the part at a place, [P, D]
 */
function partsOf(source: PrefixSource, layers: number): (at: number) => tf.Tensor {
  let parts: tf.Tensor[] = [];
  return (at) => {
    if (at === 0) parts = tf.split(source.value(), 2 * layers, 1);
    return parts[at]!;
  };
}
