// Audio spectrogram transformers on disk: Hugging Face's files, for sounds of any length.

import { type Module, namedParameters } from "../../nn/index.js";
import { checkRates } from "../head.js";
import { loadParameters, type OpenModel, type Translate, withModel } from "../loading.js";
import { VIT_NAMES } from "../vit/names.js";
import { type ASTConfig, gridOf, parseASTConfig } from "./config.js";
import { adaptPositions } from "./positions.js";

export interface ASTLoadingOptions {
  /** Frames of the sounds. @defaultValue as the file's */
  maxLength?: number;
  /**
   * What becomes of the position table for another `maxLength`: `adapt` takes its middle or stretches it, as the original;
   * `zero` leaves it out, as the experiments of Cappellazzo et al. 2023 did; `strict` is an error.
   *
   * @defaultValue "adapt"
   */
  positionEmbedding?: "adapt" | "zero" | "strict";
  /** Rates of dropout in training. @defaultValue as the config has it, mostly 0 */
  dropout?: Partial<ASTConfig["dropout"]>;
  /** Of weights that the file does not hold. @defaultValue 0 */
  seed?: number;
}

const PREFIX = "audio_spectrogram_transformer.";
const POSITIONS = "embeddings.position_embeddings";

/** Whether the file has the head of a classifier. */
export function hasHead({ weights }: OpenModel): boolean {
  return weights.tensors.has("classifier.dense.weight");
}

/**
 * Loads a model.
 *
 * @param prefix of the bare model's names in the model: `audio_spectrogram_transformer.` or nothing
 * @param make the model, and whether its head is read from the file
 */
export async function loadAST<M extends Module>(
  directory: string,
  options: ASTLoadingOptions,
  prefix: string,
  make: (config: ASTConfig, opened: OpenModel) => { readonly model: M; readonly keepsHead: boolean },
): Promise<M> {
  return withModel(directory, (opened) => {
    const found = parseASTConfig(opened.config, opened.configPath);
    const dropout = { ...found.dropout, ...options.dropout };
    checkRates(dropout);
    const config = { ...found, dropout, maxLength: options.maxLength ?? found.maxLength };
    const { model, keepsHead } = make(config, opened);
    const { positionEmbedding = "adapt" } = options;
    const fits = gridOf(found).join() === gridOf(config).join();
    const adapts = !fits && positionEmbedding !== "strict";
    const names = namesIn(prefix, keepsHead);
    loadParameters(
      model,
      opened,
      (fileName) => {
        const given = names(fileName);
        return adapts && given?.[0] === prefix + POSITIONS ? [] : given;
      },
      {
        hint: hasHead(opened) ? undefined : "the file has no head: give labels to start with a new one",
        except: [...(keepsHead ? [] : ["classifier."]), ...(adapts ? [prefix + POSITIONS] : [])],
      },
    );
    if (adapts) {
      const fileName = [...opened.weights.tensors.keys()].find((name) => names(name)?.[0] === prefix + POSITIONS);
      const table = namedParameters(model).get(prefix + POSITIONS)!;
      const read =
        fileName !== undefined && positionEmbedding === "adapt" ? opened.weights.lazily(fileName) : undefined;
      table.adopt(() => (read ? adaptPositions(read(), gridOf(found), gridOf(config)) : new Float32Array(table.size)));
    }
    return model;
  });
}

/** From a file's names to the model's. */
function namesIn(prefix: string, keepsHead: boolean): Translate {
  return (fileName) => {
    if (fileName.startsWith("classifier.")) return keepsHead ? [fileName] : [];
    return [prefix + VIT_NAMES.toHost(fileName.startsWith(PREFIX) ? fileName.slice(PREFIX.length) : fileName)];
  };
}
