// The configuration of MoSA, with the defaults of the published scripts (`mosa.md` §3.8).

import {
  type ActivationName,
  type Attachment,
  type AttachOptions,
  type BottleneckOptions,
  type CommonFields,
  commonEntries,
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
import { attachMosa } from "./attach.js";
import { DRAWS, type Draws } from "./draws.js";
import { MERGE_RULES, type MergeRule } from "./experts.js";
import { OPTIMIZER_SEMANTICS, type OptimizerSemantics } from "./hooks.js";
import { DEEP_REG_BLOCKS, type DeepRegBlocks } from "./loss.js";
import { type SideOptions, SPLITS, type Split } from "./sides.js";
import { SPLIT_MODES, type SplitMode } from "./split.js";

/** The places of adapters, or `lora`: MoSL, low-rank updates of attention's projections. */
export type MosaStyle = ResidualStyle | "lora";

export interface MosaFields extends CommonFields {
  /** r, the width inside; of lora the rank. @defaultValue 64, 16 for lora; the paper has 16 on VTAB-1k */
  bottleneck: number;
  /** N, the number of experts; 1 is the plain adapter. @defaultValue 4 */
  numExperts: number;
  /** Which side is split into experts; the other is dense and shared. @defaultValue "up-only" */
  split: Split;
  /** Whether a weight's entries are dealt out over the whole of it, or evenly in each row or column. @defaultValue "all" */
  splitMode: SplitMode;
  /** Whether biases are split as weights are, instead of each expert having its own. @defaultValue false */
  splitBias: boolean;
  /** Whether experts own entries; else each is a whole copy, which none shares. @defaultValue true */
  sparse: boolean;
  /** Where in a block the adapters go; `swin` is for Swin transformers. @defaultValue "adaptformer" */
  style: MosaStyle;
  /** Of lora: the projections of attention, of the letters q, k, v, o. @defaultValue "qv" */
  mode?: string;
  /** s, what an adapter's output is multiplied by; "learned": a number that is trained. @defaultValue 0.1 for adaptformer and swin, else 1 */
  scale?: number | "learned";
  /** Dropout inside. @defaultValue 0.1 for adaptformer and swin, else 0 */
  dropout?: number;
  /** @defaultValue "gelu" for adaptformer and swin, "relu" for pfeiffer, "silu" for houlsby; lora has none */
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
  /** How experts become one adapter. @defaultValue "mean" */
  merge: MergeRule;
  /** How a pass chooses its experts. @defaultValue "uniform" */
  draws: Draws;
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
  splitBias: v.optional(v.boolean(), false),
  sparse: v.optional(v.boolean(), true),
  style: v.optional(v.picklist([...RESIDUAL_STYLES, "lora"]), "adaptformer"),
  mode: v.optional(v.pipe(v.string(), v.regex(/^(?!.*(.).*\1)[qkvo]+$/, "must be some of the letters q, k, v, o"))),
  scale: v.optional(v.union([v.pipe(v.number(), v.finite()), v.literal("learned")])),
  dropout: v.optional(v.pipe(v.number(), v.minValue(0), v.ltValue(1))),
  activation: v.optional(v.string()),
  secondPass: v.optional(v.boolean(), true),
  addWeight: v.optional(weight, 0),
  regWeight: v.optional(weight, 1),
  deepReg: v.optional(v.boolean(), false),
  deepRegBlocks: v.optional(v.picklist(DEEP_REG_BLOCKS), "first6"),
  merge: v.optional(v.picklist(MERGE_RULES), "mean"),
  draws: v.optional(v.picklist(DRAWS), "uniform"),
  optimizerSemantics: v.optional(v.picklist(OPTIMIZER_SEMANTICS), "official"),
  ...commonEntries,
});

/** Of MoSL, where the config says nothing. */
const LORA_DEFAULTS = { bottleneck: 16, mode: "qv" };

export interface MosaConfig extends Readonly<MosaFields> {}

/**
 * Mixture of Sparse Adapters: the adapters of a model split into N sparse experts, one of which is at work in each place
 * and pass of training; evaluated, and deployed, as one.
 */
export class MosaConfig extends PeftConfig<MosaFields> {
  static readonly peftType = "MOSA";
  readonly peftType = "MOSA";

  /** @throws PeftError CONFIG_INVALID naming the field */
  constructor(fields: Partial<MosaFields> = {}) {
    super();
    setFields(this, Schema, fields.style === "lora" ? { ...LORA_DEFAULTS, ...fields } : fields);
    const wrong = contradiction(this);
    if (!wrong) return;
    const [place, message, hint] = wrong;
    throw new PeftError("CONFIG_INVALID", `MosaConfig: ${message}`, { place, hint });
  }

  /** From `adapter_config.json`'s object. @throws PeftError CONFIG_INVALID */
  static fromJSON(json: unknown, place = "adapter_config.json"): MosaConfig {
    return new MosaConfig(fieldsFromJSON(json, { schema: Schema, place }));
  }

  /** The places of the adapters; of lora, which has others, those of the default. */
  get residualStyle(): ResidualStyle {
    return this.style === "lora" ? "adaptformer" : this.style;
  }

  /** The adapters' options with what the style says where the config says nothing. */
  adapterOptions(): Omit<BottleneckOptions, "seed" | "initWeights"> {
    const { style, bottleneck, dropout, activation } = this;
    const learnsScale = this.scale === "learned";
    const scale = learnsScale ? 1 : this.scale;
    const given = Object.entries({ scale, dropout, activation }).filter(([, value]) => value !== undefined);
    const isParallel = style === "adaptformer" || style === "swin";
    const defaults = {
      ...(style === "lora" ? { ...STYLE_DEFAULTS.pfeiffer, norm: false } : STYLE_DEFAULTS[style]),
      ...(isParallel && { activation: "gelu" as const }),
    };
    return { ...defaults, ...Object.fromEntries(given), bottleneck, learnsScale };
  }

  /** What makes experts of an adapter's sides. */
  sideOptions(seed: number): SideOptions {
    const { split, sparse, numExperts, splitMode, splitBias, merge } = this;
    return { split, sparse, numExperts, splitMode, splitBias, merge, seed };
  }

  override attach(host: HostModel, _adapterName: string, { seed = 0 }: AttachOptions = {}): Attachment {
    return attachMosa(host, this, seed);
  }
}

/** Fields that do not go together: the field, what is wrong, what to do. */
function contradiction(config: MosaConfig): [place: string, message: string, hint: string] | undefined {
  const { secondPass, deepReg, addWeight, style, mode, scale, activation, sparse, merge, splitBias } = config;
  if (!secondPass && (deepReg || addWeight > 0)) {
    const tied = deepReg ? "deepReg" : "addWeight";
    const message = `${tied} is about a second pass, and secondPass is false`;
    return [tied, message, `leave ${tied} out, or let secondPass be true`];
  }
  if (mode !== undefined && style !== "lora") {
    return [
      "mode",
      `mode names projections for lora, and the style is ${style}`,
      'leave mode out, or let style be "lora"',
    ];
  }
  if (style === "lora") {
    if (scale === "learned") return ["scale", "lora has no learnt scale", "give a number"];
    if (activation !== undefined) return ["activation", "lora has no activation", "leave activation out"];
    if (splitBias) return ["splitBias", "lora has no biases", "leave splitBias out"];
  }
  if (!sparse && merge !== "mean")
    return ["merge", `experts without owners have no merge by "${merge}"`, 'let merge be "mean"'];
  if (!sparse && splitBias) return ["splitBias", "experts without owners split nothing", "leave splitBias out"];
  return undefined;
}
