// BERT (Devlin et al. 2019) without a head.

import { nameModules } from "../../nn/index.js";
import type { TextConfig } from "../text/config.js";
import { initializerOf, loadTextModel, type TextLoadingOptions } from "../text/host.js";
import { TextModel } from "../text/model.js";

/** See `TextModel` for the inputs. */
export class BertModel extends TextModel {
  /** A model with new weights. @param options.seed of the weights. @param options.pooler whether there is one */
  constructor(config: TextConfig, { seed, pooler }: { seed: number; pooler: boolean }) {
    super(config, { init: initializerOf(config, seed), pooler });
    nameModules(this);
  }

  /**
   * Loads a folder with `config.json` and safetensors, of any BERT: with or without a head, a pooler, the prefix `bert.`. A
   * head is left out; the pooler is there if the file has one.
   *
   * @throws PeftError HUB_ID for a model's name on the hub, FILE_MISSING, CONFIG_INVALID, CHECKPOINT_INVALID,
   *   SAFETENSORS_INVALID; KEY_MISMATCH with `{ missing, unexpected, misshapen }`
   */
  static fromPretrained(directory: string, options: TextLoadingOptions = {}): Promise<BertModel> {
    return loadTextModel(directory, options, "bert", (config, parts) => new BertModel(config, parts));
  }

  override get architecture(): string {
    return "BertModel";
  }
}
