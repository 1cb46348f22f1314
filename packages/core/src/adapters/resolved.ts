// What was found by a config's rules, written so that Python finds the same in either generation of names.

import type { HostModel, NameTable, Naming } from "../models/index.js";
import { namedModules } from "../nn/index.js";
import { minimalNames } from "./minimalNames.js";
import { firstMatch } from "./targets.js";

/** The fields of `adapter_config.json` that name targets: those found, as a list, with nothing left to be worked out. */
export function describeTargets(host: HostModel, targets: readonly string[], naming: Naming): Record<string, unknown> {
  return {
    target_modules: resolvedNames(host, targets, naming),
    exclude_modules: null,
    layers_to_transform: null,
    layers_pattern: null,
  };
}

/** The shortest list of names that means these modules and no others. */
export function resolvedNames(host: HostModel, targets: readonly string[], naming: Naming): string[] {
  const spell = (path: string) => host.names.to(naming, path);
  const isTarget = new Set(targets);
  const others = [...namedModules(host)].map(([path]) => path).filter((path) => path !== "" && !isTarget.has(path));
  return minimalNames(targets.map(spell), others.map(spell));
}

/** A pattern table that says of each target what the given one says, to a reader who knows one spelling only. */
export function patternIn<T>(
  host: HostModel,
  patterns: Readonly<Record<string, T>>,
  targets: readonly string[],
  naming: Naming,
): Readonly<Record<string, T>> {
  const spell = (path: string) => host.names.to(naming, path);
  const one: NameTable = { toHost: (name) => name, to: (_, name) => spell(host.names.toHost(name)) };
  const same = targets.every((path) => valueIn(patterns, spell(path), one) === valueIn(patterns, path, host.names));
  if (same) return patterns;
  const values = targets.map((path) => [spell(path), valueIn(patterns, path, host.names)] as const);
  return Object.fromEntries(
    values.filter(([, value]) => value !== undefined).map(([path, value]) => [path.replaceAll(".", "\\."), value as T]),
  );
}

function valueIn<T>(patterns: Readonly<Record<string, T>>, path: string, names: NameTable): T | undefined {
  return firstMatch(patterns, path, names, "pattern");
}
