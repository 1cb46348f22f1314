// The host model that a folder's config names, for programs that take any.

import { join } from "node:path";
import { PeftError } from "../errors.js";
import { readJson } from "../files/index.js";
import { ASTForAudioClassification } from "./ast/index.js";
import { BartForConditionalGeneration, BartForSequenceClassification } from "./bart/index.js";
import { BertForMaskedLM, BertForSequenceClassification, BertForTokenClassification } from "./bert/index.js";
import { CLIPModel } from "./clip/index.js";
import { findFolder } from "./folder.js";
import type { HostModel } from "./hostModel.js";
import {
  RobertaForMaskedLM,
  RobertaForSequenceClassification,
  RobertaForTokenClassification,
} from "./roberta/index.js";
import { SwinForImageClassification } from "./swin/index.js";
import { T5ForConditionalGeneration } from "./t5/index.js";
import { ViTForImageClassification } from "./vit/index.js";

interface HostClass {
  fromPretrained(directory: string): Promise<HostModel>;
}

/** By the class in Python that made the checkpoint: `architectures` in `config.json`. */
const HOSTS: Readonly<Record<string, HostClass>> = {
  ASTForAudioClassification,
  BartForConditionalGeneration,
  BartForSequenceClassification,
  BertForMaskedLM,
  BertForSequenceClassification,
  BertForTokenClassification,
  CLIPModel,
  RobertaForMaskedLM,
  RobertaForSequenceClassification,
  RobertaForTokenClassification,
  SwinForImageClassification,
  T5ForConditionalGeneration,
  ViTForImageClassification,
};

/** The classes that can be hosts. */
export const HOST_NAMES: readonly string[] = Object.keys(HOSTS);

/** By the beginning of timm's `architecture`, such as vit_base_patch16_224. */
const TIMM: Readonly<Record<string, HostClass>> = {
  vit: ViTForImageClassification,
  deit: ViTForImageClassification,
  swin: SwinForImageClassification,
};

/**
 * Loads a model of whichever class its `config.json` names.
 *
 * @param directory a folder with `config.json` and safetensors
 * @throws PeftError CONFIG_INVALID for a class that is not among the hosts, and what loading it throws
 */
export async function loadHost(directory: string): Promise<HostModel> {
  const path = join(await findFolder(directory), "config.json");
  const { architectures, architecture } = ((await readJson(path)) ?? {}) as Record<string, unknown>;
  const named = Array.isArray(architectures) ? architectures.map(String) : [];
  const known = named.find((name) => Object.hasOwn(HOSTS, name));
  const family = String(architecture).split("_")[0]!;
  const host = known ? HOSTS[known] : Object.hasOwn(TIMM, family) ? TIMM[family] : undefined;
  if (host) return host.fromPretrained(directory);
  const shown = named.length > 0 ? named.join(", ") : "no class";
  throw new PeftError("CONFIG_INVALID", `the config names ${shown}, which is no host of this library`, {
    place: path,
    hint: `hosts are ${HOST_NAMES.join(", ")}`,
  });
}
