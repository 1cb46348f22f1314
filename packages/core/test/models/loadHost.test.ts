// A model of whichever class its folder names.

import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { loadHost } from "../../src/index.js";
import { FIXTURES } from "../fixtures.js";

it.each([
  ["vit/tiny", "ViTForImageClassification"],
  ["vit/tiny-timm", "ViTForImageClassification"],
  ["swin/tiny", "SwinForImageClassification"],
  ["swin/tiny-timm", "SwinForImageClassification"],
  ["bert/tiny-mlm", "BertForMaskedLM"],
  ["bert/odd-token", "BertForTokenClassification"],
  ["t5/v1.1", "T5ForConditionalGeneration"],
])("%s is a %s", async (folder, name) => {
  const model = await loadHost(join(FIXTURES, folder));
  expect(model.constructor.name).toBe(name);
  model.dispose();
});

it("a class that is no host is an error that names the hosts", async () => {
  const folder = await mkdtemp(join(tmpdir(), "peft-host-"));
  await writeFile(join(folder, "config.json"), JSON.stringify({ architectures: ["GPT2LMHeadModel"] }));
  await expect(loadHost(folder)).rejects.toMatchObject({
    code: "CONFIG_INVALID",
    message: expect.stringContaining("GPT2LMHeadModel"),
    hint: expect.stringContaining("BertForMaskedLM"),
  });
  expect(await readdir(folder)).toEqual(["config.json"]);
  await rm(folder, { recursive: true });
});
