// timm's vision transformers: other names, queries, keys and values in one matrix, and a config that says little, so that
// most sizes are read from the tensors (`encoder-hosts.md` §3.4).

import { PeftError } from "../../errors.js";
import type { TensorSource } from "../../files/index.js";
import type { Translate } from "../loading.js";
import { nameTable } from "../names.js";
import type { ViTConfig } from "./config.js";

/** timm's layer norms, whatever their config says. */
const TIMM_EPS = 1e-6;

type Tensors = Pick<TensorSource, "tensors">;

export function isTimm({ tensors }: Tensors): boolean {
  return tensors.has("patch_embed.proj.weight");
}

/** Tensors by which a variant is known that computes something else than a plain ViT. */
const VARIANTS: readonly [RegExp, string][] = [
  [/^(dist_token|head_dist\.)/, "a distilled DeiT"],
  [/^(fc_norm\.|attn_pool\.)/, "one that pools all tokens"],
  [/^reg_token/, "one with register tokens"],
  [/\.ls[12]\.gamma$/, "one with layer scale"],
  [/^norm_pre\./, "one with a norm before the blocks"],
  [/\.attn\.[qk]_norm\./, "one that normalises queries and keys"],
];

const HEADS: Readonly<Record<string, number>> = { tiny: 3, small: 6, base: 12, large: 16, huge: 16 };

/**
 * @param json the object of timm's `config.json`
 * @throws PeftError CHECKPOINT_INVALID for a variant that is not a plain ViT, or sizes that cannot be told
 */
export function parseTimmConfig(json: unknown, { tensors }: Tensors, place: string): ViTConfig {
  for (const name of tensors.keys()) {
    const variant = VARIANTS.find(([pattern]) => pattern.test(name));
    if (variant) throw unsupported(`${variant[1]} (it has ${name})`, place);
  }
  const config = (json ?? {}) as {
    architecture?: string;
    global_pool?: string;
    label_names?: string[];
    model_args?: Args;
  };
  const pool = config.model_args?.global_pool ?? config.global_pool ?? "token";
  if (pool !== "token") throw unsupported(`one whose pooling is "${pool}"`, place);
  const shape = (name: string): readonly number[] => {
    const info = tensors.get(name);
    if (info) return info.shape;
    throw unsupported(`one without ${name}`, place);
  };
  const [hiddenSize, numChannels, ...patchSize] = shape("patch_embed.proj.weight") as [number, number, number, number];
  const size = /_(tiny|small|base|large|huge)_/.exec(`_${config.architecture ?? ""}_`)?.[1];
  const heads = config.model_args?.num_heads ?? (size && HEADS[size]);
  if (!heads)
    throw unsupported("one whose number of heads is not known (give model_args.num_heads in its config)", place);
  const patches = shape("pos_embed")[1]! - 1;
  const grid = Math.round(Math.sqrt(patches));
  if (grid * grid !== patches)
    throw unsupported("one with a position table that is not square with a class token", place);
  const classes = tensors.get("head.weight")?.shape[0] ?? 0;
  return {
    hiddenSize,
    numHiddenLayers:
      1 + Math.max(...[...tensors.keys()].map((name) => Number(/^blocks\.(\d+)\./.exec(name)?.[1] ?? -1))),
    numAttentionHeads: heads,
    intermediateSize: shape("blocks.0.mlp.fc1.weight")[0]!,
    hiddenAct: "gelu",
    dropout: { embeddings: 0, attention: 0, mlp: 0 },
    initializerRange: 0.02,
    layerNormEps: TIMM_EPS,
    imageSize: [grid * patchSize[0]!, grid * patchSize[1]!],
    patchSize,
    numChannels,
    qkvBias: tensors.has("blocks.0.attn.qkv.bias"),
    labels: Array.from({ length: classes }, (_, i) => config.label_names?.[i] ?? `LABEL_${i}`),
  };
}

interface Args {
  readonly num_heads?: number;
  readonly global_pool?: string;
}

function unsupported(variant: string, place: string): PeftError {
  return new PeftError("CHECKPOINT_INVALID", `this timm model is not a plain vision transformer but ${variant}`, {
    place,
    hint: "load a ViT or non-distilled DeiT with a class token",
  });
}

const NAMES = nameTable([
  ["embeddings.position_embeddings", "pos_embed"],
  ["embeddings.cls_token", "cls_token"],
  ["embeddings.patch_embeddings.projection", "patch_embed.proj"],
  ["encoder.layer.{i}", "blocks.{i}"],
  ["layernorm_before", "norm1"],
  ["layernorm_after", "norm2"],
  ["layernorm", "norm"],
  ["attention.output.dense", "attn.proj"],
  ["intermediate.dense", "mlp.fc1"],
  ["output.dense", "mlp.fc2"],
  ["classifier", "head"],
]);

/** Hugging Face's names of a tensor of timm's: those of a bare model, or of the head. */
export const timmNames: Translate = (fileName) => {
  const name = NAMES.toHost(fileName);
  const stacked = /^(.*)\.attn\.qkv\.(weight|bias)$/.exec(name);
  if (!stacked) return [name];
  return ["query", "key", "value"].map((part) => `${stacked[1]}.attention.attention.${part}.${stacked[2]}`);
};
