// A control of the paper (`mosa.md` §4, "single sparse adapter"): one plain adapter, of each of whose tensors one random
// share of 1/N is trained. It shows what sparsity does without the mixture.

import {
  type Attachment,
  type AttachOptions,
  BottleneckConfig,
  type CommonFields,
  commonEntries,
  fieldsFromJSON,
  type HostModel,
  Parameter,
  PeftConfig,
  permutation,
  RESIDUAL_STYLES,
  type ResidualStyle,
  setFields,
} from "@peft/core";
import * as tf from "@tensorflow/tfjs";
import * as v from "valibot";

export interface SparseAdapterFields extends CommonFields {
  /** r. @defaultValue 64 */
  bottleneck: number;
  /** N: n - floor((1 - 1/N) n) of a tensor's n entries are trained. @defaultValue 4 */
  numExperts: number;
  /** @defaultValue "adaptformer" */
  style: ResidualStyle;
}

const count = v.pipe(v.number(), v.integer(), v.minValue(1));

const Schema = v.strictObject({
  bottleneck: v.optional(count, 64),
  numExperts: v.optional(count, 4),
  style: v.optional(v.picklist(RESIDUAL_STYLES), "adaptformer"),
  ...commonEntries,
});

export interface SparseAdapterConfig extends Readonly<SparseAdapterFields> {}

/**
 * A plain adapter with one sparse module in training. Entries that are not its own stay as they start, without weight decay.
 */
export class SparseAdapterConfig extends PeftConfig<SparseAdapterFields> {
  static readonly peftType = "SPARSE_BOTTLENECK";
  readonly peftType = "SPARSE_BOTTLENECK";

  /** @throws PeftError CONFIG_INVALID naming the field */
  constructor(fields: Partial<SparseAdapterFields> = {}) {
    super();
    setFields(this, Schema, fields);
  }

  static fromJSON(json: unknown, place = "adapter_config.json"): SparseAdapterConfig {
    return new SparseAdapterConfig(fieldsFromJSON(json, { schema: Schema, place }));
  }

  override attach(host: HostModel, adapterName: string, options: AttachOptions = {}): Attachment {
    const { bottleneck, numExperts, style, modulesToSave, headInit } = this;
    const plain = new BottleneckConfig({ bottleneck, style, modulesToSave, headInit });
    const attachment = plain.attach(host, adapterName, options);
    const adapters = [...attachment.parameters].filter(([key]) => key.includes(".bottleneck."));
    const masks = new Map(
      adapters.map(([key, { shape, size }]) => {
        const name = `${key}_mask`;
        const data = () => mask(size, numExperts, options.seed ?? 0, name);
        return [name, new Parameter(shape, data, { dtype: "int32", name })];
      }),
    );
    return {
      ...attachment,
      parameters: new Map([...attachment.parameters, ...masks]),
      bytes: new Map([...masks.keys()].map((name) => [name, 2])),
      hooks: {
        updateScope: (name) => {
          const found = masks.get(`${name}_mask`);
          return found && { mask: tf.cast(found.value(), "float32") };
        },
      },
      detach: (how) => {
        attachment.detach(how);
        for (const parameter of masks.values()) parameter.dispose();
      },
    };
  }
}

/** 1 for the entries that are trained. */
function mask(n: number, numExperts: number, seed: number, name: string): Int32Array {
  const trained = n - Math.floor((1 - 1 / numExperts) * n);
  const order = permutation(n, seed, ...Array.from(name, (letter) => letter.codePointAt(0)!));
  const found = new Int32Array(n);
  for (let k = 0; k < trained; k++) found[order[k]!] = 1;
  return found;
}
