// What BERT's and RoBERTa's models with a head have in common: their config, how they are loaded and written.

import type * as tf from "@tensorflow/tfjs";
import { type Initializer, normal } from "../../nn/index.js";
import { softmaxCrossEntropy } from "../../ops/index.js";
import { checkRates, chooseHead } from "../head.js";
import { HostModel, type Ia3Targets, type ModelArguments, type ModelInputs, type ModelOutput } from "../hostModel.js";
import { checkClasses, checkIds } from "../ids.js";
import { loadParameters, withModel } from "../loading.js";
import type { ProblemType } from "../sequenceLoss.js";
import { hasHead, hasPooler, type TextHead, textNames } from "./checkpoint.js";
import { parseTextConfig, serializeTextConfig, type TextConfig, type TextModelType } from "./config.js";
import { tableRows } from "./inputs.js";
import type { TextModel, TextOutput } from "./model.js";

export interface TextLoadingOptions {
  /** Rates of dropout in training. @defaultValue as the config has it, mostly 0.1 */
  dropout?: Partial<TextConfig["dropout"]>;
  /** Of weights that the file does not hold. @defaultValue 0 */
  seed?: number;
}

export interface TextClassifierOptions extends TextLoadingOptions {
  /**
   * Names of the classes. Where they are not those of the file, or its head is another's, the head starts anew, and with it
   * a pooler that the file does not have: N(0, initializer_range^2), bias 0.
   *
   * @defaultValue the file's
   */
  labels?: readonly string[];
}

export interface SequenceClassifierOptions extends TextClassifierOptions {
  /** What the numbers mean. @defaultValue as the config has it */
  problemType?: ProblemType;
}

/** What loading needs to know of a class. */
interface Loaded<M> {
  readonly type: TextModelType;
  readonly head: TextHead;
  make(config: TextConfig, options: { seed: number }): M;
}

/** A BERT or RoBERTa with a head. */
export abstract class TextHost extends HostModel {
  constructor(readonly config: TextConfig) {
    super();
  }

  /** The bare model in it. */
  abstract get encoder(): TextModel;
  abstract get head(): TextHead;

  /** What the head says of the encoder's output. */
  protected abstract logitsOf(output: TextOutput, inputs: ModelInputs): tf.Tensor;

  override forward(inputs: ModelInputs): ModelOutput {
    const output = this.encoder.forward(inputs);
    return { logits: this.logitsOf(output, inputs), hiddenStates: output.hiddenStates };
  }

  /** Cross-entropy, the mean over the tokens that count. @throws PeftError SHAPE_MISMATCH for labels of another shape */
  override loss({ logits }: ModelOutput, { labels }: ModelInputs): tf.Tensor {
    return softmaxCrossEntropy(logits, labels!);
  }

  override get headPath(): string | undefined {
    return this.head.task === "MaskedLM" ? undefined : "classifier";
  }

  override configJSON(): Record<string, unknown> {
    return serializeTextConfig(this.config, architectureOf(this.config.modelType, this.head.task));
  }

  override get vocabularyTables(): readonly string[] {
    return [`${this.config.modelType}.embeddings.word_embeddings.weight`];
  }

  override get defaultTargets(): readonly string[] {
    return ["query", "value"];
  }

  override get ia3Targets(): Ia3Targets {
    return { targetModules: ["key", "value", "output.dense"], feedforwardModules: ["output.dense"] };
  }

  override checkInputs(inputs: ModelArguments): void {
    const { vocabSize, labels, problemType } = this.config;
    const { task } = this.head;
    checkIds(inputs, { ...tableRows(this.config), ...(task === "MaskedLM" && { labels: vocabSize }) });
    if (task === "TokenClassification") checkClasses(inputs, labels.length, "single_label_classification");
    if (task === "SequenceClassification") checkClasses(inputs, labels.length, problemType);
  }

  protected static async load<M extends TextHost>(
    directory: string,
    options: SequenceClassifierOptions,
    { type, head, make }: Loaded<M>,
  ): Promise<M> {
    return withModel(directory, (opened) => {
      const found = parseTextConfig(opened.config, type, opened.configPath);
      const dropout = { ...found.dropout, ...options.dropout };
      checkRates(dropout);
      const isThere = hasHead(opened, head);
      const { labels, keepsHead } = chooseHead(found.labels, options.labels, isThere);
      const problemType = options.problemType ?? found.problemType;
      const config = { ...found, dropout, labels, ...(problemType && { problemType }) };
      const model = make(config, { seed: options.seed ?? 0 });
      const pooler = model.encoder.pooler !== undefined;
      const fresh = keepsHead ? [] : [head.prefix];
      if (pooler && !keepsHead && !hasPooler(opened, type)) fresh.push(`${type}.pooler.`);
      const names = textNames(type, `${type}.`, { head: keepsHead && isThere ? head.prefix : undefined, pooler });
      loadParameters(model, opened, names, { hint: isThere ? undefined : hintWithout(head), except: fresh });
      model.nameOrPath = directory;
      return model;
    });
  }
}

function hintWithout({ task }: TextHead): string {
  return task === "MaskedLM"
    ? "the file has no head that fills in words: take the checkpoint of a masked language model"
    : `the file has no head for ${task}: give labels to start with a new one`;
}

function architectureOf(type: TextModelType, task: string): string {
  return `${type === "bert" ? "Bert" : "Roberta"}For${task}`;
}

/** Initial weights of a model and its head. */
export function initializerOf({ initializerRange }: TextConfig, seed: number): Initializer {
  return normal(initializerRange, seed);
}

/** Loads a bare model; a head in the file is left out, and the pooler is there if the file has one. */
export async function loadTextModel<M extends TextModel>(
  directory: string,
  options: TextLoadingOptions,
  type: TextModelType,
  make: (config: TextConfig, options: { seed: number; pooler: boolean }) => M,
): Promise<M> {
  return withModel(directory, (opened) => {
    const found = parseTextConfig(opened.config, type, opened.configPath);
    const dropout = { ...found.dropout, ...options.dropout };
    checkRates(dropout);
    const pooler = hasPooler(opened, type);
    const model = make({ ...found, dropout }, { seed: options.seed ?? 0, pooler });
    loadParameters(model, opened, textNames(type, "", { pooler }));
    return model;
  });
}
