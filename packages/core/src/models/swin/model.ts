// The Swin transformer (Liu et al. 2021), with the module names of Hugging Face's checkpoint files.

import * as tf from "@tensorflow/tfjs";
import { PeftError } from "../../errors.js";
import { Conv2d, Dropout, type Initializer, type Layer, LayerNorm, Linear, Module } from "../../nn/index.js";
import { pad } from "../../ops/index.js";
import { type Grid, SwinBlock } from "./block.js";
import { type SwinConfig, widthOf } from "./config.js";

/** Of the norms before the first block and at the merging of patches, whatever the config says of the others. */
const OUTER_EPS = 1e-5;

/** Tokens of a grid, row by row. */
interface TokenMap {
  /** [batch, rows * columns, C] */
  readonly tokens: tf.Tensor;
  readonly grid: Grid;
}

/** pixels [batch, channels, height, width] to tokens; padded with zeros to whole patches. */
export class SwinEmbeddings extends Module {
  readonly patch_embeddings: { readonly projection: Layer };
  readonly norm: Layer;
  readonly dropout: Layer;
  readonly #config: SwinConfig;

  constructor(config: SwinConfig, init: Initializer) {
    super();
    const { numChannels, embedDim, patchSize } = config;
    this.#config = config;
    this.patch_embeddings = {
      projection: new Conv2d(numChannels, embedDim, { kernel: [patchSize, patchSize], stride: patchSize, init }),
    };
    this.norm = new LayerNorm(embedDim, OUTER_EPS);
    this.dropout = new Dropout(config.dropout.hidden);
  }

  override forward(pixels: tf.Tensor): TokenMap {
    const { numChannels, patchSize, embedDim } = this.#config;
    const [batch, channels, height, width] = pixels.shape as [number, number, number, number];
    if (pixels.rank !== 4 || channels !== numChannels) {
      throw new PeftError(
        "SHAPE_MISMATCH",
        `expected pixels of [batch, ${numChannels}, height, width], got [${pixels.shape}]`,
        { place: this.path },
      );
    }
    const map = this.patch_embeddings.projection.forward(padToMultiples(pixels, [height, width], patchSize, 0));
    const grid: Grid = [map.shape[2]!, map.shape[3]!];
    const tokens = tf.transpose(tf.reshape(map, [batch, embedDim, grid[0] * grid[1]]), [0, 2, 1]);
    return { tokens: this.dropout.forward(this.norm.forward(tokens)), grid };
  }
}

/** Four neighbours become one token of twice the width: [batch, tokens, C] to [batch, tokens / 4, 2 C]. */
export class SwinPatchMerging extends Module {
  readonly norm: Layer;
  readonly reduction: Layer;

  constructor(width: number, init: Initializer) {
    super();
    this.norm = new LayerNorm(4 * width, OUTER_EPS);
    this.reduction = new Linear(4 * width, 2 * width, { bias: false, init });
  }

  override forward({ tokens, grid }: TokenMap): TokenMap {
    const [batch, , width] = tokens.shape as [number, number, number];
    const map = padToMultiples(tf.reshape(tokens, [batch, ...grid, width]), grid, 2, 1);
    const half: Grid = [map.shape[1]! / 2, map.shape[2]! / 2];
    // The upper left, the lower left, the upper right, the lower right.
    const apart = tf.reshape(map, [batch * half[0], 2, half[1], 2, width]);
    const grouped = tf.reshape(tf.transpose(apart, [0, 2, 3, 1, 4]), [batch, half[0] * half[1], 4 * width]);
    return { tokens: this.reduction.forward(this.norm.forward(grouped)), grid: half };
  }
}

/** Pads rows and columns, behind which `trailing` axes stand, with zeros at their ends. */
function padToMultiples(x: tf.Tensor, lengths: readonly [number, number], of: number, trailing: 0 | 1): tf.Tensor {
  const [down, across] = lengths.map((length) => (of - (length % of)) % of) as [number, number];
  if (down + across === 0) return x;
  const pads: [number, number][] = [
    [0, down],
    [0, across],
  ];
  return pad(x, trailing === 0 ? pads : [...pads, [0, 0]]);
}

/** Blocks of one width, and the merging of patches after them; the last stage has none. */
export class SwinStage extends Module {
  readonly blocks: readonly SwinBlock[];
  readonly downsample?: SwinPatchMerging;

  constructor(config: SwinConfig, stage: number, init: Initializer) {
    super();
    const { depths, numHeads, dropout } = config;
    const width = widthOf(config, stage);
    const before = depths.slice(0, stage).reduce((sum, depth) => sum + depth, 0);
    const all = depths.reduce((sum, depth) => sum + depth, 0);
    this.blocks = Array.from({ length: depths[stage]! }, (_, i) => {
      const dropPath = (dropout.path * (before + i)) / Math.max(all - 1, 1);
      return new SwinBlock(config, { width, heads: numHeads[stage]!, shifted: i % 2 === 1, dropPath }, init);
    });
    if (stage < depths.length - 1) this.downsample = new SwinPatchMerging(width, init);
  }

  override forward({ tokens, grid }: TokenMap): TokenMap {
    const out = this.blocks.reduce((x, block) => block.forward(x, grid), tokens);
    return this.downsample?.forward({ tokens: out, grid }) ?? { tokens: out, grid };
  }
}

export interface SwinOutput {
  /** After the final norm, [batch, tokens, C]. */
  readonly lastHiddenState: tf.Tensor;
  /** The embeddings' output and each stage's, with its merging: [batch, tokens, C]. */
  readonly hiddenStates: readonly tf.Tensor[];
}

/** The bare model, without a head. */
export class SwinModel extends Module {
  readonly embeddings: SwinEmbeddings;
  readonly encoder: { readonly layers: readonly SwinStage[] };
  readonly layernorm: Layer;

  constructor(
    readonly config: SwinConfig,
    init: Initializer,
  ) {
    super();
    this.embeddings = new SwinEmbeddings(config, init);
    this.encoder = { layers: config.depths.map((_, stage) => new SwinStage(config, stage, init)) };
    this.layernorm = new LayerNorm(widthOf(config, config.depths.length - 1), config.layerNormEps);
  }

  override forward(pixels: tf.Tensor): SwinOutput {
    let map = this.embeddings.forward(pixels);
    const hiddenStates = [map.tokens];
    for (const stage of this.encoder.layers) {
      map = stage.forward(map);
      hiddenStates.push(map.tokens);
    }
    return { lastHiddenState: this.layernorm.forward(map.tokens), hiddenStates };
  }
}
