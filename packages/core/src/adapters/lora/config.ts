// The configuration of LoRA, field for field PEFT's `LoraConfig`, as far as this library has it.

import * as v from "valibot";
import { PeftError } from "../../errors.js";
import type { HostModel } from "../../models/index.js";
import type { Combination, CombinationOptions, CombinationSource } from "../combination.js";
import {
  type AttachOptions,
  type CommonFields,
  commonEntries,
  fieldsFromJSON,
  PeftConfig,
  refuseTransposed,
  setFields,
  targetsEntry,
} from "../config.js";
import type { Attachment } from "../method.js";
import { ALL_LINEAR, type Targets } from "../targets.js";
import { attachLora } from "./attach.js";
import { combineLora } from "./combine.js";
import type { LoraInit } from "./layer.js";

export interface LoraFields extends CommonFields {
  /** The rank. @defaultValue 8 */
  r: number;
  /** The update is scaled by loraAlpha / r. @defaultValue 8 */
  loraAlpha: number;
  /** Dropout on the adapter's input; an embedding's ids have none. @defaultValue 0 */
  loraDropout: number;
  /** Which linear layers, convolutions and embeddings are adapted. @defaultValue the host's own, for a ViT query and value */
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
  /** Learns lengths and directions of the weights apart (DoRA, Liu et al. 2024). @defaultValue false */
  useDora: boolean;
  /** Whether B has a bias, which is trained too; not for embeddings, nor with DoRA. @defaultValue false */
  loraBias: boolean;
  /**
   * `true`: A Kaiming-uniform, B zero. `"gaussian"`: A N(0, 1/r^2), B zero. `"orthogonal"`, for linear layers and even
   * ranks: both random, their product zero. `false`: both random. An embedding has A zero and B N(0, 1), or with `false`
   * both random. @defaultValue true
   */
  initLoraWeights: LoraInit;
  /** Only the layers of these numbers, where `targetModules` is a list. */
  layersToTransform?: number | readonly number[] | null;
  /** The names before the layers' numbers. */
  layersPattern?: string | readonly string[] | null;
}

const positive = v.pipe(v.number(), v.integer(), v.minValue(1));
const layer = v.pipe(v.number(), v.integer(), v.minValue(0));

const Schema = v.strictObject({
  r: v.optional(positive, 8),
  loraAlpha: v.optional(v.pipe(v.number(), v.finite()), 8),
  loraDropout: v.optional(v.pipe(v.number(), v.minValue(0), v.ltValue(1)), 0),
  targetModules: v.optional(targetsEntry),
  excludeModules: v.nullish(targetsEntry),
  rankPattern: v.optional(v.record(v.string(), positive), {}),
  alphaPattern: v.optional(v.record(v.string(), v.pipe(v.number(), v.finite())), {}),
  useRslora: v.optional(v.boolean(), false),
  bias: v.optional(v.picklist(["none", "all", "lora_only"]), "none"),
  useDora: v.optional(v.boolean(), false),
  loraBias: v.optional(v.boolean(), false),
  initLoraWeights: v.optional(v.union([v.boolean(), v.picklist(["gaussian", "orthogonal"])]), true),
  layersToTransform: v.nullish(v.union([layer, v.array(layer)])),
  layersPattern: v.nullish(v.union([v.string(), v.array(v.string())])),
  ...commonEntries,
});

/** Fields of PEFT's that change what an adapter computes. */
const UNSUPPORTED = [
  "fan_in_fan_out",
  "use_qalora",
  "use_bdlora",
  "target_parameters",
  "trainable_token_indices",
  "layer_replication",
  "alora_invocation_tokens",
  "arrow_config",
  "megatron_config",
  "velora_config",
  "monteclora_config",
  "kasa_config",
  "ensure_weight_tying",
];
/** Fields that say how one of those works, how a start is computed that is none of a trained file's, or where. */
const IDLE = [
  "qalora_group_size",
  "megatron_core",
  "eva_config",
  "loftq_config",
  "corda_config",
  "lora_ga_config",
  "runtime_config",
];
/** Ways of making the first A and B that leave the host's weights alone, so that a trained file needs nothing of them. */
const INIT_ONLY = ["eva", "mica"];

export interface LoraConfig extends Readonly<LoraFields> {}

/** Low-rank adaptation (Hu et al. 2021) of linear layers, convolutions and embeddings: y = W x + b + scaling * B A x. */
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
    if (this.loraBias && this.useDora) throw contradiction("loraBias", "cannot be used with useDora");
    if (this.loraBias && typeof this.initLoraWeights !== "boolean") {
      throw contradiction("loraBias", "needs initLoraWeights true or false");
    }
  }

  /** From `adapter_config.json`'s object. @throws PeftError CONFIG_INVALID, also for features that are not supported */
  static fromJSON(json: unknown, place = "adapter_config.json"): LoraConfig {
    refuseTransposed(json, place);
    const fields = fieldsFromJSON(json, { schema: Schema, unsupported: UNSUPPORTED, idle: IDLE, place });
    if (INIT_ONLY.includes(fields.initLoraWeights as string)) fields.initLoraWeights = true;
    return new LoraConfig(fields);
  }

  override attach(host: HostModel, _adapterName: string, { seed = 0 }: AttachOptions = {}): Attachment {
    return attachLora(host, this, seed);
  }

  override combine(
    _host: HostModel,
    sources: readonly CombinationSource<PeftConfig>[],
    options: CombinationOptions,
  ): Promise<Combination<LoraConfig>> {
    return combineLora(sources as readonly CombinationSource<LoraConfig>[], options);
  }
}

function hasLayers(layers: LoraFields["layersToTransform"]): boolean {
  return typeof layers === "number" || (layers?.length ?? 0) > 0;
}

function contradiction(field: string, reason: string): PeftError {
  return new PeftError("CONFIG_INVALID", `LoraConfig: ${field} ${reason}`, { place: field });
}
