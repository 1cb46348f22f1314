// A ViT-B/16 checkpoint of random weights in a temporary folder, for the rows that load one.
import { rmSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseViTConfig, ViTForImageClassification } from "@peft/core";

export class RandomCheckpoint {
  #folder: string | undefined;

  /** The folder, written at the first call. */
  async folder(): Promise<string> {
    if (this.#folder === undefined) {
      this.#folder = await mkdtemp(join(tmpdir(), "peft-bench-"));
      const model = new ViTForImageClassification(parseViTConfig({}, "ViT-B/16"));
      await model.savePretrained(this.#folder);
      model.dispose();
    }
    return this.#folder;
  }

  removeNow(): void {
    if (this.#folder !== undefined) rmSync(this.#folder, { recursive: true, force: true });
  }
}
