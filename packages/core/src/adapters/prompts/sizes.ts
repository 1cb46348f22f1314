// What PEFT writes about the host into the configs of prompts: the host itself knows it better.

import { isObject } from "../config.js";

const SIZES = ["token_dim", "num_layers", "num_attention_heads"];

/** The object of a config without what says nothing here. @param more keys that go with the sizes */
export function withoutSizes(json: unknown, more: readonly string[]): unknown {
  if (!isObject(json)) return json;
  return Object.fromEntries(Object.entries(json).filter(([key]) => !SIZES.includes(key) && !more.includes(key)));
}
