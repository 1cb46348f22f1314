// The configuration of plain bottleneck adapters, with the defaults of the MoSA repository's baselines (`mosa.md` §2.3).

import * as v from "valibot";
import type { HostModel } from "../../models/index.js";
import type { ActivationName } from "../../nn/index.js";
import { adapterParameters, composeAttachment } from "../attachment.js";
import {
  type AttachOptions,
  type CommonFields,
  commonEntries,
  fieldsFromJSON,
  PeftConfig,
  setFields,
} from "../config.js";
import type { Attachment } from "../method.js";
import { attachToResiduals, RESIDUAL_STYLES, type ResidualStyle } from "../residuals.js";
import { copyModulesToSave } from "../trainedCopies.js";
import { BottleneckAdapter, type BottleneckOptions } from "./layer.js";

export interface BottleneckFields extends CommonFields {
  /** r, the width inside. @defaultValue 64 */
  bottleneck: number;
  /** Where in a block the adapters go. @defaultValue "adaptformer" */
  style: ResidualStyle;
  /** What an adapter's output is multiplied by. @defaultValue 0.1 for adaptformer, else 1 */
  scale?: number;
  /** Dropout inside. @defaultValue 0.1 for adaptformer, else 0 */
  dropout?: number;
  /** @defaultValue "silu" for houlsby, else "relu" */
  activation?: ActivationName;
}

const Schema = v.strictObject({
  bottleneck: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1)), 64),
  style: v.optional(v.picklist(RESIDUAL_STYLES), "adaptformer"),
  scale: v.optional(v.pipe(v.number(), v.finite())),
  dropout: v.optional(v.pipe(v.number(), v.minValue(0), v.ltValue(1))),
  activation: v.optional(v.string()),
  ...commonEntries,
});

/** What a style is where the config says nothing else. Houlsby's adapters stand behind a sum and have no norm. */
export const STYLE_DEFAULTS: Readonly<
  Record<ResidualStyle, Pick<BottleneckOptions, "scale" | "dropout" | "activation" | "norm">>
> = {
  adaptformer: { scale: 0.1, dropout: 0.1, activation: "relu", norm: true },
  pfeiffer: { scale: 1, dropout: 0, activation: "relu", norm: true },
  houlsby: { scale: 1, dropout: 0, activation: "silu", norm: false },
};

export interface BottleneckConfig extends Readonly<BottleneckFields> {}

/** Bottleneck adapters in every transformer block. */
export class BottleneckConfig extends PeftConfig<BottleneckFields> {
  static readonly peftType = "BOTTLENECK";
  readonly peftType = "BOTTLENECK";

  /** @throws PeftError CONFIG_INVALID naming the field */
  constructor(fields: Partial<BottleneckFields> = {}) {
    super();
    setFields(this, Schema, fields);
  }

  /** From `adapter_config.json`'s object. @throws PeftError CONFIG_INVALID */
  static fromJSON(json: unknown, place = "adapter_config.json"): BottleneckConfig {
    return new BottleneckConfig(fieldsFromJSON(json, { schema: Schema, place }));
  }

  override attach(host: HostModel, _adapterName: string, { seed = 0 }: AttachOptions = {}): Attachment {
    const { bottleneck, style, scale, dropout, activation } = this;
    const given = Object.entries({ scale, dropout, activation }).filter(([, value]) => value !== undefined);
    const options: BottleneckOptions = { ...STYLE_DEFAULTS[style], ...Object.fromEntries(given), bottleneck, seed };
    const heads = copyModulesToSave(host, this, seed);
    const placed = attachToResiduals(host, style, ({ width }) => new BottleneckAdapter(width, options));
    const adapters = placed.flatMap(({ place: { block, side }, adapter }) => [
      ...adapterParameters(adapter, [block, "bottleneck", side].filter(Boolean).join(".")),
    ]);
    return composeAttachment({
      parameters: new Map([...adapters, ...heads.parameters]),
      layers: placed.map(({ place }) => place.path),
      parts: [heads, ...placed.map(({ part }) => part)],
      copies: [heads],
      merge: "bottleneck adapters are not linear, so no weight of the host can hold them",
    });
  }
}
