// BART with a head over the vocabulary, which is the shared matrix: text to text.

import * as tf from "@tensorflow/tfjs";
import { Parameter, structureChanged } from "../../engine/index.js";
import { Module, nameModules, normal } from "../../nn/index.js";
import { linear } from "../../ops/index.js";
import type { Ia3Targets, ModelInputs, ModelOutput, TiedWeight } from "../hostModel.js";
import { loadParameters, type SaveOptions, saveModel, withModel } from "../loading.js";
import {
  type GenerationConfig,
  parseGenerationConfig,
  type ResizeOptions,
  readGenerationConfig,
  resizeRows,
  Seq2SeqModel,
  type Seq2SeqTokens,
  writeGenerationConfig,
} from "../seq2seq/index.js";
import {
  type BartLoadingOptions,
  bartNames,
  COPIES,
  LOGITS_BIAS,
  readBartConfig,
  SHARED,
  VOCABULARY_HEAD,
} from "./checkpoint.js";
import { type BartConfig, serializeBartConfig } from "./config.js";
import { BartModel } from "./model.js";

/** What a file holds: the model, and the buffer that nobody trains. */
class Stored extends Module {
  readonly model: BartModel;
  readonly [LOGITS_BIAS]: Parameter;

  constructor(model: BartModel, bias: Parameter) {
    super();
    this.model = model;
    this[LOGITS_BIAS] = bias;
  }

  override forward(): never {
    throw new Error("a model's file is not run");
  }
}

/** BART, text to text. Inputs are those of `Seq2SeqModel`. */
export class BartForConditionalGeneration extends Seq2SeqModel {
  readonly model: BartModel;
  /** [1, vocabulary], added to the logits: no parameter of the model, since nobody trains it. */
  #finalLogitsBias: Parameter;
  #config: BartConfig;
  #generationConfig: GenerationConfig;

  /** A model with new weights. @param options.seed of the weights, @defaultValue 0 */
  constructor(config: BartConfig, options: { seed?: number; generationConfig?: GenerationConfig } = {}) {
    super();
    this.model = new BartModel(config, options.seed ?? 0);
    this.#finalLogitsBias = Parameter.zeros([1, config.vocabSize], { name: LOGITS_BIAS });
    this.#config = config;
    this.#generationConfig = options.generationConfig ?? parseGenerationConfig(this.configJSON(), "the config");
    nameModules(this);
  }

  /**
   * Loads a folder with `config.json` and safetensors, as transformers writes them: of this model or of the bare one. Half
   * precision is widened to float32.
   *
   * @throws PeftError HUB_ID for a model's name on the hub, FILE_MISSING, CONFIG_INVALID, CHECKPOINT_INVALID,
   *   SAFETENSORS_INVALID; KEY_MISMATCH with `{ missing, unexpected, misshapen }`
   */
  static async fromPretrained(
    directory: string,
    options: BartLoadingOptions = {},
  ): Promise<BartForConditionalGeneration> {
    return withModel(directory, async (opened) => {
      const config = readBartConfig(opened, options);
      const generationConfig = await readGenerationConfig(opened.folder, opened.config);
      const loaded = new BartForConditionalGeneration(config, { generationConfig });
      const except = opened.weights.tensors.has(LOGITS_BIAS) ? [] : [LOGITS_BIAS];
      loadParameters(new Stored(loaded.model, loaded.#finalLogitsBias), opened, bartNames(opened), { except });
      loaded.nameOrPath = directory;
      return loaded;
    });
  }

  get config(): BartConfig {
    return this.#config;
  }

  override get generationConfig(): GenerationConfig {
    return this.#generationConfig;
  }

  override get tokens(): Seq2SeqTokens {
    return this.#config;
  }

  override get maxPositions(): number {
    return this.#config.maxPositionEmbeddings - this.model.virtualTokens;
  }

  override get defaultTargets(): readonly string[] {
    return ["q_proj", "v_proj"];
  }

  override get ia3Targets(): Ia3Targets {
    return { targetModules: ["q_proj", "v_proj", "fc2"], feedforwardModules: ["fc2"] };
  }

  override configJSON(): Record<string, unknown> {
    return serializeBartConfig(this.#config, "BartForConditionalGeneration");
  }

  /**
   * Writes `config.json`, `generation_config.json` and `model.safetensors` as Hugging Face has them, the shared matrix once.
   *
   * @throws PeftError FILE_UNWRITABLE
   */
  override async savePretrained(directory: string, options: SaveOptions = {}): Promise<void> {
    await saveModel(directory, new Stored(this.model, this.#finalLogitsBias), this.configJSON(), options);
    await writeGenerationConfig(directory, this.#generationConfig);
  }

  override get tiedWeights(): readonly TiedWeight[] {
    return [{ parameter: SHARED, copies: [...COPIES, VOCABULARY_HEAD], isCalled: false }];
  }

  override get vocabularyTables(): readonly string[] {
    return [SHARED];
  }

  /**
   * Another number of tokens. Old rows are kept bit for bit; new ones are drawn from N(0, initStd^2), and nothing is added to
   * their logits. To be called before adapters are attached.
   *
   * @throws PeftError ARGUMENT_INVALID
   */
  async resizeTokenEmbeddings(vocabSize: number, { seed = 0 }: ResizeOptions = {}): Promise<void> {
    await resizeRows(this.model.shared, vocabSize, normal(this.#config.initStd, seed));
    const bias = new Float32Array(vocabSize);
    bias.set(((await this.#finalLogitsBias.read()) as Float32Array).subarray(0, vocabSize));
    this.#finalLogitsBias.dispose();
    this.#finalLogitsBias = new Parameter([1, vocabSize], bias, { name: LOGITS_BIAS });
    this.#config = { ...this.#config, vocabSize };
    structureChanged();
  }

  override encode(inputs: ModelInputs): tf.Tensor {
    return this.model.encode(inputs);
  }

  override decode(inputs: ModelInputs, encoded: tf.Tensor | undefined): ModelOutput {
    const hiddenStates = this.model.decode(inputs, encoded);
    const scores = linear(hiddenStates.at(-1)!, this.model.shared.weight.value());
    return { logits: tf.add(scores, this.#finalLogitsBias.value()), hiddenStates };
  }

  /** Frees every parameter. Any later use throws DISPOSED. */
  override dispose(): void {
    this.#finalLogitsBias.dispose();
    super.dispose();
  }
}
