// The paper's hosts at full size (`mosa.md` §2.1, §2.2), from files of Hugging Face and of timm: names, sizes, and the dropout
// that stays live. The files are holes of the right length: loading reads no number.

import { mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getPeftModel, SwinForImageClassification, ViTForImageClassification } from "@peft/core";
import { expect, it } from "vitest";
import { MOSA_HOST, MOSA_PRESETS, MOSA_SWIN_HOST, MosaConfig } from "../src/index.js";

type Shapes = [name: string, shape: readonly number[]][];

const affine = (name: string, ...shape: number[]): Shapes => [
  [`${name}.weight`, shape],
  [`${name}.bias`, [shape[0]!]],
];

interface ViTSize {
  readonly name: string;
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  readonly inner: number;
  readonly patch: number;
  /** Tokens of 224 pixels, and the numbers of the deployed adapters (§5). */
  readonly tokens: number;
  readonly deployed: number;
}

const VITS: ViTSize[] = [
  { name: "base", width: 768, layers: 12, heads: 12, inner: 3072, patch: 16, tokens: 197, deployed: 1_208_064 },
  { name: "large", width: 1024, layers: 24, heads: 16, inner: 4096, patch: 16, tokens: 197, deployed: 3_220_992 },
  { name: "huge", width: 1280, layers: 32, heads: 16, inner: 5120, patch: 14, tokens: 257, deployed: 5_367_808 },
];

function vitOfHub({ width: d, layers, inner, patch, tokens }: ViTSize): Shapes {
  const blocks = Array.from({ length: layers }, (_, i) => `encoder.layer.${i}`).flatMap((block) => [
    ...["query", "key", "value"].flatMap((name) => affine(`${block}.attention.attention.${name}`, d, d)),
    ...affine(`${block}.attention.output.dense`, d, d),
    ...affine(`${block}.intermediate.dense`, inner, d),
    ...affine(`${block}.output.dense`, d, inner),
    ...affine(`${block}.layernorm_before`, d),
    ...affine(`${block}.layernorm_after`, d),
  ]);
  return [
    ["embeddings.cls_token", [1, 1, d]],
    ["embeddings.position_embeddings", [1, tokens, d]],
    ...affine("embeddings.patch_embeddings.projection", d, 3, patch, patch),
    ...blocks,
    ...affine("layernorm", d),
    // The checkpoints of ImageNet-21k have a pooler and no head.
    ...affine("pooler.dense", d, d),
  ];
}

function vitOfTimm({ width: d, layers, inner, patch, tokens }: ViTSize): Shapes {
  const blocks = Array.from({ length: layers }, (_, i) => `blocks.${i}`).flatMap((block) => [
    ...affine(`${block}.norm1`, d),
    ...affine(`${block}.attn.qkv`, 3 * d, d),
    ...affine(`${block}.attn.proj`, d, d),
    ...affine(`${block}.norm2`, d),
    ...affine(`${block}.mlp.fc1`, inner, d),
    ...affine(`${block}.mlp.fc2`, d, inner),
  ]);
  return [
    ["cls_token", [1, 1, d]],
    ["pos_embed", [1, tokens, d]],
    ...affine("patch_embed.proj", d, 3, patch, patch),
    ...blocks,
    ...affine("norm", d),
  ];
}

const DEPTHS = [2, 2, 18, 2];
const SWIN_HEADS = [4, 8, 16, 32];

function swin(from: "hub" | "timm"): Shapes {
  const isTimm = from === "timm";
  const stages = DEPTHS.flatMap((depth, s) => {
    const d = 128 * 2 ** s;
    const blocks = Array.from({ length: depth }, (_, b): Shapes => {
      const block = `${isTimm ? "" : "encoder."}layers.${s}.blocks.${b}`;
      const table = (path: string): Shapes => [[`${path}.relative_position_bias_table`, [13 * 13, SWIN_HEADS[s]!]]];
      if (isTimm) {
        return [
          ...affine(`${block}.norm1`, d),
          ...table(`${block}.attn`),
          ...affine(`${block}.attn.qkv`, 3 * d, d),
          ...affine(`${block}.attn.proj`, d, d),
          ...affine(`${block}.norm2`, d),
          ...affine(`${block}.mlp.fc1`, 4 * d, d),
          ...affine(`${block}.mlp.fc2`, d, 4 * d),
        ];
      }
      return [
        ...affine(`${block}.layernorm_before`, d),
        ...table(`${block}.attention.self`),
        ...["query", "key", "value"].flatMap((name) => affine(`${block}.attention.self.${name}`, d, d)),
        ...affine(`${block}.attention.output.dense`, d, d),
        ...affine(`${block}.layernorm_after`, d),
        ...affine(`${block}.intermediate.dense`, 4 * d, d),
        ...affine(`${block}.output.dense`, d, 4 * d),
      ];
    });
    // timm merges at the beginning of a stage, transformers at the end of the one before.
    const merging = isTimm ? s + 1 : s;
    const path = `${isTimm ? "" : "encoder."}layers.${merging}.downsample`;
    const down: Shapes =
      s === 3 ? [] : [...affine(`${path}.norm`, 4 * d), [`${path}.reduction.weight`, [2 * d, 4 * d]]];
    return [...blocks.flat(), ...down];
  });
  const [patches, norm] = isTimm
    ? ["patch_embed.proj", "patch_embed.norm"]
    : ["embeddings.patch_embeddings.projection", "embeddings.norm"];
  return [
    ...affine(patches!, 128, 3, 4, 4),
    ...affine(norm!, 128),
    ...stages,
    ...affine(isTimm ? "norm" : "layernorm", 1024),
    ...affine(isTimm ? "head.fc" : "classifier", 10, 1024),
  ];
}

async function inFolder<T>(config: object, shapes: Shapes, body: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "host-"));
  try {
    await writeFile(join(folder, "config.json"), JSON.stringify(config));
    let end = 0;
    const header = Object.fromEntries(
      shapes.map(([name, shape]) => {
        const begin = end;
        end += 4 * shape.reduce((product, d) => product * d, 1);
        return [name, { dtype: "F32", shape, data_offsets: [begin, end] }];
      }),
    );
    const json = Buffer.from(JSON.stringify(header));
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(json.length));
    const file = await open(join(folder, "model.safetensors"), "w");
    await file.writeFile(Buffer.concat([length, json]));
    await file.truncate(8 + json.length + end);
    await file.close();
    return await body(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

const labels = ["a", "b"];

it.each(VITS.flatMap((size) => (["hub", "timm"] as const).map((from) => ({ ...size, from }))))(
  "ViT-$name of $from stands with live dropout, an epsilon of 1e-6, and adapters of $deployed numbers",
  async ({ from, ...size }) => {
    const json =
      from === "timm"
        ? { architecture: `vit_${size.name}_patch${size.patch}_224`, num_classes: 0, global_pool: "token" }
        : {
            model_type: "vit",
            hidden_size: size.width,
            num_hidden_layers: size.layers,
            num_attention_heads: size.heads,
            intermediate_size: size.inner,
            patch_size: size.patch,
            layer_norm_eps: 1e-12,
          };
    await inFolder(json, from === "timm" ? vitOfTimm(size) : vitOfHub(size), async (folder) => {
      const host = await ViTForImageClassification.fromPretrained(folder, { labels, ...MOSA_HOST });
      expect(host.config).toMatchObject({
        numAttentionHeads: size.heads,
        imageSize: [224, 224],
        dropout: { embeddings: 0.1, attention: 0, mlp: 0.1 },
        layerNormEps: 1e-6,
        positionResize: "bilinear",
        labels,
      });
      const config = new MosaConfig({ ...MOSA_PRESETS.cub200.adapter, numExperts: 1, modulesToSave: null });
      const trained = [...getPeftModel(host, config).trainableParameters().values()];
      expect(trained.reduce((sum, { size: n }) => sum + n, 0)).toBe(size.deployed);
    });
  },
);

it.each(["hub", "timm"] as const)(
  "Swin-B of %s stands with stochastic depth from 0 to 0.5 over its 24 blocks, no dropout, and adapters of 1,553,664 numbers",
  async (from) => {
    const json =
      from === "timm"
        ? { architecture: "swin_base_patch4_window7_224" }
        : { model_type: "swin", embed_dim: 128, depths: DEPTHS, num_heads: SWIN_HEADS, drop_path_rate: 0.1 };
    await inFolder(json, swin(from), async (folder) => {
      const host = await SwinForImageClassification.fromPretrained(folder, { labels, ...MOSA_SWIN_HOST });
      const dropout = { hidden: 0, attention: 0, path: 0.5 };
      expect(host.config).toMatchObject({ numHeads: SWIN_HEADS, dropout, dropPathOn: "both", labels });
      const rates = host.swin.encoder.layers.flatMap(({ blocks }) =>
        blocks.map(({ attention }) => (attention.drop_path as { rate?: number }).rate!),
      );
      expect(rates).toHaveLength(24);
      for (const [i, rate] of rates.entries()) expect(rate).toBeCloseTo((0.5 * i) / 23, 12);
      const config = new MosaConfig({ style: "swin", numExperts: 1, modulesToSave: null });
      const trained = [...getPeftModel(host, config).trainableParameters().values()];
      expect(trained.reduce((sum, { size }) => sum + size, 0)).toBe(1_553_664);
    });
  },
);
