// T5 with a head over the vocabulary (Raffel et al. 2020): text to text.

import * as tf from "@tensorflow/tfjs";
import { Parameter, structureChanged } from "../../engine/index.js";
import { Embedding, type Initializer, Layer, nameModules, normal } from "../../nn/index.js";
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
import { COPIES, HEAD, readT5Config, SHARED, type T5LoadingOptions, t5Names } from "./checkpoint.js";
import { serializeT5Config, type T5Config } from "./config.js";
import { T5Decoder, T5Encoder, type T5EncoderInputs } from "./stack.js";

/** Standard deviation of new rows of the shared matrix, as PyTorch draws embeddings. */
const NEW_ROW_STD = 1;

/** A head of its own, [vocabulary, dModel]. Not a `Linear`, so that "all-linear" leaves it out, as PEFT does. */
export class T5Head extends Layer {
  weight: Parameter;

  constructor(shape: readonly number[], init: Initializer) {
    super();
    this.weight = new Parameter(shape, (name) => init(shape, name));
  }

  override forward(x: tf.Tensor): tf.Tensor {
    return linear(x, this.weight.value());
  }
}

/** T5 of any version. Inputs are those of `Seq2SeqModel`. */
export class T5ForConditionalGeneration extends Seq2SeqModel {
  /** [vocabulary, dModel]: the tokens' vectors on both sides, and the head where that is tied. */
  readonly shared: Embedding;
  readonly encoder: T5Encoder;
  readonly decoder: T5Decoder;
  /** Where the head is not tied. */
  readonly lm_head?: T5Head;
  #config: T5Config;
  #generationConfig: GenerationConfig;

  /** A model with new weights. @param options.seed of the weights, @defaultValue 0 */
  constructor(config: T5Config, options: { seed?: number; generationConfig?: GenerationConfig } = {}) {
    super();
    const { seed = 0 } = options;
    const { vocabSize, dModel, initializerFactor } = config;
    const init = normal(initializerFactor, seed);
    this.shared = new Embedding(vocabSize, dModel, init);
    this.encoder = new T5Encoder(config, seed);
    this.decoder = new T5Decoder(config, seed);
    if (!config.tieWordEmbeddings) this.lm_head = new T5Head([vocabSize, dModel], init);
    this.#config = config;
    this.#generationConfig = options.generationConfig ?? parseGenerationConfig(this.configJSON(), "the config");
    nameModules(this);
  }

  /**
   * Loads a folder with `config.json` and safetensors, as transformers writes them. Half precision is widened to float32.
   *
   * @throws PeftError HUB_ID for a model's name on the hub, FILE_MISSING, CONFIG_INVALID, CHECKPOINT_INVALID,
   *   SAFETENSORS_INVALID; KEY_MISMATCH with `{ missing, unexpected, misshapen }`
   */
  static async fromPretrained(directory: string, options: T5LoadingOptions = {}): Promise<T5ForConditionalGeneration> {
    return withModel(directory, async (opened) => {
      const config = readT5Config(opened, options);
      const generationConfig = await readGenerationConfig(opened.folder, opened.config);
      const model = new T5ForConditionalGeneration(config, { generationConfig });
      loadParameters(model, opened, t5Names(opened, config));
      model.nameOrPath = directory;
      return model;
    });
  }

  get config(): T5Config {
    return this.#config;
  }

  override get generationConfig(): GenerationConfig {
    return this.#generationConfig;
  }

  override get tokens(): Seq2SeqTokens {
    return this.#config;
  }

  override get defaultTargets(): readonly string[] {
    return ["q", "v"];
  }

  override get ia3Targets(): Ia3Targets {
    return { targetModules: ["k", "v", "wo"], feedforwardModules: ["wo"] };
  }

  override get tiedWeights(): readonly TiedWeight[] {
    const copies = [...COPIES, ...(this.#config.tieWordEmbeddings ? [HEAD] : [])];
    return [{ parameter: SHARED, copies, isCalled: false }];
  }

  override get vocabularyTables(): readonly string[] {
    return this.lm_head ? [SHARED, HEAD] : [SHARED];
  }

  /**
   * Another number of tokens. Old rows are kept bit for bit; new ones are drawn from N(0, 1), as `VL-T5` has them. To be
   * called before adapters are attached.
   *
   * @throws PeftError ARGUMENT_INVALID
   */
  async resizeTokenEmbeddings(vocabSize: number, { seed = 0 }: ResizeOptions = {}): Promise<void> {
    const init = normal(NEW_ROW_STD, seed);
    await resizeRows(this.shared, vocabSize, init);
    if (this.lm_head) await resizeRows(this.lm_head, vocabSize, init);
    this.#config = { ...this.#config, vocabSize };
    structureChanged();
  }

  override configJSON(): Record<string, unknown> {
    return serializeT5Config(this.#config);
  }

  /**
   * Writes `config.json`, `generation_config.json` and `model.safetensors` as Hugging Face has them, the shared matrix once.
   *
   * @throws PeftError FILE_UNWRITABLE
   */
  override async savePretrained(directory: string, options: SaveOptions = {}): Promise<void> {
    await saveModel(directory, this, this.configJSON(), options);
    await writeGenerationConfig(directory, this.#generationConfig);
  }

  override encode({ inputIds, attentionMask }: ModelInputs): tf.Tensor {
    return this.encodeEmbedded(this.shared.forward(inputIds!), { attentionMask });
  }

  /** The encoder over vectors that need not be tokens', [batch, places, dModel]. */
  encodeEmbedded(embedded: tf.Tensor, inputs: T5EncoderInputs = {}): tf.Tensor {
    return this.encoder.forward(embedded, inputs).lastHiddenState;
  }

  override decode(inputs: ModelInputs, encoded: tf.Tensor | undefined): ModelOutput {
    const { decoderInputIds: ids, decoderAttentionMask, attentionMask: encodedMask } = inputs;
    const decoderInputs = { ids: ids!, attentionMask: decoderAttentionMask, encoded, encodedMask };
    const { lastHiddenState, hiddenStates } = this.decoder.forward(this.shared.forward(ids!), decoderInputs);
    return { logits: this.#head(lastHiddenState), hiddenStates };
  }

  #head(x: tf.Tensor): tf.Tensor {
    const { scaleDecoderOutputs, dModel } = this.#config;
    const scaled = scaleDecoderOutputs ? tf.mul(x, dModel ** -0.5) : x;
    return this.lm_head ? this.lm_head.forward(scaled) : linear(scaled, this.shared.weight.value());
  }
}
