// BART with a classifier over the decoder's output at the last end-of-sequence token, as for natural language inference.

import * as tf from "@tensorflow/tfjs";
import { PeftError } from "../../errors.js";
import { Dropout, type Initializer, Layer, Linear, nameModules, normal } from "../../nn/index.js";
import {
  HostModel,
  type Ia3Targets,
  type ModelArguments,
  type ModelInputs,
  type ModelOutput,
  type TiedWeight,
} from "../hostModel.js";
import { checkClasses, checkIds } from "../ids.js";
import { loadParameters, withModel } from "../loading.js";
import { shiftRight } from "../seq2seq/index.js";
import { type ProblemType, sequenceLoss } from "../sequenceLoss.js";
import { type BartLoadingOptions, bartNames, COPIES, HEAD, LOGITS_BIAS, readBartConfig, SHARED } from "./checkpoint.js";
import { type BartConfig, serializeBartConfig } from "./config.js";
import { BartModel } from "./model.js";

/** [batch, dModel] to [batch, classes]: out_proj(dropout(tanh(dense(dropout(x))))) */
export class BartClassificationHead extends Layer {
  readonly dense: Layer;
  readonly out_proj: Layer;
  readonly dropout: Layer;

  constructor({ dModel, labels, dropout }: BartConfig, init: Initializer) {
    super();
    this.dense = new Linear(dModel, dModel, { init });
    this.out_proj = new Linear(dModel, labels.length, { init });
    this.dropout = new Dropout(dropout.classifier);
  }

  override forward(x: tf.Tensor): tf.Tensor {
    const inner = tf.tanh(this.dense.forward(this.dropout.forward(x)));
    return this.out_proj.forward(this.dropout.forward(inner));
  }
}

export interface BartForSequenceClassificationOptions extends BartLoadingOptions {
  /**
   * Names of the classes. Where they are not those of the file, the head starts anew: N(0, init_std^2), bias 0.
   *
   * @defaultValue the file's
   */
  labels?: readonly string[];
  /** What the numbers mean. @defaultValue as the config has it */
  problemType?: ProblemType;
  /** Of a new head. @defaultValue 0 */
  seed?: number;
}

/**
 * Inputs: `inputIds` and `attentionMask`, [batch, tokens] int32, each row with an end-of-sequence token; for training also
 * `labels`: [batch] int32, or [batch, labels] float32 where a text has several labels, or [batch] float32 for a regression. The
 * decoder reads the same tokens, one place later.
 */
export class BartForSequenceClassification extends HostModel {
  readonly config: BartConfig;
  readonly model: BartModel;
  readonly classification_head: Layer;

  /** A model with new weights. @param options.seed of the weights, @defaultValue 0 */
  constructor(config: BartConfig, options: { seed?: number } = {}) {
    super();
    const { seed = 0 } = options;
    this.config = config;
    this.model = new BartModel(config, seed);
    this.classification_head = new BartClassificationHead(config, normal(config.initStd, seed));
    nameModules(this);
  }

  /**
   * Loads a folder as transformers writes it, of a classifier, or of any other BART with `labels` given.
   *
   * @throws PeftError as `BartForConditionalGeneration.fromPretrained`; ARGUMENT_INVALID for no labels
   */
  static async fromPretrained(
    directory: string,
    options: BartForSequenceClassificationOptions = {},
  ): Promise<BartForSequenceClassification> {
    return withModel(directory, (opened) => {
      const found = readBartConfig(opened, options);
      const labels = options.labels ?? found.labels;
      if (labels.length === 0) throw new PeftError("ARGUMENT_INVALID", "labels must name at least one class");
      const isThere = opened.weights.tensors.has(`${HEAD}.dense.weight`);
      const isSame = labels.length === found.labels.length && labels.every((label, i) => label === found.labels[i]);
      const keepsHead = options.labels === undefined || (isSame && isThere);
      const problemType = options.problemType ?? found.problemType;
      const config = { ...found, labels, ...(problemType && { problemType }) };
      const loaded = new BartForSequenceClassification(config, { seed: options.seed });
      const hint = isThere ? undefined : "the file has no classifier: give labels to start with a new one";
      const left = [LOGITS_BIAS, ...(keepsHead ? [] : [`${HEAD}.`])];
      const except = keepsHead ? [] : [`${HEAD}.`];
      loadParameters(loaded, opened, bartNames(opened, left), { hint, except });
      loaded.nameOrPath = directory;
      return loaded;
    });
  }

  override configJSON(): Record<string, unknown> {
    return serializeBartConfig(this.config, "BartForSequenceClassification");
  }

  override checkInputs(inputs: ModelArguments): void {
    const { vocabSize, labels, problemType } = this.config;
    checkIds(inputs, { inputIds: vocabSize, decoderInputIds: vocabSize });
    checkClasses(inputs, labels.length, problemType);
  }

  override get headPath(): string {
    return HEAD;
  }

  override get defaultTargets(): readonly string[] {
    return ["q_proj", "v_proj"];
  }

  override get ia3Targets(): Ia3Targets {
    return { targetModules: ["q_proj", "v_proj", "fc2"], feedforwardModules: ["fc2"] };
  }

  override get tiedWeights(): readonly TiedWeight[] {
    return [{ parameter: SHARED, copies: COPIES, isCalled: false }];
  }

  override get vocabularyTables(): readonly string[] {
    return [SHARED];
  }

  override forward({ inputIds, attentionMask }: ModelInputs): ModelOutput {
    const { decoderStartTokenId, padTokenId, eosTokenId } = this.config;
    const decoderInputIds = shiftRight(inputIds!, decoderStartTokenId, padTokenId);
    const hiddenStates = this.model.forward({
      inputIds: inputIds!,
      decoderInputIds,
      ...(attentionMask && { attentionMask }),
    });
    const sentence = atLast(hiddenStates.at(-1)!, inputIds!, eosTokenId);
    return { logits: this.classification_head.forward(sentence), hiddenStates };
  }

  /** As the config's problem has it, see `sequenceLoss`. @throws PeftError SHAPE_MISMATCH for labels of another shape */
  override loss({ logits }: ModelOutput, { labels }: ModelInputs): tf.Tensor {
    return sequenceLoss(logits, labels!, this.config.problemType);
  }
}

/** Of each row the vector at the last place of a token; zeros where the row does not have it. */
function atLast(x: tf.Tensor, ids: tf.Tensor, token: number): tf.Tensor {
  const tokens = ids.shape[1]!;
  const places = tf.range(1, tokens + 1, 1, "int32");
  const found = tf.mul(tf.cast(tf.equal(ids, tf.scalar(token, "int32")), "int32"), places);
  const last = tf.max(found, 1, true);
  const mark = tf.cast(tf.equal(places, tf.maximum(last, tf.scalar(1, "int32"))), "float32");
  const isThere = tf.cast(tf.greater(last, tf.scalar(0, "int32")), "float32");
  return tf.sum(tf.mul(x, tf.expandDims(tf.mul(mark, isThere), 2)), 1);
}
