// How many numbers a model with adapters has and trains, counted and printed as PEFT does.

import type { Parameter } from "../engine/index.js";
import type { HostModel } from "../models/index.js";
import type { CommonFields, PeftConfig } from "./config.js";
import { savedModules, savedParameters } from "./savedModules.js";
import type { AdapterState } from "./status.js";

export interface Counts {
  readonly trainable: number;
  readonly all: number;
}

/** Numbers that are trained, and all: the host's, and the adapters' with their copies of a head. */
export function countParameters(
  host: HostModel,
  adapters: readonly AdapterState[],
  trained: ReadonlyMap<string, Parameter>,
): Counts {
  let all = sum(host.parameters().values());
  for (const { config, attachment } of adapters) {
    const saved = savedParameters(host, savedModules(host, (config as PeftConfig & CommonFields).modulesToSave));
    const instead = [...(attachment.replaces ?? [])].filter(([name]) => !saved.has(name)).map(([, copy]) => copy);
    all += sum(attachment.parameters.values()) - sum(instead);
  }
  return { trainable: sum(trained.values()), all };
}

/** PEFT's line: `trainable params: 1,234 || all params: 56,789 || trainable%: 2.1729`. */
export function trainableLine({ trainable, all }: Counts): string {
  const grouped = (n: number) => n.toLocaleString("en-US");
  const percent = ((100 * trainable) / all).toFixed(4);
  return `trainable params: ${grouped(trainable)} || all params: ${grouped(all)} || trainable%: ${percent}`;
}

function sum(parameters: Iterable<Parameter>): number {
  return [...parameters].reduce((total, { size }) => total + size, 0);
}
