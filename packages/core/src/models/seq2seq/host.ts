// What encoder-decoder hosts have in common: their inputs, the loss, and what generation needs to know of them.

import * as tf from "@tensorflow/tfjs";
import { PeftError } from "../../errors.js";
import { causalMask, paddingMask, softmaxCrossEntropy } from "../../ops/index.js";
import { HostModel, type ModelArguments, type ModelInputs, type ModelOutput } from "../hostModel.js";
import { checkIds } from "../ids.js";
import { type AttentionCache, attentionCache } from "./cache.js";
import type { GenerationConfig } from "./generationConfig.js";
import { shiftRight } from "./labels.js";

/** What generation needs to know of a model. */
export interface Seq2SeqTokens {
  readonly vocabSize: number;
  readonly padTokenId: number;
  readonly decoderStartTokenId: number;
}

/**
 * An encoder and a decoder with a head over the vocabulary. Inputs, all int32: `inputIds` [batch, source]; `attentionMask`
 * [batch, source], 1 for a token and 0 for padding, where it is not all ones; `decoderInputIds` [batch, target], the labels
 * one place later where it is not given; `decoderAttentionMask` [batch, target]; for training `labels` [batch, target], -100
 * where a place does not count. The logits are [batch, target, vocabulary].
 */
export abstract class Seq2SeqModel extends HostModel {
  /** Settings of `generate` that came with the model. */
  abstract readonly generationConfig: GenerationConfig;
  abstract readonly tokens: Seq2SeqTokens;

  /** The largest number of tokens that encoder or decoder can number; undefined for a model without a limit. */
  get maxPositions(): number | undefined {
    return undefined;
  }

  override checkInputs(inputs: ModelArguments): void {
    const { vocabSize } = this.tokens;
    checkIds(inputs, { inputIds: vocabSize, decoderInputIds: vocabSize, labels: vocabSize });
  }

  /** The encoder's output, [batch, source, width]. */
  abstract encode(inputs: ModelInputs): tf.Tensor;

  /**
   * @param inputs `decoderInputIds`, and the masks
   * @param encoded the encoder's output; not needed in a step with a filled cache
   */
  abstract decode(inputs: ModelInputs, encoded: tf.Tensor | undefined): ModelOutput;

  /** @throws PeftError ARGUMENT_INVALID where an input is missing */
  override forward(inputs: ModelInputs): ModelOutput {
    const { inputIds, labels } = inputs;
    const { decoderStartTokenId, padTokenId } = this.tokens;
    const decoderInputIds = inputs.decoderInputIds ?? (labels && shiftRight(labels, decoderStartTokenId, padTokenId));
    if (!decoderInputIds) throw missing("decoderInputIds", "give them, or labels to make them of");
    if (!inputIds && !attentionCache()?.place) throw missing("inputIds", "give the encoder's tokens");
    return this.decode({ ...inputs, decoderInputIds }, inputIds && this.encode(inputs));
  }

  /** Cross-entropy with `labels`, the mean over the places that count. */
  override loss({ logits }: ModelOutput, { labels }: ModelInputs): tf.Tensor {
    if (!labels) throw missing("labels", "the loss needs the target's tokens");
    return softmaxCrossEntropy(logits, labels);
  }
}

function missing(name: string, hint: string): PeftError {
  return new PeftError("ARGUMENT_INVALID", `the model was given no ${name}`, { place: name, hint });
}

/** The mask of a decoder's attention to its own tokens, [1 or batch, 1, target, target or the cache's length]. */
export function decoderMask(ids: tf.Tensor, attentionMask: tf.Tensor | undefined): tf.Tensor {
  const cache: AttentionCache | undefined = attentionCache();
  if (cache?.place) return paddingMask(cache.visible(cache.place));
  const causal = causalMask(ids.shape[1]!);
  // The lower of both: their sum would not be a number of float32.
  return attentionMask ? tf.minimum(causal, paddingMask(attentionMask)) : causal;
}
