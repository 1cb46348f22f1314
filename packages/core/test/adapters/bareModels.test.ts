// Models without a head are no hosts for adapters, and an error says which class is.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  ASTModel,
  BertModel,
  getPeftModel,
  type HostModel,
  LoraConfig,
  loadHost,
  PeftModel,
  RobertaModel,
} from "../../src/index.js";
import { FIXTURES } from "../fixtures.js";

describe("a model without a head", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "peft-bare-"));
    const host = await loadHost(join(FIXTURES, "bert", "tiny-sequence"));
    const model = getPeftModel(host, new LoraConfig());
    await model.savePretrained(folder);
    model.dispose();
  });
  afterAll(() => rm(folder, { recursive: true }));

  it.each([
    ["BertModel", () => BertModel.fromPretrained(join(FIXTURES, "bert", "odd-bare")), "BertForSequenceClassification"],
    ["RobertaModel", () => RobertaModel.fromPretrained(join(FIXTURES, "roberta", "odd-bare")), "RobertaForMaskedLM"],
    ["ASTModel", () => ASTModel.fromPretrained(join(FIXTURES, "ast", "tiny")), "ASTForAudioClassification"],
  ])("is an error that names the classes to use: %s", async (name, load, wanted) => {
    const bare = (await load()) as unknown as HostModel;
    const refused = {
      code: "ARGUMENT_INVALID",
      message: expect.stringContaining(name),
      hint: expect.stringContaining(wanted),
    };
    expect(() => getPeftModel(bare, new LoraConfig())).toThrow(expect.objectContaining(refused));
    await expect(PeftModel.fromPretrained(bare, folder)).rejects.toMatchObject(refused);
  });
});
