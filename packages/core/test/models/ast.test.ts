import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  ASTForAudioClassification,
  type ASTLoadingOptions,
  ASTModel,
  namedParameters,
  parseASTConfig,
  readSafetensors,
  useEngine,
} from "../../src/index.js";
import { adaptPositions } from "../../src/models/ast/positions.js";
import { BOUNDS, expectClose, readFixture } from "../../src/testing/index.js";
import { FIXTURES } from "../fixtures.js";
import { changed, newFolder, renamed } from "./changedFolder.js";
import { batchOf, expectTrainedAlike, type TrainedInfo } from "./trainedFixture.js";

const FOLDER = join(FIXTURES, "ast");
const TINY = join(FOLDER, "tiny");
const coded = (code: string) => expect.objectContaining({ code });

interface ResizedInfo {
  readonly inputs: readonly string[];
  readonly maxLength: number;
  readonly positionEmbedding: ASTLoadingOptions["positionEmbedding"];
}

async function logits(model: ASTForAudioClassification): Promise<Float32Array> {
  const inputValues = readFixture(FOLDER, "tiny").input("inputValues");
  return (await (await model({ inputValues })).logits.data()) as Float32Array;
}

describe.each(["compiled", "eager"] as const)("the audio spectrogram transformer, %s", (engine) => {
  beforeAll(async () => {
    await (engine === "compiled" ? useEngine("compiled", { threads: 2 }) : useEngine("eager"));
  });
  afterAll(async () => {
    await useEngine("eager");
  });

  it.each(["tiny", "odd"])(
    "equals Hugging Face's on %s: hidden states, logits, loss, gradients, five steps",
    async (name) => {
      const model = await ASTForAudioClassification.fromPretrained(join(FOLDER, name));
      await expectTrainedAlike(model, readFixture<TrainedInfo>(FOLDER, name));
    },
  );

  it.each(["shorter", "longer", "zeroed"])("adapts its positions to sounds of another length: %s", async (name) => {
    const fixture = readFixture<ResizedInfo>(FOLDER, name);
    const { maxLength, positionEmbedding } = fixture.info;
    const model = await ASTForAudioClassification.fromPretrained(TINY, { maxLength, positionEmbedding });
    const found = await (await model(batchOf(fixture))).logits.data();
    expectClose(new Map([["logits", found]]), fixture.group("output"), BOUNDS.outputs);
  });
});

describe("an audio spectrogram transformer's folder", () => {
  beforeAll(async () => {
    await useEngine("compiled", { threads: 2 });
  });

  it("is read alike with transformers 5's names, and without the prefix", async () => {
    const model = await ASTForAudioClassification.fromPretrained(TINY);
    const wanted = await logits(model);
    for (const change of [
      renamed((name) => model.names.to("hf5", name)),
      renamed((name) => name.replace(/^audio_spectrogram_transformer\./, "")),
    ]) {
      const other = await ASTForAudioClassification.fromPretrained(await changed(TINY, change));
      expect(await logits(other)).toEqual(wanted);
    }
  });

  it("is written as it was read, gives the bare model, and takes a new head only where labels are given", async () => {
    const folder = join(newFolder(), "new");
    await (await ASTForAudioClassification.fromPretrained(join(FOLDER, "odd"))).savePretrained(folder);
    expect(await readSafetensors(join(folder, "model.safetensors"))).toEqual(
      await readSafetensors(join(FOLDER, "odd", "model.safetensors")),
    );
    const written = JSON.parse(await readFile(join(folder, "config.json"), "utf8"));
    const original = JSON.parse(await readFile(join(FOLDER, "odd", "config.json"), "utf8"));
    for (const [key, value] of Object.entries(written)) expect(value, key).toEqual(original[key]);

    const bare = join(newFolder(), "bare");
    await (await ASTModel.fromPretrained(TINY)).savePretrained(bare);
    await expect(ASTForAudioClassification.fromPretrained(bare)).rejects.toThrow(/give labels/);
    const model = await ASTForAudioClassification.fromPretrained(bare, { labels: ["dog", "rain"] });
    expect(await logits(model)).toHaveLength(3 * 2);
  });

  it("is an error where it is another model's, or the sounds are of another length", async () => {
    await expect(ASTModel.fromPretrained(join(FIXTURES, "vit", "tiny"))).rejects.toThrow(/type "vit"/);
    const strict = { maxLength: 14, positionEmbedding: "strict" } as const;
    await expect(ASTForAudioClassification.fromPretrained(TINY, strict)).rejects.toThrow(coded("KEY_MISMATCH"));
    const model = await ASTForAudioClassification.fromPretrained(TINY, { maxLength: 14 });
    await expect(logits(model)).rejects.toThrow(/maxLength/);
    expect(() => adaptPositions(new Float32Array(8), [2, 3], [1, 3])).toThrow(coded("ARGUMENT_INVALID"));
  });
});

describe("at full size there are as many numbers as the specification lists:", () => {
  const AUDIOSET = { id2label: Object.fromEntries(Array.from({ length: 527 }, (_, i) => [i, `${i}`])) };
  const count = (model: ASTModel | ASTForAudioClassification) =>
    [...namedParameters(model).values()].reduce((sum, { size }) => sum + size, 0);

  it.each([
    [1024, 86_187_264],
    [800, 85_984_512],
    [500, 85_708_032],
    [400, 85_615_872],
    [100, 85_339_392],
  ])("%i frames", (max_length, numbers) => {
    expect(count(new ASTModel(parseASTConfig({ max_length }, "")))).toBe(numbers);
  });

  it("with AudioSet's classes", () => {
    expect(count(new ASTForAudioClassification(parseASTConfig(AUDIOSET, "")))).toBe(86_594_063);
  });
});
