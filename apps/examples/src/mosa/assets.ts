// What comes with the repository: the pretrained host and the pictures. Where each is from stands in assets/README.md.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { PeftError } from "@peft/core";

// This file is built into apps/examples/dist.
const assets = fileURLToPath(new URL("../assets", import.meta.url));

export const HOST_FOLDER: string = join(assets, "vit-cifar6");
/** A weaker host, pretrained on a tenth of the pictures. */
export const TENTH_HOST_FOLDER: string = join(assets, "vit-cifar6-tenth");
export const FASHION_FOLDER: string = join(assets, "fashion");

/** @throws PeftError FILE_MISSING with where the command stands that makes the host */
export function checkHost(folder: string): void {
  if (existsSync(join(folder, "model.safetensors"))) return;
  throw new PeftError("FILE_MISSING", "the pretrained host is not there", {
    place: folder,
    hint: "fetch the repository again, or make it: apps/examples/assets/README.md has the command",
  });
}
