// Vision transformers on disk: Hugging Face's files, with or without a head, in either generation of names; and timm's.

import { checkRates } from "../head.js";
import type { OpenModel, Translate } from "../loading.js";
import { parseViTConfig, type ViTConfig } from "./config.js";
import { VIT_NAMES } from "./names.js";
import { isTimm, parseTimmConfig, timmNames } from "./timm.js";

export interface ViTLoadingOptions {
  /** Rates of dropout in training. @defaultValue as the config has it, mostly 0 */
  dropout?: Partial<ViTConfig["dropout"]>;
  /** How to resize the position table for pictures of another size. @defaultValue such pictures are an error */
  positionResize?: ViTConfig["positionResize"];
  /** Added to the variance in layer norms. @defaultValue as the config has it; 1e-6 for timm's files */
  layerNormEps?: number;
  /** Of weights that the file does not hold. @defaultValue 0 */
  seed?: number;
}

/** The config of an opened folder, with what the caller wants otherwise. @throws PeftError CONFIG_INVALID, CHECKPOINT_INVALID */
export function readViTConfig(opened: OpenModel, options: ViTLoadingOptions): ViTConfig {
  const { config: json, configPath, weights } = opened;
  const config = isTimm(weights) ? parseTimmConfig(json, weights, configPath) : parseViTConfig(json, configPath);
  const layerNormEps = options.layerNormEps ?? config.layerNormEps;
  const dropout = { ...config.dropout, ...options.dropout };
  checkRates(dropout);
  return { ...config, dropout, layerNormEps, positionResize: options.positionResize };
}

/** Parts of a file that a model may go without. */
export type ViTPart = "head" | "pooler";

/** Whether the file has a head, or a pooler. */
export function hasPart({ weights }: OpenModel, part: ViTPart): boolean {
  const names =
    part === "head" ? ["classifier.weight", "head.weight"] : ["pooler.dense.weight", "vit.pooler.dense.weight"];
  return names.some((name) => weights.tensors.has(name));
}

/**
 * From a file's names to a model's.
 *
 * @param prefix of the bare model's names in this model: `vit.` or nothing
 * @param parts those that are wanted from the file
 */
export function viTNames({ weights }: OpenModel, prefix: string, parts: readonly ViTPart[]): Translate {
  const hubNames: Translate = isTimm(weights) ? timmNames : huggingFaceNames;
  return (fileName) =>
    hubNames(fileName)?.flatMap((name) => {
      if (name.startsWith("classifier.")) return parts.includes("head") ? [name] : [];
      if (name.startsWith("pooler.")) return parts.includes("pooler") ? [prefix + name] : [];
      // For pretraining by masked pictures only.
      return name === "embeddings.mask_token" ? [] : [prefix + name];
    });
}

/** The name in the bare model, or of the head. */
const huggingFaceNames: Translate = (fileName) => {
  const name = fileName
    .replace(/^vit\./, "")
    .replace(/(layernorm\w*)\.gamma$/i, "$1.weight")
    .replace(/(layernorm\w*)\.beta$/i, "$1.bias");
  return [VIT_NAMES.toHost(name)];
};
