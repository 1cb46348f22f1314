// The configuration of MoSA, with the defaults of the published scripts (`mosa.md` §3.8).

import {
  type ActivationName,
  type Attachment,
  type AttachOptions,
  adapterParameters,
  attachToResiduals,
  type BottleneckOptions,
  type CommonFields,
  commonEntries,
  composeAttachment,
  copyModulesToSave,
  fieldsFromJSON,
  type HostModel,
  PeftConfig,
  PeftError,
  RESIDUAL_STYLES,
  type ResidualStyle,
  STYLE_DEFAULTS,
  setFields,
} from "@peft/core";
import * as v from "valibot";
import { MosaAdapter, SPLITS, type Split } from "./adapter.js";
import { mosaHooks, OPTIMIZER_SEMANTICS, type OptimizerSemantics } from "./hooks.js";
import { DEEP_REG_BLOCKS, type DeepRegBlocks } from "./loss.js";
import { SPLIT_MODES, type SplitMode } from "./split.js";

export interface MosaFields extends CommonFields {
  /** r, the width inside. @defaultValue 64; the paper has 16 on VTAB-1k */
  bottleneck: number;
  /** N, the number of sparse experts; 1 is the plain adapter. @defaultValue 4 */
  numExperts: number;
  /** Which side is split into experts; the other is dense and shared. @defaultValue "up-only" */
  split: Split;
  /** Whether a weight's entries are dealt out over the whole of it, or evenly in each row or column. @defaultValue "all" */
  splitMode: SplitMode;
  /** Where in a block the adapters go. @defaultValue "adaptformer" */
  style: ResidualStyle;
  /** s, what an adapter's output is multiplied by. @defaultValue 0.1 for adaptformer, else 1 */
  scale?: number;
  /** Dropout inside. @defaultValue 0.1 for adaptformer, else 0 */
  dropout?: number;
  /** @defaultValue "gelu" for adaptformer, "relu" for pfeiffer, "silu" for houlsby */
  activation?: ActivationName;
  /** Whether a step runs the batch twice, with draws and dropout of their own, and ties the two. @defaultValue true */
  secondPass: boolean;
  /** Weight of the second pass's own cross-entropy. @defaultValue 0 */
  addWeight: number;
  /** Weight of the symmetric divergence between the passes. @defaultValue 1 */
  regWeight: number;
  /** Whether the passes are tied in their hidden states as well. @defaultValue false; the paper has it for Stanford Cars */
  deepReg: boolean;
  /** @defaultValue "first6", as the paper's code has it */
  deepRegBlocks: DeepRegBlocks;
  /** How experts become one adapter: their mean. @defaultValue "mean" */
  merge: "mean";
  /** Whether experts that are not drawn move on their moments. @defaultValue "official", they do */
  optimizerSemantics: OptimizerSemantics;
}

/** An owner is a byte in the file. */
const MOST_EXPERTS = 256;

const weight = v.pipe(v.number(), v.finite(), v.minValue(0));

const Schema = v.strictObject({
  bottleneck: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1)), 64),
  numExperts: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(MOST_EXPERTS)), 4),
  split: v.optional(v.picklist(SPLITS), "up-only"),
  splitMode: v.optional(v.picklist(SPLIT_MODES), "all"),
  style: v.optional(v.picklist(RESIDUAL_STYLES), "adaptformer"),
  scale: v.optional(v.pipe(v.number(), v.finite())),
  dropout: v.optional(v.pipe(v.number(), v.minValue(0), v.ltValue(1))),
  activation: v.optional(v.string()),
  secondPass: v.optional(v.boolean(), true),
  addWeight: v.optional(weight, 0),
  regWeight: v.optional(weight, 1),
  deepReg: v.optional(v.boolean(), false),
  deepRegBlocks: v.optional(v.picklist(DEEP_REG_BLOCKS), "first6"),
  merge: v.optional(v.picklist(["mean"]), "mean"),
  optimizerSemantics: v.optional(v.picklist(OPTIMIZER_SEMANTICS), "official"),
  ...commonEntries,
});

export interface MosaConfig extends Readonly<MosaFields> {}

/**
 * Mixture of Sparse Adapters: the adapters of a model split into N sparse experts, one of which is at work in each place
 * and pass of training; evaluated, and deployed, as their mean.
 */
export class MosaConfig extends PeftConfig<MosaFields> {
  static readonly peftType = "MOSA";
  readonly peftType = "MOSA";

  /** @throws PeftError CONFIG_INVALID naming the field */
  constructor(fields: Partial<MosaFields> = {}) {
    super();
    setFields(this, Schema, fields);
    if (this.secondPass) return;
    const tied = this.deepReg ? "deepReg" : this.addWeight > 0 ? "addWeight" : undefined;
    if (tied) {
      throw new PeftError("CONFIG_INVALID", `MosaConfig: ${tied} is about a second pass, and secondPass is false`, {
        place: tied,
        hint: `leave ${tied} out, or let secondPass be true`,
      });
    }
  }

  /** From `adapter_config.json`'s object. @throws PeftError CONFIG_INVALID */
  static fromJSON(json: unknown, place = "adapter_config.json"): MosaConfig {
    return new MosaConfig(fieldsFromJSON(json, { schema: Schema, place }));
  }

  /** The adapters' options with what the style says where the config says nothing. */
  adapterOptions(): Omit<BottleneckOptions, "seed"> {
    const { style, bottleneck, scale, dropout, activation } = this;
    const given = Object.entries({ scale, dropout, activation }).filter(([, value]) => value !== undefined);
    const defaults = { ...STYLE_DEFAULTS[style], ...(style === "adaptformer" && { activation: "gelu" as const }) };
    return { ...defaults, ...Object.fromEntries(given), bottleneck };
  }

  override attach(host: HostModel, _adapterName: string, { seed = 0 }: AttachOptions = {}): Attachment {
    const { split, splitMode, numExperts } = this;
    const options = { ...this.adapterOptions(), split, splitMode, numExperts, seed };
    const heads = copyModulesToSave(host, this, seed);
    const placed = attachToResiduals(host, this.style, ({ width }) => new MosaAdapter(width, options));
    const adapters = placed.flatMap(({ place: { block, side }, adapter }) => [
      ...adapterParameters(adapter, [block, "mosa", side].filter(Boolean).join(".")),
    ]);
    const sides = placed.flatMap(({ adapter }) => adapter.splitSides);
    const fixed = new Set(sides.flatMap(({ owner, initial }) => [owner, initial]));
    const hooks = mosaHooks(sides, this);
    return composeAttachment({
      parameters: new Map([...adapters, ...heads.parameters]),
      trainable: new Map([...adapters.filter(([, parameter]) => !fixed.has(parameter)), ...heads.parameters]),
      bytes: new Set(sides.map(({ owner }) => owner.name)),
      hooks,
      own: [...hooks.state!.values()],
      parts: [heads, ...placed.map(({ part }) => part)],
      copies: [heads],
      merge:
        "its adapters are not linear, so no weight of the host can hold them; mergeExperts makes one plain adapter of its experts",
    });
  }
}
