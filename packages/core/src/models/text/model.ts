// The bare encoder of BERT (Devlin et al. 2019) and RoBERTa (Liu et al. 2019), with the module names of Hugging Face's
// checkpoint files. Both have the same modules; they differ in how places are counted (`inputs.ts`).

import * as tf from "@tensorflow/tfjs";
import { PeftError } from "../../errors.js";
import { type Initializer, type Layer, Linear, Module } from "../../nn/index.js";
import { paddingMask } from "../../ops/index.js";
import type { ModelArguments, ModelInputs } from "../hostModel.js";
import { checkIds } from "../ids.js";
import { type SaveOptions, saveModel } from "../loading.js";
import { lastTokens } from "../tokenPlace.js";
import { serializeTextConfig, type TextConfig } from "./config.js";
import { TextEmbeddings } from "./embeddings.js";
import { tableRows } from "./inputs.js";
import { TextLayer } from "./layer.js";

export interface TextOutput {
  /** [batch, tokens, H]; prompts come first. */
  readonly lastHiddenState: tf.Tensor;
  /** The embeddings' output and each block's, [batch, tokens, H]; prompts come first. */
  readonly hiddenStates: readonly tf.Tensor[];
}

/**
 * Inputs: `inputIds` [batch, tokens] int32; `attentionMask` [batch, tokens], 1 for a token and 0 for padding, by default all
 * ones; `tokenTypeIds` [batch, tokens] int32, by default zeros; `positionIds` [batch, tokens] int32, by default counted.
 */
export abstract class TextModel extends Module {
  readonly embeddings: TextEmbeddings;
  readonly encoder: { readonly layer: readonly TextLayer[] };
  /** Present where the checkpoint has one, or the head wants one. */
  readonly pooler?: { readonly dense: Layer };

  constructor(
    readonly config: TextConfig,
    { init, pooler }: { init: Initializer; pooler: boolean },
  ) {
    super();
    this.embeddings = new TextEmbeddings(config, init);
    this.encoder = { layer: Array.from({ length: config.numHiddenLayers }, () => new TextLayer(config, init)) };
    if (pooler) this.pooler = { dense: new Linear(config.hiddenSize, config.hiddenSize, { init }) };
  }

  /** Of the class, as transformers has it. */
  abstract get architecture(): string;

  /** Writes `config.json` and `model.safetensors`. @throws PeftError FILE_UNWRITABLE */
  savePretrained(directory: string, options: SaveOptions = {}): Promise<void> {
    return saveModel(directory, this, serializeTextConfig(this.config, this.architecture), options);
  }

  /** Looks at ids whose numbers are on the host. @throws PeftError DATA_INVALID */
  checkInputs(inputs: ModelArguments): void {
    checkIds(inputs, tableRows(this.config));
  }

  override forward(inputs: ModelInputs): TextOutput {
    const past = this.encoder.layer[0]!.attention.self.prefix.keys.count;
    const hiddenStates = [this.embeddings.forward(inputs, past)];
    const mask = inputs.attentionMask && paddingMask(inputs.attentionMask);
    for (const layer of this.encoder.layer) hiddenStates.push(layer.forward(hiddenStates.at(-1)!, mask));
    return { lastHiddenState: hiddenStates.at(-1)!, hiddenStates };
  }

  /** tanh of a dense layer over the first token: [batch, H]. @throws PeftError KEY_MISMATCH where there is no pooler */
  pool(output: TextOutput): tf.Tensor {
    if (!this.pooler) {
      throw new PeftError("KEY_MISMATCH", "the checkpoint of this model has no pooler", {
        place: this.path || undefined,
        hint: "take the first token's vector, or the mean over the tokens, of lastHiddenState",
      });
    }
    return tf.tanh(this.pooler.dense.forward(firstToken(output)));
  }
}

/** The vectors of the text's own tokens, without those of prompts: [batch, tokens, H]. */
export function ownTokens({ lastHiddenState }: TextOutput, { inputIds }: ModelInputs): tf.Tensor {
  return lastTokens(lastHiddenState, inputIds!.shape[1]!);
}

/** The first, which is a prompt where there are any: [batch, H]. */
export function firstToken({ lastHiddenState }: TextOutput): tf.Tensor {
  const [batch, , width] = lastHiddenState.shape as [number, number, number];
  return tf.reshape(tf.slice(lastHiddenState, [0, 0, 0], [batch, 1, width]), [batch, width]);
}
