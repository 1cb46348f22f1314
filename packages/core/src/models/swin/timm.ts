// timm's Swin transformers: other names, queries, keys and values in one matrix, and a config that says little, so that the
// sizes are read from the tensors (`encoder-hosts.md` §4.4). The original repository's files have the older of the two forms.

import { PeftError } from "../../errors.js";
import type { TensorSource } from "../../files/index.js";
import type { Translate } from "../loading.js";
import { nameTable } from "../names.js";
import type { SwinConfig } from "./config.js";

type Tensors = Pick<TensorSource, "tensors">;

export function isTimm({ tensors }: Tensors): boolean {
  return tensors.has("patch_embed.proj.weight");
}

/** Whether merging stands at the beginning of a stage and the head is `head.fc`, as timm has it since 2023. */
function isNew({ tensors }: Tensors): boolean {
  return !tensors.has("layers.0.downsample.reduction.weight");
}

/**
 * @param json the object of timm's `config.json`
 * @throws PeftError CHECKPOINT_INVALID for what is not the first version of Swin
 */
export function parseTimmConfig(json: unknown, { tensors }: Tensors, place: string): SwinConfig {
  const stranger = [...tensors.keys()].find((name) => /\.(cpb_mlp|logit_scale|q_bias)\b|absolute_pos_embed/.test(name));
  if (stranger) throw unsupported(`one of another version (it has ${stranger})`, place);
  const shape = (name: string): readonly number[] => {
    const info = tensors.get(name);
    if (info) return info.shape;
    throw unsupported(`one without ${name}`, place);
  };
  const [embedDim, numChannels, patchSize] = shape("patch_embed.proj.weight") as [number, number, number];
  const depths: number[] = [];
  for (const name of tensors.keys()) {
    const [, stage, block] = /^layers\.(\d+)\.blocks\.(\d+)\.norm1\.weight$/.exec(name) ?? [];
    if (stage) depths[Number(stage)] = Math.max(depths[Number(stage)] ?? 0, Number(block) + 1);
  }
  const table = (stage: number) => shape(`layers.${stage}.blocks.0.attn.relative_position_bias_table`);
  const config = (json ?? {}) as {
    label_names?: string[];
    pretrained_cfg?: { input_size?: readonly number[]; label_names?: string[] };
  };
  const names = config.label_names ?? config.pretrained_cfg?.label_names;
  const classes = tensors.get("head.fc.weight")?.shape[0] ?? tensors.get("head.weight")?.shape[0] ?? 0;
  return {
    imageSize: config.pretrained_cfg?.input_size?.at(-1) ?? 224,
    patchSize,
    numChannels,
    embedDim,
    depths,
    numHeads: depths.map((_, stage) => table(stage)[1]!),
    windowSize: (Math.round(Math.sqrt(table(0)[0]!)) + 1) / 2,
    mlpRatio: shape("layers.0.blocks.0.mlp.fc1.weight")[0]! / embedDim,
    qkvBias: tensors.has("layers.0.blocks.0.attn.qkv.bias"),
    dropout: { hidden: 0, attention: 0, path: 0.1 },
    dropPathOn: "both",
    hiddenAct: "gelu",
    initializerRange: 0.02,
    layerNormEps: 1e-5,
    labels: Array.from({ length: classes }, (_, i) => names?.[i] ?? `LABEL_${i}`),
  };
}

function unsupported(variant: string, place: string): PeftError {
  return new PeftError("CHECKPOINT_INVALID", `this timm model is not a Swin transformer but ${variant}`, {
    place,
    hint: "load a model whose name begins with swin_, not swinv2_",
  });
}

const NAMES = nameTable([
  ["embeddings.patch_embeddings.projection", "patch_embed.proj"],
  ["embeddings.norm", "patch_embed.norm"],
  ["encoder.layers.{i}", "layers.{i}"],
  ["layernorm_before", "norm1"],
  ["layernorm_after", "norm2"],
  ["attention.output.dense", "attn.proj"],
  ["attention.self.relative_position_bias_table", "attn.relative_position_bias_table"],
  ["intermediate.dense", "mlp.fc1"],
  ["output.dense", "mlp.fc2"],
  ["classifier", "head.fc"],
]);

/** Hugging Face's names of a tensor of timm's: those of a bare model, or of the head. */
export function timmNames(weights: Tensors): Translate {
  return (fileName) => {
    const merging = /^layers\.(\d+)\.downsample\.(.*)$/.exec(fileName);
    // The merging before a stage is that after the one before.
    if (merging) return [`encoder.layers.${Number(merging[1]) - (isNew(weights) ? 1 : 0)}.downsample.${merging[2]}`];
    const outermost = /^norm\.(.*)$/.exec(fileName);
    if (outermost) return [`layernorm.${outermost[1]}`];
    const name = NAMES.toHost(fileName.replace(/^head\.(weight|bias)$/, "head.fc.$1"));
    const stacked = /^(.*)\.attn\.qkv\.(weight|bias)$/.exec(name);
    if (!stacked) return [name];
    return ["query", "key", "value"].map((part) => `${stacked[1]}.attention.self.${part}.${stacked[2]}`);
  };
}
