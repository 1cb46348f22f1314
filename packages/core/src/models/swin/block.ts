// A block of the Swin transformer, with the module names of Hugging Face's checkpoint files.

import * as tf from "@tensorflow/tfjs";
import { checkpoint, Parameter } from "../../engine/index.js";
import { PeftError } from "../../errors.js";
import {
  activation,
  Branch,
  Dropout,
  type Initializer,
  type Layer,
  LayerNorm,
  Linear,
  Module,
  Residual,
} from "../../nn/index.js";
import { pad, roll } from "../../ops/index.js";
import { attentionWithDropout } from "../attentionDropout.js";
import type { SwinConfig } from "./config.js";
import { DropPath } from "./dropPath.js";
import { partition, relativeIndex, shiftMask, together, windowsOn } from "./windows.js";

export type Grid = readonly [rows: number, columns: number];

/** softmax(q k^T / sqrt(d) + bias + mask) v within windows, each [places, C]. */
export class SwinSelfAttention extends Module {
  readonly query: Layer;
  readonly key: Layer;
  readonly value: Layer;
  readonly dropout: Dropout;
  /** [(2 side - 1)^2, heads] */
  readonly relative_position_bias_table: Parameter;
  readonly #heads: number;
  readonly #side: number;

  constructor({ qkvBias: bias, windowSize, dropout }: SwinConfig, width: number, heads: number, init: Initializer) {
    super();
    this.#heads = heads;
    this.#side = windowSize;
    this.query = new Linear(width, width, { bias, init });
    this.key = new Linear(width, width, { bias, init });
    this.value = new Linear(width, width, { bias, init });
    this.dropout = new Dropout(dropout.attention);
    const table = [(2 * windowSize - 1) ** 2, heads];
    this.relative_position_bias_table = Parameter.zeros(table);
  }

  /** @param mask [windows of a sample, 1, places, places], where windows were shifted */
  override forward(windows: tf.Tensor, mask: tf.Tensor | undefined): tf.Tensor {
    const [count, places] = windows.shape as [number, number, number];
    if (places !== this.#side ** 2) {
      const message = `the grid is smaller than a window of ${this.#side} x ${this.#side}`;
      throw new PeftError("SHAPE_MISMATCH", message, { place: this.path, hint: "take larger pictures" });
    }
    const index = tf.tensor1d(relativeIndex(this.#side), "int32");
    const rows = tf.reshape(tf.gather(this.relative_position_bias_table.value(), index), [places, places, this.#heads]);
    const bias = tf.reshape(tf.transpose(rows, [2, 0, 1]), [1, this.#heads, places, places]);
    const added = mask ? tf.add(bias, tf.tile(mask, [count / mask.shape[0]!, 1, 1, 1])) : bias;
    const options = { heads: this.#heads, mask: added, dropout: this.dropout };
    return attentionWithDropout(
      this.query.forward(windows),
      this.key.forward(windows),
      this.value.forward(windows),
      options,
    );
  }
}

/** A pre-norm block: h = x + attention(norm(x)) in windows; y = h + ffn(norm(h)). Every other one shifts its windows. */
export class SwinBlock extends Module {
  readonly layernorm_before: Layer;
  readonly attention: {
    readonly self: SwinSelfAttention;
    readonly output: { readonly dense: Layer; readonly dropout: Layer };
    readonly drop_path: Layer;
  };
  /** The sum after attention: where adapters of the attention block are attached. */
  readonly attention_residual: Residual;
  readonly layernorm_after: Layer;
  readonly intermediate: { readonly dense: Layer };
  readonly output: { readonly dense: Layer; readonly dropout: Layer; readonly drop_path: Layer };
  /** The feed-forward layers from their normalised input on, inside of stochastic depth: where MoSA's adapters stand. */
  readonly ffn_branch: Branch;
  /** The sum after the feed-forward layers: where adapters beside or behind them are attached. */
  readonly ffn_residual: Residual;
  readonly #side: number;
  readonly #shift: number;
  readonly #activation: (x: tf.Tensor) => tf.Tensor;

  constructor(
    config: SwinConfig,
    { width, heads, shifted, dropPath }: { width: number; heads: number; shifted: boolean; dropPath: number },
    init: Initializer,
  ) {
    super();
    const { layerNormEps, dropout, mlpRatio, windowSize } = config;
    const inner = Math.trunc(mlpRatio * width);
    this.#side = windowSize;
    this.#shift = shifted ? Math.floor(windowSize / 2) : 0;
    this.#activation = activation(config.hiddenAct);
    this.layernorm_before = new LayerNorm(width, layerNormEps);
    this.attention = {
      self: new SwinSelfAttention(config, width, heads, init),
      output: { dense: new Linear(width, width, { init }), dropout: new Dropout(dropout.hidden) },
      drop_path: new DropPath(dropPath),
    };
    this.attention_residual = new Residual(width);
    this.layernorm_after = new LayerNorm(width, layerNormEps);
    this.intermediate = { dense: new Linear(width, inner, { init }) };
    this.output = {
      dense: new Linear(inner, width, { init }),
      dropout: new Dropout(dropout.hidden),
      drop_path: new DropPath(config.dropPathOn === "both" ? dropPath : 0),
    };
    this.ffn_branch = new Branch(width);
    this.ffn_residual = new Residual(width);
  }

  /** @param x [batch, rows * columns, C] */
  override forward(x: tf.Tensor, grid: Grid): tf.Tensor {
    const a = this.attention.drop_path.forward(this.#attend(this.layernorm_before.forward(x), grid));
    const h = this.attention_residual.forward(x, a);
    return checkpoint(() => {
      const u = this.layernorm_after.forward(h);
      const inner = this.#activation(this.intermediate.dense.forward(u));
      const f = this.ffn_branch.forward(u, this.output.dropout.forward(this.output.dense.forward(inner)));
      return this.ffn_residual.forward(h, this.output.drop_path.forward(f));
    });
  }

  /** Attention in windows. The grid is padded with zeros to whole windows, and nothing hides the padding. */
  #attend(x: tf.Tensor, grid: Grid): tf.Tensor {
    const [batch, tokens, width] = x.shape as [number, number, number];
    const { side, shift } = windowsOn(grid, this.#side, this.#shift);
    const whole = grid.map((length) => Math.ceil(length / side) * side) as unknown as Grid;
    const [below, beside] = [whole[0] - grid[0], whole[1] - grid[1]];
    const map = tf.reshape(x, [batch, grid[0], grid[1], width]);
    const padded =
      below + beside > 0
        ? pad(map, [
            [0, below],
            [0, beside],
            [0, 0],
          ])
        : map;
    const windows = partition(roll(padded, [-shift, -shift], [1, 2]), side);

    const { self, output } = this.attention;
    const places = side * side;
    const mask =
      shift > 0
        ? tf.tensor(shiftMask(whole, side, shift), [(whole[0] * whole[1]) / places, 1, places, places])
        : undefined;
    const attended = output.dropout.forward(output.dense.forward(self.forward(windows, mask)));

    const back = roll(together(attended, side, whole), [shift, shift], [1, 2]);
    const cropped = below + beside > 0 ? tf.slice(back, [0, 0, 0, 0], [batch, grid[0], grid[1], width]) : back;
    return tf.reshape(cropped, [batch, tokens, width]);
  }
}
