// What labels are, as `problem_type` in config.json says, and the class numbers that are none.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { compileByName } from "../../src/engine/compileByName.js";
import {
  ASTForAudioClassification,
  BartForSequenceClassification,
  BertForMaskedLM,
  BertForSequenceClassification,
  BertForTokenClassification,
  type HostArray,
  type HostModel,
  type ProblemType,
  parseASTConfig,
  parseBartConfig,
  parseBertConfig,
  parseRobertaConfig,
  parseSwinConfig,
  parseViTConfig,
  RobertaForSequenceClassification,
  SwinForImageClassification,
  useEngine,
  ViTForImageClassification,
} from "../../src/index.js";
import { fillGolden, goldenArray, relativeError } from "../../src/testing/index.js";
import { newFolder } from "./changedFolder.js";

const LABELS = { id2label: { 0: "one", 1: "two", 2: "three" } };
const SMALL = { hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 16 };
const PICTURES = { image_size: 8, patch_size: 4 };
const SWIN = {
  ...PICTURES,
  patch_size: 2,
  embed_dim: 8,
  depths: [1],
  num_heads: [2],
  window_size: 2,
  drop_path_rate: 0,
};
const TEXT = { ...SMALL, vocab_size: 30, max_position_embeddings: 16, hidden_dropout_prob: 0 };
const stack = (side: string) => ({
  [`${side}_layers`]: 1,
  [`${side}_attention_heads`]: 2,
  [`${side}_ffn_dim`]: 16,
});
const BART = { ...stack("encoder"), ...stack("decoder"), d_model: 16, vocab_size: 30, max_position_embeddings: 16 };

const floats = (data: Float32Array, shape: readonly number[]): HostArray => ({ data, shape, dtype: "float32" });
const ints = (data: readonly number[], shape: readonly number[] = [data.length]): HostArray => ({
  data: Int32Array.from(data),
  shape,
  dtype: "int32",
});
const pixels = { pixelValues: floats(goldenArray(1, 2 * 3 * 8 * 8, 1), [2, 3, 8, 8]) };
const sounds = { inputValues: floats(goldenArray(1, 2 * 32 * 16, 1), [2, 32, 16]) };
const tokens = { inputIds: ints([5, 6, 2, 7, 8, 2], [2, 3]) };

/** Each class of models with a small config, its inputs of two examples, and what is read from its config. */
const CLASSIFIERS: Record<
  string,
  { make: (json: object) => HostModel; load: (folder: string) => Promise<HostModel>; inputs: Record<string, HostArray> }
> = {
  ViT: {
    make: (json) => new ViTForImageClassification(parseViTConfig({ ...SMALL, ...PICTURES, ...json }, "test")),
    load: ViTForImageClassification.fromPretrained,
    inputs: pixels,
  },
  Swin: {
    make: (json) => new SwinForImageClassification(parseSwinConfig({ ...SWIN, ...json }, "test")),
    load: SwinForImageClassification.fromPretrained,
    inputs: pixels,
  },
  BART: {
    make: (json) => new BartForSequenceClassification(parseBartConfig({ ...BART, dropout: 0, ...json }, "test")),
    load: BartForSequenceClassification.fromPretrained,
    inputs: tokens,
  },
  BERT: {
    make: (json) => new BertForSequenceClassification(parseBertConfig({ ...TEXT, ...json }, "test")),
    load: BertForSequenceClassification.fromPretrained,
    inputs: tokens,
  },
  RoBERTa: {
    make: (json) => new RobertaForSequenceClassification(parseRobertaConfig({ ...TEXT, ...json }, "test")),
    load: RobertaForSequenceClassification.fromPretrained,
    inputs: tokens,
  },
  AST: {
    make: (json) =>
      new ASTForAudioClassification(parseASTConfig({ ...SMALL, max_length: 32, num_mel_bins: 16, ...json }, "test")),
    load: ASTForAudioClassification.fromPretrained,
    inputs: sounds,
  },
};

beforeAll(async () => {
  await useEngine("compiled", { threads: 1 });
});

/** The loss, and the logits that it is of. */
async function lossOf(model: HostModel, given: Record<string, HostArray>): Promise<{ loss: number; logits: number[] }> {
  const names = Object.keys(given);
  const call = compileByName((inputs) => {
    const output = model.forward(inputs);
    return { loss: model.loss(output, inputs), logits: output.logits };
  });
  const { loss, logits } = await call(names)(...names.map((name) => given[name]!));
  return { loss: (await loss!.data())[0]!, logits: [...(await logits!.data())] };
}

const mean = (numbers: readonly number[]) => numbers.reduce((sum, x) => sum + x, 0) / numbers.length;
const binary = (logits: number[], targets: ArrayLike<number>) =>
  mean(logits.map((x, i) => Math.log1p(Math.exp(x)) - x * targets[i]!));
const squares = (logits: number[], targets: ArrayLike<number>) => mean(logits.map((x, i) => (x - targets[i]!) ** 2));
const softmaxed = (logits: number[], shares: ArrayLike<number>) =>
  mean(
    [0, 1].map((row) => {
      const own = logits.slice(3 * row, 3 * row + 3);
      const total = Math.log(own.reduce((sum, x) => sum + Math.exp(x), 0));
      return own.reduce((sum, x, i) => sum + shares[3 * row + i]! * (total - x), 0);
    }),
  );

describe.each(Object.entries(CLASSIFIERS))("%s", (name, { make, load, inputs }) => {
  it.each<[ProblemType, Float32Array, (logits: number[], targets: ArrayLike<number>) => number]>([
    ["multi_label_classification", Float32Array.of(1, 1, 0, 0, 1, 1), binary],
    ["regression", Float32Array.of(0.5, -1, 2, 0, 1, 3), squares],
  ])("has the loss of the problem that its config names, and keeps it: %s", async (problem, targets, wanted) => {
    const model = make({ ...LABELS, problem_type: problem });
    fillGolden(model.parameters());
    const { loss, logits } = await lossOf(model, { ...inputs, labels: floats(targets, [2, 3]) });
    expect(relativeError([loss], [wanted(logits, targets)])).toBeLessThan(1e-5);
    const folder = newFolder();
    await model.savePretrained(folder);
    expect(JSON.parse(await readFile(join(folder, "config.json"), "utf8"))).toMatchObject({ problem_type: problem });
    expect((await load(folder)).configJSON()).toEqual(model.configJSON());
  });

  it("has a regression where there is one number", async () => {
    const model = make({ num_labels: 1 });
    fillGolden(model.parameters());
    const targets = Float32Array.of(0.5, 3);
    const { loss, logits } = await lossOf(model, { ...inputs, labels: floats(targets, [2]) });
    expect(relativeError([loss], [squares(logits, targets)])).toBeLessThan(1e-5);
  });

  it("takes rows of floating numbers for shares of pictures' classes, and for several labels of others", async () => {
    const shares = Float32Array.of(0.25, 0.75, 0, 0, 0.5, 0.5);
    const isOfPictures = name === "ViT" || name === "Swin";
    for (const problem of isOfPictures ? [undefined, "single_label_classification"] : [undefined]) {
      const model = make({ ...LABELS, problem_type: problem });
      fillGolden(model.parameters());
      const { loss, logits } = await lossOf(model, { ...inputs, labels: floats(shares, [2, 3]) });
      const wanted = isOfPictures ? softmaxed(logits, shares) : binary(logits, shares);
      expect(relativeError([loss], [wanted])).toBeLessThan(1e-5);
    }
  });

  it("names the row of a class that there is not, and looks at class numbers only", async () => {
    const model = make(LABELS);
    for (const label of [-1, 3, -101]) {
      await expect(model({ ...inputs, labels: ints([2, label]) })).rejects.toMatchObject({
        code: "DATA_INVALID",
        message: expect.stringContaining(`labels has ${label}, and the model has 3 classes`),
        place: "row 1",
      });
    }
    model.checkInputs({ ...inputs, labels: ints([-100, 2]) });
    model.checkInputs({ ...inputs, labels: floats(Float32Array.of(-1, 3, 4, 5, 6, 7), [2, 3]) });
    make({ num_labels: 1 }).checkInputs({ ...inputs, labels: ints([5, -1]) });
    make({ ...LABELS, problem_type: "multi_label_classification" }).checkInputs({ ...inputs, labels: ints([5, -1]) });
  });
});

it("the classes of tokens, and the words of a masked text, are named by row and token", async () => {
  const config = parseBertConfig({ ...TEXT, ...LABELS }, "test");
  const labels = (...numbers: number[]) => ({ ...tokens, labels: ints(numbers, [2, 3]) });
  const classifier = new BertForTokenClassification(config);
  classifier.checkInputs(labels(0, 1, 2, -100, 0, 1));
  await expect(classifier(labels(0, 1, 2, -100, 3, 1))).rejects.toMatchObject({
    code: "DATA_INVALID",
    place: "row 1, token 1",
  });
  const words = new BertForMaskedLM(config);
  words.checkInputs(labels(-100, 29, 3, 4, 5, 6));
  await expect(words(labels(-100, 30, 3, 4, 5, 6))).rejects.toMatchObject({
    code: "DATA_INVALID",
    place: "row 0, token 1",
  });
});
