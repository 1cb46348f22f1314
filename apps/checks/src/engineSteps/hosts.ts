// Hosts at full size with random weights, as reference/bench/hosts.py has them: logits, training steps with LoRA on queries and
// values, generation.
import {
  ASTForAudioClassification,
  BartForConditionalGeneration,
  estimateMemory,
  generate,
  getPeftModel,
  type HostArray,
  type HostModel,
  LoraConfig,
  parseASTConfig,
  parseBartConfig,
  parseRobertaConfig,
  parseSwinConfig,
  parseT5Config,
  RobertaForSequenceClassification,
  SwinForImageClassification,
  T5ForConditionalGeneration,
  trainingStep,
} from "@peft/core";
import { serve } from "../sides/protocol.js";
import { fill, OPTIONS, runStep } from "./training.js";

const CLASSES = 10;
const NEW_TOKENS = 64;
const PLACE = "the benchmark";

const LABELS = { id2label: Object.fromEntries(Array.from({ length: CLASSES }, (_, i) => [String(i), `class ${i}`])) };
const NO_DROPOUT = { hidden_dropout_prob: 0, attention_probs_dropout_prob: 0 };

function ints(shape: readonly number[], at: (i: number) => number): HostArray {
  const length = shape.reduce((product, d) => product * d, 1);
  return { data: Int32Array.from({ length }, (_, i) => at(i)), shape, dtype: "int32" };
}

/** The mask of texts from half the length to the whole. */
const padded = (batch: number, tokens: number): HostArray => {
  const length = (row: number): number => tokens / 2 + Math.floor((row * tokens) / (2 * Math.max(1, batch - 1)));
  return ints([batch, tokens], (i) => Number(i % tokens < length(Math.floor(i / tokens))));
};
const classes = (batch: number): HostArray => ints([batch], (i) => i);
const words = (vocabulary: number, batch: number, tokens: number): HostArray =>
  ints([batch, tokens], (i) => 3 + ((i * 7919) % (vocabulary - 3)));

function waves(shape: readonly number[]): HostArray {
  const length = shape.reduce((product, d) => product * d, 1);
  return { data: Float32Array.from({ length }, (_, i) => Math.sin(i * 0.37)), shape, dtype: "float32" };
}

type Inputs = Readonly<Record<string, HostArray>>;

/** The models, with the same configurations as there. */
const HOSTS: Readonly<Record<string, { model(): HostModel; inputs(): Inputs; isSeq2Seq?: true }>> = {
  roberta: {
    model: () => {
      const json = { vocab_size: 50265, max_position_embeddings: 514, type_vocab_size: 1, ...LABELS, ...NO_DROPOUT };
      return new RobertaForSequenceClassification(parseRobertaConfig({ model_type: "roberta", ...json }, PLACE));
    },
    inputs: () => ({ inputIds: words(50265, 8, 128), attentionMask: padded(8, 128), labels: classes(8) }),
  },
  t5: {
    model: t5,
    inputs: () => ({
      inputIds: words(32128, 4, 256),
      attentionMask: padded(4, 256),
      labels: words(32128, 4, 64),
    }),
    isSeq2Seq: true,
  },
  bart: {
    model: () => {
      const sizes = { encoder_layers: 6, decoder_layers: 6, encoder_attention_heads: 12, decoder_attention_heads: 12 };
      const json = { d_model: 768, encoder_ffn_dim: 3072, decoder_ffn_dim: 3072, dropout: 0, ...sizes };
      return new BartForConditionalGeneration(parseBartConfig({ model_type: "bart", ...json }, PLACE));
    },
    inputs: () => ({
      inputIds: words(50265, 4, 256),
      attentionMask: padded(4, 256),
      labels: words(50265, 4, 64),
    }),
    isSeq2Seq: true,
  },
  ast: {
    model: () => {
      const json = { model_type: "audio-spectrogram-transformer", ...LABELS };
      return new ASTForAudioClassification(parseASTConfig(json, PLACE));
    },
    inputs: () => ({ inputValues: waves([2, 1024, 128]), labels: classes(2) }),
  },
  swin: {
    model: () => {
      const json = { embed_dim: 128, depths: [2, 2, 18, 2], num_heads: [4, 8, 16, 32], drop_path_rate: 0, ...LABELS };
      return new SwinForImageClassification(parseSwinConfig({ model_type: "swin", ...json }, PLACE));
    },
    inputs: () => ({ pixelValues: waves([4, 3, 224, 224]), labels: classes(4) }),
  },
};

export async function serveForward(host: string): Promise<void> {
  const { model, inputs, isSeq2Seq } = HOSTS[host]!;
  await serve({
    async setup() {
      const { labels, ...rest } = inputs();
      return { model: fill(model()), inputs: isSeq2Seq ? { ...rest, labels: labels! } : rest };
    },
    step: async (state) => {
      const { logits } = await state.model(state.inputs);
      logits.dispose();
    },
  });
}

export async function serveStep(host: string): Promise<void> {
  await serve({
    async setup() {
      const { model, inputs } = HOSTS[host]!;
      const adapted = getPeftModel(fill(model()), new LoraConfig({ r: 8, loraAlpha: 8 }));
      return { model: adapted, step: trainingStep(adapted, OPTIONS), inputs: inputs(), steps: 0 };
    },
    step: (state) => runStep(state.step, state.inputs, state.steps++),
    estimate: ({ model, inputs }) => estimateMemory(model, inputs, OPTIONS).total,
  });
}

/** 64 tokens after a text of 256. */
export async function serveGeneration(numBeams: number): Promise<void> {
  // Both with the start token before them.
  const settings = { numBeams, doSample: false, minLength: NEW_TOKENS + 1, maxLength: NEW_TOKENS + 1 };
  await serve({
    async setup() {
      return { model: fill(t5()), inputs: { inputIds: words(32128, 1, 256), attentionMask: ints([1, 256], () => 1) } };
    },
    step: ({ model, inputs }) => generate(model, inputs, settings),
  });
}

function t5(): T5ForConditionalGeneration {
  const json = { d_model: 768, d_kv: 64, d_ff: 3072, num_layers: 12, num_heads: 12, dropout_rate: 0 };
  const config = parseT5Config({ model_type: "t5", decoder_start_token_id: 0, ...json }, PLACE);
  return new T5ForConditionalGeneration(config);
}
