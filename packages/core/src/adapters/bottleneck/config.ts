// The configuration of plain bottleneck adapters, with the defaults of the MoSA repository's baselines (`mosa.md` §2.3).

import * as v from "valibot";
import { PeftError } from "../../errors.js";
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
import {
  attachToResiduals,
  RESIDUAL_SIDES,
  RESIDUAL_STYLES,
  type ResidualPlace,
  type ResidualSide,
  type ResidualStyle,
} from "../residuals.js";
import { copyModulesToSave } from "../trainedCopies.js";
import { BOTTLENECK_INITS, BottleneckAdapter, type BottleneckInit, type BottleneckOptions } from "./layer.js";

export interface BottleneckFields extends CommonFields {
  /** r, the width inside. @defaultValue 64, where there is no reductionFactor */
  bottleneck?: number;
  /** Or the width inside as a share of the host's: its width over this, rounded down. */
  reductionFactor?: number;
  /** Where in a block the adapters go. @defaultValue "adaptformer" */
  style: ResidualStyle;
  /**
   * Which residual sums of a block have an adapter; AdapterHub's mh_adapter, cross_adapter and output_adapter.
   *
   * @defaultValue attention's and the feed-forward layers' for houlsby, else the latter's
   */
  sides?: readonly ResidualSide[];
  /** Numbers of blocks without an adapter. @defaultValue none */
  leaveOut?: readonly number[];
  /** What an adapter's output is multiplied by; "learned": a number that is trained. @defaultValue 0.1 for adaptformer and swin, else 1 */
  scale?: number | "learned";
  /** Whether its input is normalised first, AdapterHub's ln_before. @defaultValue true for adaptformer and pfeiffer, else false */
  norm?: boolean;
  /** "mam_adapter" changes nothing at first, "bert" is random. @defaultValue "mam_adapter" */
  initWeights: BottleneckInit;
  /** Dropout inside. @defaultValue 0.1 for adaptformer and swin, else 0 */
  dropout?: number;
  /** @defaultValue "silu" for houlsby, else "relu" */
  activation?: ActivationName;
}

const DEFAULT_BOTTLENECK = 64;

const Schema = v.strictObject({
  bottleneck: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1))),
  reductionFactor: v.optional(v.pipe(v.number(), v.minValue(1))),
  style: v.optional(v.picklist(RESIDUAL_STYLES), "adaptformer"),
  sides: v.optional(v.pipe(v.array(v.picklist(RESIDUAL_SIDES)), v.minLength(1))),
  leaveOut: v.optional(v.array(v.pipe(v.number(), v.integer(), v.minValue(0)))),
  scale: v.optional(v.union([v.pipe(v.number(), v.finite()), v.literal("learned")])),
  norm: v.optional(v.boolean()),
  initWeights: v.optional(v.picklist(BOTTLENECK_INITS), "mam_adapter"),
  dropout: v.optional(v.pipe(v.number(), v.minValue(0), v.ltValue(1))),
  activation: v.optional(v.string()),
  ...commonEntries,
});

/** What a style is where the config says nothing else. Houlsby's adapters stand behind a sum and have no norm; Swin's input has one. */
export const STYLE_DEFAULTS: Readonly<
  Record<ResidualStyle, Pick<BottleneckOptions, "scale" | "dropout" | "activation" | "norm">>
> = {
  adaptformer: { scale: 0.1, dropout: 0.1, activation: "relu", norm: true },
  pfeiffer: { scale: 1, dropout: 0, activation: "relu", norm: true },
  houlsby: { scale: 1, dropout: 0, activation: "silu", norm: false },
  swin: { scale: 0.1, dropout: 0.1, activation: "relu", norm: false },
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
    if (this.bottleneck === undefined || this.reductionFactor === undefined) return;
    throw new PeftError("CONFIG_INVALID", "BottleneckConfig: bottleneck and reductionFactor say the same thing twice", {
      place: "reductionFactor",
    });
  }

  /** From `adapter_config.json`'s object. @throws PeftError CONFIG_INVALID */
  static fromJSON(json: unknown, place = "adapter_config.json"): BottleneckConfig {
    return new BottleneckConfig(fieldsFromJSON(json, { schema: Schema, place }));
  }

  override attach(host: HostModel, _adapterName: string, { seed = 0 }: AttachOptions = {}): Attachment {
    const { style, sides, leaveOut, norm, dropout, activation, initWeights } = this;
    const learnsScale = this.scale === "learned";
    const scale = learnsScale ? 1 : this.scale;
    const given = Object.entries({ scale, norm, dropout, activation }).filter(([, value]) => value !== undefined);
    const options = { ...STYLE_DEFAULTS[style], ...Object.fromEntries(given), learnsScale, initWeights, seed };
    const heads = copyModulesToSave(host, this, seed);
    const make = ({ width }: ResidualPlace) =>
      new BottleneckAdapter(width, { ...options, bottleneck: this.#widthInside(width) });
    const placed = attachToResiduals(host, style, make, { sides, leaveOut });
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

  #widthInside(width: number): number {
    if (this.reductionFactor !== undefined) return Math.max(1, Math.floor(width / this.reductionFactor));
    return this.bottleneck ?? DEFAULT_BOTTLENECK;
  }
}
