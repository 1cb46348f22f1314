// Methods by PEFT's names, so that a saved adapter finds the config that it was made from.

import { PeftError } from "../errors.js";
import { BitFitConfig, FullConfig, LinearProbeConfig } from "./baselines.js";
import { BottleneckConfig } from "./bottleneck/config.js";
import type { PeftConfig } from "./config.js";
import { IA3Config } from "./ia3/config.js";
import { LoraConfig } from "./lora/config.js";
import { PrefixTuningConfig } from "./prompts/prefixTuning.js";
import { PromptTuningConfig } from "./prompts/promptTuning.js";
import { VisualPromptConfig } from "./prompts/visualPrompt.js";

/** What a method's config class must have beside its instances. */
export interface MethodClass {
  readonly peftType: string;
  /** @param place the file, for errors and warnings */
  fromJSON(json: unknown, place?: string): PeftConfig;
}

const BUILT_IN: readonly MethodClass[] = [
  LoraConfig,
  IA3Config,
  BottleneckConfig,
  PromptTuningConfig,
  PrefixTuningConfig,
  VisualPromptConfig,
  LinearProbeConfig,
  BitFitConfig,
  FullConfig,
];

const methods = new Map(BUILT_IN.map((method) => [method.peftType, method]));

/** Makes a method known to `PeftModel.fromPretrained`. A method package calls it when it is loaded. */
export function registerMethod(method: MethodClass): void {
  methods.set(method.peftType, method);
}

/** The config class of a `peft_type`. @throws PeftError CONFIG_INVALID for one that is not known */
export function methodOf(peftType: unknown, place: string): MethodClass {
  const method = methods.get(String(peftType));
  if (method) return method;
  throw new PeftError("CONFIG_INVALID", `unknown peft_type ${JSON.stringify(peftType)}`, {
    place,
    hint: `known are ${[...methods.keys()].join(", ")}; import the package of any other method first`,
  });
}
