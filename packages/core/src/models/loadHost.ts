// The host model that a folder's config names, for programs that take any.

import { join } from "node:path";
import { PeftError } from "../errors.js";
import { readJson } from "../files/index.js";
import { findFolder } from "./folder.js";
import type { HostModel } from "./hostModel.js";
import { ViTForImageClassification } from "./vit/index.js";

type Load = (directory: string) => Promise<HostModel>;

/** By the class in Python that made the checkpoint: `architectures` in `config.json`. */
const HOSTS: Readonly<Record<string, Load>> = {
  ViTForImageClassification: (directory) => ViTForImageClassification.fromPretrained(directory),
};

/** timm's `architecture`: vit_base_patch16_224 and its like. */
const TIMM: readonly [RegExp, Load][] = [[/^(vit|deit)_/, HOSTS.ViTForImageClassification!]];

/**
 * Loads a model of whichever class its `config.json` names.
 *
 * @param directory a folder with `config.json` and safetensors
 * @throws PeftError CONFIG_INVALID for a class that is not among the hosts, and what loading it throws
 */
export async function loadHost(directory: string): Promise<HostModel> {
  const path = join(await findFolder(directory), "config.json");
  const { architectures, architecture } = (await readJson(path)) as Record<string, unknown>;
  const named = Array.isArray(architectures) ? architectures.map(String) : [];
  const load =
    named.map((name) => HOSTS[name]).find((found) => found) ??
    TIMM.find(([pattern]) => pattern.test(String(architecture)))?.[1];
  if (load) return load(directory);
  const shown = named.length > 0 ? named.join(", ") : "no class";
  throw new PeftError("CONFIG_INVALID", `the config names ${shown}, which is no host of this library`, {
    place: path,
    hint: `hosts are ${Object.keys(HOSTS).join(", ")}`,
  });
}
