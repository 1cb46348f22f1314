// Checkpoints of random weights in a temporary folder, for the rows that load one.
import { rmSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type HostModel,
  parseRobertaConfig,
  parseT5Config,
  parseViTConfig,
  RobertaForMaskedLM,
  T5ForConditionalGeneration,
  ViTForImageClassification,
} from "@peft/core";

type ModelName = "vit-b" | "t5-base" | "roberta-base";
/** A model in float32, or in half precision. */
export type CheckpointName = ModelName | `${ModelName}-half`;

/** Models at full size. */
const MODELS: Record<ModelName, () => HostModel> = {
  "vit-b": () => new ViTForImageClassification(parseViTConfig({}, "ViT-B/16")),
  // Both have the table of words in their heads as well, so that one forward pass reads all of it.
  "t5-base": () => {
    const sizes = { d_model: 768, d_kv: 64, d_ff: 3072, num_layers: 12, num_heads: 12 };
    const json = { model_type: "t5", decoder_start_token_id: 0, ...sizes };
    return new T5ForConditionalGeneration(parseT5Config(json, "T5-base"));
  },
  "roberta-base": () => {
    const json = { model_type: "roberta", vocab_size: 50265, max_position_embeddings: 514, type_vocab_size: 1 };
    return new RobertaForMaskedLM(parseRobertaConfig(json, "RoBERTa-base"));
  },
};

export class RandomCheckpoints {
  readonly #folders = new Map<CheckpointName, string>();

  /** The checkpoint's folder, written at the first call. */
  async folder(name: CheckpointName): Promise<string> {
    const known = this.#folders.get(name);
    if (known !== undefined) return known;
    const folder = await mkdtemp(join(tmpdir(), "peft-bench-"));
    this.#folders.set(name, folder);
    const model = MODELS[name.replace(/-half$/, "") as ModelName]();
    await model.savePretrained(folder, { dtype: name.endsWith("-half") ? "float16" : "float32" });
    model.dispose();
    return folder;
  }

  removeNow(): void {
    for (const folder of this.#folders.values()) rmSync(folder, { recursive: true, force: true });
  }
}
