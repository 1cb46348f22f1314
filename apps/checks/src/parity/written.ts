// Adapters that this library writes, read by Python's PEFT (reference/peft_reads_ours.py): the same tensors, and the same
// logits, active and merged.
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import {
  CLIPTextModel,
  CLIPVisionModel,
  getPeftModel,
  type HostArray,
  type HostModel,
  type HostTensor,
  IA3Config,
  LoraConfig,
  type PeftConfig,
  type PeftModel,
  PrefixTuningConfig,
  PromptTuningConfig,
  Seq2SeqModel,
  TextHost,
  useEngine,
  writeSafetensors,
} from "@peft/core";
import { goldenArray, type Numbers, relativeError, SMALL_HOST } from "@peft/core/testing";
import { pythonOf } from "../python.js";
import { hostOf } from "./hosts.js";
import { type Row, row, skippedRow } from "./rows.js";

const VIT = "../vit/tiny";
const SMALL = "small";
const BERT = "../bert/tiny-sequence";
const TOKENS = "../bert/odd-token";
const ROBERTA = "../roberta/tiny-sequence";
const BART = "../bart/generation";
const T5 = "../t5/v1.0";
const EVERY_LAYER = ["stem", "mix", "words", "fc1", "fc2"];

/** An adapter made of two, with the name that is saved in the folder itself. */
async function combined(host: HostModel): Promise<PeftModel> {
  const config = new LoraConfig({ r: 4, targetModules: EVERY_LAYER, initLoraWeights: false, modulesToSave: null });
  const model = getPeftModel(host, config, { adapterName: "first", seed: 1 });
  model.addAdapter("second", config.with({ r: 2, loraAlpha: 3 }), { seed: 2 });
  await model.addWeightedAdapter(["first", "second"], [0.7, -0.4], "default", { combinationType: "cat" });
  model.deleteAdapter("first");
  model.deleteAdapter("second");
  model.setAdapter("default");
  return model;
}

const ON_TEXT: readonly [name: string, host: string][] = [
  ["BERT", BERT],
  ["RoBERTa", ROBERTA],
  ["BART", BART],
  ["T5", T5],
];

/** With a norm that is trained beside it. */
const clipLora = (norm: string): LoraConfig =>
  new LoraConfig({ r: 4, targetModules: ["q_proj", "encoder.layers.1.mlp.fc1"], modulesToSave: [norm] });

type Case = readonly [subject: string, host: string, made: PeftConfig | typeof combined];

const CASES: readonly Case[] = [
  ["LoRA, default targets", VIT, new LoraConfig({ r: 4, loraAlpha: 8 })],
  [
    "LoRA, patterns and biases",
    VIT,
    new LoraConfig({
      targetModules: "all-linear",
      rankPattern: { query: 2, "layer\\.1\\.output\\.dense": 5 },
      alphaPattern: { value: 12 },
      bias: "lora_only",
      useRslora: true,
    }),
  ],
  ["LoRA, every layer", SMALL, new LoraConfig({ r: 4, targetModules: EVERY_LAYER, rankPattern: { stem: 2 } })],
  ["LoRA, groups", SMALL, new LoraConfig({ r: 4, targetModules: ["grouped", "stem"] })],
  ["LoRA, biases of its own", SMALL, new LoraConfig({ targetModules: ["stem", "fc1"], loraBias: true })],
  ["LoRA, orthogonal start", SMALL, new LoraConfig({ targetModules: ["fc1"], initLoraWeights: "orthogonal" })],
  ["LoRA, two made one", SMALL, combined],
  ["DoRA, every layer", SMALL, new LoraConfig({ r: 4, targetModules: EVERY_LAYER, useDora: true })],
  ["DoRA, ViT", VIT, new LoraConfig({ r: 4, targetModules: ["projection", "query", "fc1"], useDora: true })],
  [
    "(IA)3, every layer",
    SMALL,
    new IA3Config({
      targetModules: ["stem", "mix", "grouped", "fc1", "fc2"],
      feedforwardModules: ["mix", "grouped", "fc2"],
    }),
  ],
  [
    "(IA)3, ViT",
    VIT,
    new IA3Config({
      targetModules: ["key", "value", "layer.1.output.dense"],
      feedforwardModules: ["layer.1.output.dense"],
    }),
  ],
  ["prompts, BERT", BERT, new PromptTuningConfig({ numVirtualTokens: 3, initTokenIds: [5, 8] })],
  ["prompts, RoBERTa", ROBERTA, new PromptTuningConfig({ numVirtualTokens: 3 })],
  ["prefixes, BERT", BERT, new PrefixTuningConfig({ numVirtualTokens: 3 })],
  ["prefixes, BERT's tokens", TOKENS, new PrefixTuningConfig({ numVirtualTokens: 3 })],
  [
    "prefixes from a projection, RoBERTa",
    ROBERTA,
    new PrefixTuningConfig({ numVirtualTokens: 3, prefixProjection: true, encoderHiddenSize: 12 }),
  ],
  ...ON_TEXT.flatMap(([name, host]): Case[] => [
    [`LoRA, ${name}`, host, new LoraConfig({ r: 4, loraAlpha: 8 })],
    [`DoRA, ${name}`, host, new LoraConfig({ r: 4, loraAlpha: 8, useDora: true })],
    [`(IA)3, ${name}`, host, new IA3Config()],
  ]),
  ["LoRA, CLIP's text encoder", "../clip/text-old", clipLora("final_layer_norm")],
  ["LoRA, CLIP's vision encoder", "../clip/vision-bare", clipLora("post_layernorm")],
  ["prompts, BART", BART, new PromptTuningConfig({ numVirtualTokens: 3 })],
  ["prompts, T5", T5, new PromptTuningConfig({ numVirtualTokens: 3, numTransformerSubmodules: 2 })],
  ["prefixes, BART", BART, new PrefixTuningConfig({ numVirtualTokens: 3 })],
  ["prefixes, T5", T5, new PrefixTuningConfig({ numVirtualTokens: 3 })],
];

interface Reading {
  readonly logits: number[];
  readonly merged: number[] | null;
  /** Keys of the file that PEFT's model does not have, and the other way round. */
  readonly strangers: string[];
}

/** One row for what each adapter computes there, and one for its keys. */
export async function writtenRows(root: string): Promise<Row[]> {
  const python = pythonOf(root);
  if (!python) {
    return [
      skippedRow("Python reads ours", "run `pnpm reference:setup`, or set PEFT_PYTHON to a Python that has peft"),
    ];
  }
  const folder = await mkdtemp(join(tmpdir(), "peft-parity-"));
  try {
    await useEngine("compiled", { threads: 2 });
    const ours: { logits: Numbers; merged: Numbers | undefined }[] = [];
    for (const [i, [, host, made]] of CASES.entries()) {
      const own = join(folder, String(i));
      ours.push(await write(own, await hostOf(join(root, "fixtures"), host), made));
      await writeFile(join(own, "host.txt"), host);
    }
    const script = join(root, "reference/peft_reads_ours.py");
    const { stdout } = await promisify(execFile)(python, [script, folder], { maxBuffer: 2 ** 26 });
    const theirs = JSON.parse(stdout) as Reading[];
    return CASES.flatMap(([subject], i) => compare(`Python reads ours, ${subject}`, ours[i]!, theirs[i]!));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Writes an adapter whose numbers are away from where they start, with the inputs; gives what it computes here. */
async function write(
  folder: string,
  host: HostModel,
  made: PeftConfig | typeof combined,
): Promise<{ logits: Numbers; merged: Numbers | undefined }> {
  const model = typeof made === "function" ? await made(host) : getPeftModel(host, made);
  for (const [i, parameter] of [...model.trainableParameters().values()].entries()) {
    const moves = goldenArray(5000 + i, parameter.size, 0.2);
    await parameter.write((await parameter.read()).map((x, k) => x + moves[k]!) as Float32Array);
  }
  await mkdir(folder);
  await model.savePretrained(folder);
  const inputs = inputsOf(host);
  const tensors = Object.entries(inputs).map(([name, array]) => [name, array as HostTensor] as const);
  await writeSafetensors(join(folder, "inputs.safetensors"), new Map(tensors));
  const logits = await logitsOf(model, inputs);
  const canMerge = await model.merge().then(
    () => true,
    () => false,
  );
  const merged = canMerge ? await logitsOf(model, inputs) : undefined;
  model.dispose();
  return { logits, merged };
}

function inputsOf(host: HostModel): Record<string, HostArray> {
  if (host instanceof TextHost || host instanceof CLIPTextModel || host instanceof Seq2SeqModel) {
    const ids = Int32Array.of(2, 5, 7, 3, 9, 3, 2, 11, 12, 3, 14, 15);
    const ones = new Int32Array(ids.length).fill(1);
    const shape = [2, 6];
    const text: Record<string, HostArray> = {
      inputIds: { data: ids, shape, dtype: "int32" },
      attentionMask: { data: ones, shape, dtype: "int32" },
    };
    if (!(host instanceof Seq2SeqModel)) return text;
    return { ...text, decoderInputIds: { data: Int32Array.of(0, 4, 9, 0, 6, 3), shape: [2, 3], dtype: "int32" } };
  }
  const isVision = host.headPath === "classifier" || host instanceof CLIPVisionModel;
  const size = isVision ? 32 : SMALL_HOST.size;
  const shape = [2, 3, size, size];
  const pixelValues: HostArray = { data: goldenArray(8, 2 * 3 * size * size, 1), shape, dtype: "float32" };
  if (isVision) return { pixelValues };
  const ids = Int32Array.of(1, 4, 10, 4, 0, 7, 7, 3, 1, 2);
  return { pixelValues, inputIds: { data: ids, shape: [2, SMALL_HOST.length], dtype: "int32" } };
}

async function logitsOf(model: HostModel, inputs: Record<string, HostArray>): Promise<Numbers> {
  const { logits } = await model(inputs);
  const numbers = await logits.data();
  logits.dispose();
  return numbers;
}

function compare(subject: string, ours: { logits: Numbers; merged: Numbers | undefined }, theirs: Reading): Row[] {
  const merged =
    ours.merged && theirs.merged
      ? [row(`${subject} / merged logits`, "output", relativeError(ours.merged, theirs.merged))]
      : [
          row(
            `${subject} / merged by both or neither`,
            "exact",
            Number(Boolean(ours.merged) !== Boolean(theirs.merged)),
          ),
        ];
  return [
    row(`${subject} / logits`, "output", relativeError(ours.logits, theirs.logits)),
    ...merged,
    row(`${subject} / keys`, "exact", theirs.strangers.length),
  ];
}
