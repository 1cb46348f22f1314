// The configuration of a Swin transformer, as `config.json` has it.

import * as v from "valibot";
import { PeftError } from "../../errors.js";
import { checkModelType, LABEL_FIELDS, labelsOf, labelsToJSON, parseFields } from "../configFields.js";
import { PROBLEM_TYPES, type ProblemType } from "../sequenceLoss.js";

const positive = v.pipe(v.number(), v.integer(), v.minValue(1));
const rate = v.pipe(v.number(), v.minValue(0), v.maxValue(1));

const Schema = v.object({
  image_size: v.optional(positive, 224),
  patch_size: v.optional(positive, 4),
  num_channels: v.optional(positive, 3),
  embed_dim: v.optional(positive, 96),
  depths: v.optional(v.pipe(v.array(positive), v.minLength(1)), [2, 2, 6, 2]),
  num_heads: v.optional(v.pipe(v.array(positive), v.minLength(1)), [3, 6, 12, 24]),
  window_size: v.optional(positive, 7),
  mlp_ratio: v.optional(v.pipe(v.number(), v.gtValue(0)), 4),
  qkv_bias: v.optional(v.boolean(), true),
  hidden_dropout_prob: v.optional(rate, 0),
  attention_probs_dropout_prob: v.optional(rate, 0),
  drop_path_rate: v.optional(rate, 0.1),
  hidden_act: v.optional(v.string(), "gelu"),
  initializer_range: v.optional(v.number(), 0.02),
  layer_norm_eps: v.optional(v.number(), 1e-5),
  ...LABEL_FIELDS,
  problem_type: v.nullish(v.picklist(PROBLEM_TYPES)),
  // What would compute something else.
  use_absolute_embeddings: v.optional(v.literal(false), false),
});

export interface SwinConfig {
  /** Side of the pictures that the weights were trained on; others are taken too. @defaultValue 224 */
  readonly imageSize: number;
  /** @defaultValue 4 */
  readonly patchSize: number;
  /** @defaultValue 3 */
  readonly numChannels: number;
  /** Width of the first stage; each next one is twice as wide. @defaultValue 96 */
  readonly embedDim: number;
  /** Blocks of each stage. @defaultValue [2, 2, 6, 2] */
  readonly depths: readonly number[];
  /** Heads of each stage. @defaultValue [3, 6, 12, 24] */
  readonly numHeads: readonly number[];
  /** Side of the windows in which there is attention. @defaultValue 7 */
  readonly windowSize: number;
  /** Width inside the feed-forward layers over the width of a block. @defaultValue 4 */
  readonly mlpRatio: number;
  /** @defaultValue true */
  readonly qkvBias: boolean;
  /**
   * Rates of dropout in training: of dense layers' outputs, of attention's probabilities, and of the branches of the last
   * block, which are left out as a whole; earlier blocks have less, down to none. @defaultValue 0, 0, 0.1
   */
  readonly dropout: { readonly hidden: number; readonly attention: number; readonly path: number };
  /**
   * Which branches are left out: those of attention alone, as in transformers, or both, as in timm and the original.
   *
   * @defaultValue "both"
   */
  readonly dropPathOn: "both" | "attention";
  /** @defaultValue "gelu", the exact one */
  readonly hiddenAct: string;
  /** Standard deviation of new weights. @defaultValue 0.02 */
  readonly initializerRange: number;
  /** @defaultValue 1e-5 */
  readonly layerNormEps: number;
  /** Class names in the order of the logits. */
  readonly labels: readonly string[];
  /** @defaultValue told by the number of classes and the type of the labels */
  readonly problemType?: ProblemType;
}

/** Reads `config.json`'s object. @throws PeftError CONFIG_INVALID naming the field */
export function parseSwinConfig(json: unknown, place: string): SwinConfig {
  checkModelType(json, "swin", place);
  const c = parseFields(Schema, json, { what: "a Swin transformer", place });
  return checked(
    {
      imageSize: c.image_size,
      patchSize: c.patch_size,
      numChannels: c.num_channels,
      embedDim: c.embed_dim,
      depths: c.depths,
      numHeads: c.num_heads,
      windowSize: c.window_size,
      mlpRatio: c.mlp_ratio,
      qkvBias: c.qkv_bias,
      dropout: { hidden: c.hidden_dropout_prob, attention: c.attention_probs_dropout_prob, path: c.drop_path_rate },
      dropPathOn: "both",
      hiddenAct: c.hidden_act,
      initializerRange: c.initializer_range,
      layerNormEps: c.layer_norm_eps,
      labels: labelsOf(c),
      ...(c.problem_type && { problemType: c.problem_type }),
    },
    place,
  );
}

/** Width of a stage, counted from 0. */
export function widthOf({ embedDim }: SwinConfig, stage: number): number {
  return embedDim * 2 ** stage;
}

function checked(config: SwinConfig, place: string): SwinConfig {
  const { depths, numHeads } = config;
  if (depths.length !== numHeads.length) {
    throw new PeftError("CONFIG_INVALID", `${depths.length} depths, but num_heads for ${numHeads.length} stages`, {
      place,
    });
  }
  for (const [stage, heads] of numHeads.entries()) {
    if (widthOf(config, stage) % heads === 0) continue;
    const message = `the width ${widthOf(config, stage)} of stage ${stage} is no multiple of its ${heads} heads`;
    throw new PeftError("CONFIG_INVALID", message, { place });
  }
  return config;
}

/** `config.json`'s object, as transformers reads it. */
export function serializeSwinConfig(config: SwinConfig): Record<string, unknown> {
  return {
    architectures: ["SwinForImageClassification"],
    model_type: "swin",
    image_size: config.imageSize,
    patch_size: config.patchSize,
    num_channels: config.numChannels,
    embed_dim: config.embedDim,
    depths: config.depths,
    num_heads: config.numHeads,
    window_size: config.windowSize,
    mlp_ratio: config.mlpRatio,
    qkv_bias: config.qkvBias,
    hidden_dropout_prob: config.dropout.hidden,
    attention_probs_dropout_prob: config.dropout.attention,
    drop_path_rate: config.dropout.path,
    hidden_act: config.hiddenAct,
    initializer_range: config.initializerRange,
    layer_norm_eps: config.layerNormEps,
    ...labelsToJSON(config.labels),
    ...(config.problemType && { problem_type: config.problemType }),
  };
}
