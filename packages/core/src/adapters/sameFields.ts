// What two configs of one method must have in common for the tensors of one to work in the place of the other's.

import { PeftError } from "../errors.js";
import type { WithFields } from "./method.js";

/** Fields that say nothing about what is computed, beyond which tensors there are. */
const NEUTRAL = [
  "base_model_name_or_path",
  "revision",
  "task_type",
  "modules_to_save",
  "head_init",
  "target_modules",
  "exclude_modules",
  "layers_to_transform",
  "layers_pattern",
];

/** @throws PeftError ARGUMENT_INVALID naming the first field that is different. @param but fields in snake_case that may be */
export function assertSameFields(current: WithFields, next: WithFields, but: readonly string[] = []): void {
  const [there, given] = [current.toJSON(), next.toJSON()];
  const ignored = new Set([...NEUTRAL, ...but]);
  for (const field of new Set([...Object.keys(there), ...Object.keys(given)])) {
    const [a, b] = [there, given].map((json) => JSON.stringify(json[field] ?? null));
    if (ignored.has(field) || a === b) continue;
    throw new PeftError("ARGUMENT_INVALID", `the adapters differ in ${field}: ${a} is attached, ${b} in the file`, {
      place: "hotswapAdapter",
      hint: "load it beside the other with loadAdapter, which makes a new graph",
    });
  }
}
