// What commands over a model with an adapter share.

import { PeftModel } from "../adapters/index.js";
import { loadHost } from "../models/index.js";
import { type Parsed, required } from "./command.js";

export const ADAPTED_OPTIONS = {
  model: { type: "string" },
  adapter: { type: "string" },
  out: { type: "string" },
  use: { type: "string", multiple: true },
} as const;

export const ADAPTED_USAGE = `  --model DIR    the host's folder
  --adapter DIR  the adapter's folder
  --use PACKAGE  a package whose method the adapter is of, such as @peft/mosa; may be given several times`;

/** Loads the packages of methods, the host, and the adapter onto it. */
export async function loadAdapted(parsed: Parsed): Promise<PeftModel> {
  for (const name of (parsed.values.use as readonly string[] | undefined) ?? []) await import(name);
  return PeftModel.fromPretrained(await loadHost(required(parsed, "model")), required(parsed, "adapter"));
}
