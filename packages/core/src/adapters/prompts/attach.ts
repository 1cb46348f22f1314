// What prompts and prefixes have in common as attachments: tensors beside the host, a copied head, and no merging.

import type { Parameter } from "../../engine/index.js";
import type { HostModel } from "../../models/index.js";
import { type AttachmentParts, composeAttachment } from "../attachment.js";
import type { Attachment } from "../method.js";
import { copyModulesToSave, type ModulesToSave } from "../trainedCopies.js";

/** PEFT's key of the tensor that its methods of this kind save. */
export const PROMPT_KEY = "prompt_embeddings";

export interface PromptParts extends Pick<AttachmentParts, "parts" | "describe" | "folded"> {
  /** What is trained beside a head, by key. */
  readonly tensors: ReadonlyMap<string, Parameter>;
  /** Paths of the host's modules that take part. */
  readonly layers: readonly string[];
}

/** @param config names the copied head */
export function attachPrompts(
  host: HostModel,
  config: ModulesToSave,
  seed: number,
  make: () => PromptParts,
): Attachment {
  const heads = copyModulesToSave(host, config, seed);
  const { tensors, parts, ...rest } = make();
  for (const [key, parameter] of tensors) parameter.name = key;
  return composeAttachment({
    ...rest,
    parameters: new Map([...tensors, ...heads.parameters]),
    beside: new Set(tensors.keys()),
    parts: [heads, ...parts],
    copies: [heads],
    merge: "its tokens go through the host like others, so no weight can hold them",
  });
}
