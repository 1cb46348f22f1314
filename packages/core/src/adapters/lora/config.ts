// The configuration of LoRA, field for field PEFT's `LoraConfig`, as far as this library has it.

import * as v from "valibot";
import { PeftError } from "../../errors.js";
import type { HostModel } from "../../models/index.js";
import {
  type AttachOptions,
  type CommonFields,
  commonEntries,
  fieldsFromJSON,
  PeftConfig,
  setFields,
} from "../config.js";
import type { Attachment } from "../method.js";
import { ALL_LINEAR, type Targets } from "../targets.js";
import { attachLora } from "./attach.js";

export interface LoraFields extends CommonFields {
  /** The rank. @defaultValue 8 */
  r: number;
  /** The update is scaled by loraAlpha / r. @defaultValue 8 */
  loraAlpha: number;
  /** Dropout on the adapter's input. @defaultValue 0 */
  loraDropout: number;
  /** Which linear layers are adapted. @defaultValue the host's own, for a ViT query and value */
  targetModules?: Targets;
  /** Modules that are not, whatever `targetModules` says. */
  excludeModules?: Targets | null;
  /** Other ranks for some modules; keys are ends of paths, or regular expressions for them. The first that fits counts. */
  rankPattern: Readonly<Record<string, number>>;
  /** Other alphas for some modules. */
  alphaPattern: Readonly<Record<string, number>>;
  /** Scales by loraAlpha / sqrt(r) (Kalajdzievski 2023). @defaultValue false */
  useRslora: boolean;
  /** Which biases of the host are trained as well. @defaultValue "none" */
  bias: "none" | "all" | "lora_only";
  /** `true`: A Kaiming-uniform, B zero. `"gaussian"`: A N(0, 1/r^2), B zero. `false`: both random. @defaultValue true */
  initLoraWeights: boolean | "gaussian";
  /** Only the layers of these numbers, where `targetModules` is a list. */
  layersToTransform?: number | readonly number[] | null;
  /** The names before the layers' numbers. */
  layersPattern?: string | readonly string[] | null;
}

const targets = v.union([v.string(), v.array(v.string()), v.instance(RegExp)]);
const positive = v.pipe(v.number(), v.integer(), v.minValue(1));
const layer = v.pipe(v.number(), v.integer(), v.minValue(0));

const Schema = v.strictObject({
  r: v.optional(positive, 8),
  loraAlpha: v.optional(v.pipe(v.number(), v.finite()), 8),
  loraDropout: v.optional(v.pipe(v.number(), v.minValue(0), v.ltValue(1)), 0),
  targetModules: v.optional(targets),
  excludeModules: v.nullish(targets),
  rankPattern: v.optional(v.record(v.string(), positive), {}),
  alphaPattern: v.optional(v.record(v.string(), v.pipe(v.number(), v.finite())), {}),
  useRslora: v.optional(v.boolean(), false),
  bias: v.optional(v.picklist(["none", "all", "lora_only"]), "none"),
  initLoraWeights: v.optional(v.union([v.boolean(), v.literal("gaussian")]), true),
  layersToTransform: v.nullish(v.union([layer, v.array(layer)])),
  layersPattern: v.nullish(v.union([v.string(), v.array(v.string())])),
  ...commonEntries,
});

/** Fields of PEFT's that change what an adapter computes, and the values at which they do not. */
const UNSUPPORTED = {
  fan_in_fan_out: [],
  use_dora: [],
  lora_bias: [],
  use_qalora: [],
  qalora_group_size: [16],
  use_bdlora: [],
  target_parameters: [],
  trainable_token_indices: [],
  layer_replication: [],
  alora_invocation_tokens: [],
  arrow_config: [],
  megatron_config: [],
  megatron_core: ["megatron.core"],
  loftq_config: [],
  eva_config: [],
  corda_config: [],
  lora_ga_config: [],
  velora_config: [],
  monteclora_config: [],
  kasa_config: [],
  runtime_config: [],
  ensure_weight_tying: [],
};
/** Ways of making the first A and B that leave the host's weights alone, so that a trained file needs nothing of them. */
const INIT_ONLY = ["eva", "orthogonal"];

export interface LoraConfig extends Readonly<LoraFields> {}

/** Low-rank adaptation (Hu et al. 2021) of linear layers: y = W x + b + scaling * B A x. */
export class LoraConfig extends PeftConfig<LoraFields> {
  static readonly peftType = "LORA";
  readonly peftType = "LORA";

  /** @throws PeftError CONFIG_INVALID naming the field */
  constructor(fields: Partial<LoraFields> = {}) {
    super();
    setFields(this, Schema, fields);
    const isPattern = typeof this.targetModules === "string" && this.targetModules !== ALL_LINEAR;
    if (isPattern && hasLayers(this.layersToTransform)) {
      throw contradiction("layersToTransform", "cannot be used where targetModules is a pattern");
    }
    if (this.layersPattern?.length && !hasLayers(this.layersToTransform)) {
      throw contradiction(
        "layersPattern",
        "says where a layer's number stands, so layersToTransform must be given too",
      );
    }
  }

  /** From `adapter_config.json`'s object. @throws PeftError CONFIG_INVALID, also for features that are not supported */
  static fromJSON(json: unknown, place = "adapter_config.json"): LoraConfig {
    if ((json as { fan_in_fan_out?: unknown } | null)?.fan_in_fan_out === true) {
      throw new PeftError("CONFIG_INVALID", "fan_in_fan_out is for GPT-2's Conv1D, whose weight is transposed", {
        place,
        hint: "the hosts of this library have linear layers of [out, in] only; set it to false",
      });
    }
    const fields = fieldsFromJSON(json, { schema: Schema, unsupported: UNSUPPORTED, place });
    if (INIT_ONLY.includes(fields.initLoraWeights as string)) fields.initLoraWeights = true;
    return new LoraConfig(fields);
  }

  override attach(host: HostModel, _adapterName: string, { seed = 0 }: AttachOptions = {}): Attachment {
    return attachLora(host, this, seed);
  }
}

function hasLayers(layers: LoraFields["layersToTransform"]): boolean {
  return typeof layers === "number" || (layers?.length ?? 0) > 0;
}

function contradiction(field: string, reason: string): PeftError {
  return new PeftError("CONFIG_INVALID", `LoraConfig: ${field} ${reason}`, { place: field });
}
