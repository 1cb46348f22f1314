// Which modules an adapter goes to: PEFT's rules (`tuners_utils.py`), in both spellings of a host's names.

import { env } from "../env.js";
import { PeftError } from "../errors.js";
import { type HostModel, type NameTable, TokenPlace } from "../models/index.js";
import { Linear, type Module, namedModules } from "../nn/index.js";
import { nearestNames } from "./nearest.js";
import { fullMatch, pythonPattern } from "./pythonPattern.js";
import { savedParameters } from "./savedModules.js";
import { unwrap } from "./wrap.js";

/**
 * A string is a regular expression in Python's syntax that must match a module's whole path; `"all-linear"` is every
 * linear layer but the head. A list holds paths, or ends of paths after a dot. A RegExp is tested on the whole path as it
 * is, so anchor it yourself.
 */
export type Targets = string | readonly string[] | RegExp;

export const ALL_LINEAR = "all-linear";

export interface TargetRules {
  readonly targetModules: Targets;
  readonly excludeModules?: Targets | null;
  /** Modules that are trained as a whole: nothing at or below them is adapted. */
  readonly modulesToSave?: readonly string[] | null;
  /** Keeps, of modules found by the end of their path, those in the layers of these numbers. */
  readonly layersToTransform?: number | readonly number[] | null;
  /** The names before a layer's number. @defaultValue any */
  readonly layersPattern?: string | readonly string[] | null;
}

/** Tells for a path in one spelling whether it is meant. */
export type Matcher = (path: string) => boolean;

/**
 * The paths of the modules that the rules name, in the order of the host. Names in either spelling are understood.
 * Entries of a list that match nothing are warned of (TARGET_PARTIAL).
 *
 * @throws PeftError TARGET_NOT_FOUND with the nearest names if nothing matches; TARGET_UNSUPPORTED for tied weights in
 *   `modulesToSave`; CONFIG_INVALID for a pattern that is none
 */
export function findTargets(host: HostModel, rules: TargetRules): string[] {
  // A place for tokens is no layer, whatever a pattern says of its name.
  const modules = [...namedModules(host)].filter(([path, module]) => path !== "" && !(module instanceof TokenPlace));
  const paths = modules.map(([path]) => path);
  const either = (matcher: Matcher) => inEitherSpelling(host.names, matcher);
  const excluded = rules.excludeModules ? either(matches(rules.excludeModules, "excludeModules")) : () => false;
  const saved = isWithin(host, savedParameters(host, rules.modulesToSave ?? []));
  const named =
    rules.targetModules === ALL_LINEAR
      ? allLinear(host, modules)
      : either(matches(rules.targetModules, "targetModules"));
  const inLayers = either(layerFilter(rules));
  const wanted = (path: string) => named(path) && inLayers(path);
  const found = paths.filter((path) => !excluded(path) && !saved(path) && wanted(path));
  if (found.length === 0) throw notFound(host, rules, paths);
  warnOfIdleEntries(host, rules.targetModules, paths);
  return found;
}

/** Whether a module has parameters, and all of them are among those given. */
function isWithin(host: HostModel, parameters: ReadonlySet<string>): Matcher {
  const names = [...host.parameters().keys()];
  return (path) => {
    const inside = names.filter((name) => name.startsWith(`${path}.`));
    return inside.length > 0 && inside.every((name) => parameters.has(name));
  };
}

/** The value of the first pattern that fits, as PEFT's `rank_pattern` and `alpha_pattern`: `(.*\.)?(KEY)$`. */
export function firstMatch<T>(
  patterns: Readonly<Record<string, T>>,
  path: string,
  names: NameTable,
  place: string,
): T | undefined {
  for (const [key, value] of Object.entries(patterns)) {
    const pattern = pythonPattern(key, (source) => `^(?:.*\\.)?(?:${source})$`, place);
    if (inEitherSpelling(names, (name) => pattern.test(name))(path)) return value;
  }
  return undefined;
}

/**
 * A number for each path, of the first pattern that fits; 1 where none does.
 *
 * @throws PeftError TARGET_NOT_FOUND for a pattern that fits none of the layers
 */
export function factorsAt(
  patterns: Readonly<Record<string, number>>,
  layers: readonly string[],
  names: NameTable,
): (path: string) => number {
  for (const key of Object.keys(patterns)) {
    if (layers.some((path) => firstMatch({ [key]: 1 }, path, names, "setScale") !== undefined)) continue;
    throw new PeftError("TARGET_NOT_FOUND", `the adapter has no layer that is meant by "${key}"`, {
      place: "setScale",
      hint: `its layers are ${layers.slice(0, 8).join(", ")}`,
    });
  }
  return (path) => firstMatch(patterns, path, names, "setScale") ?? 1;
}

/** A matcher that is content with either spelling of a path. */
export function inEitherSpelling(names: NameTable, matcher: Matcher): Matcher {
  return (path) => matcher(path) || matcher(names.to("hf5", path));
}

function matches(targets: Targets, place: string): Matcher {
  if (targets instanceof RegExp) {
    // A global or sticky expression would remember where it stopped.
    const pattern = new RegExp(targets.source, targets.flags.replace(/[gy]/g, ""));
    return (path) => pattern.test(path);
  }
  if (typeof targets === "string") {
    const pattern = fullMatch(targets, place);
    return (path) => pattern.test(path);
  }
  return (path) => targets.some((entry) => path === entry || path.endsWith(`.${entry}`));
}

function layerFilter({ targetModules, layersToTransform, layersPattern }: TargetRules): Matcher {
  // As in PEFT, a pattern has its layers in itself, and a module named by its whole path is meant whatever its layer.
  if (typeof targetModules === "string" || targetModules instanceof RegExp) return () => true;
  const layers = typeof layersToTransform === "number" ? [layersToTransform] : (layersToTransform ?? []);
  if (layers.length === 0) return () => true;
  const given = typeof layersPattern === "string" ? [layersPattern] : (layersPattern ?? []);
  const patterns = (given.length > 0 ? given : ["[^.]*"]).map((pattern) =>
    pythonPattern(pattern, (source) => `^.*?\\.(?:${source})\\.(\\d+)\\.`, "layersPattern"),
  );
  return (path) => {
    if (targetModules.includes(path)) return true;
    const match = patterns.map((pattern) => pattern.exec(path)).find((result) => result);
    // The last group is the number: a pattern may hold groups of its own.
    return match ? layers.includes(Number(match.at(-1))) : false;
  };
}

function allLinear(host: HostModel, modules: readonly [string, Module][]): Matcher {
  const linear = new Set(modules.filter(([, module]) => unwrap(module) instanceof Linear).map(([path]) => path));
  const head = `${host.headPath}.`;
  return (path) => linear.has(path) && !`${path}.`.startsWith(head);
}

function notFound(host: HostModel, { targetModules }: TargetRules, paths: readonly string[]): PeftError {
  const shown = targetModules instanceof RegExp ? String(targetModules) : JSON.stringify(targetModules);
  // Of a pattern the last word is what names a module.
  const entries = Array.isArray(targetModules) ? (targetModules as string[]) : [lastWord(String(targetModules))];
  const nearest = [...new Set(entries.flatMap((entry) => nearestNames(entry, bothSpellings(host, paths))))];
  return new PeftError("TARGET_NOT_FOUND", `no module of the model is meant by ${shown}`, {
    place: "targetModules",
    hint: `the nearest names are ${nearest.slice(0, 8).join(", ")}`,
    details: { targetModules: shown, nearest },
  });
}

function warnOfIdleEntries(host: HostModel, targets: Targets, paths: readonly string[]): void {
  if (typeof targets === "string" || targets instanceof RegExp) return;
  for (const entry of targets) {
    const hit = paths.some(inEitherSpelling(host.names, (path) => path === entry || path.endsWith(`.${entry}`)));
    if (hit) continue;
    const nearest = nearestNames(entry, bothSpellings(host, paths)).join(", ");
    env.warn({ code: "TARGET_PARTIAL", message: `no module is named "${entry}"; the nearest names are ${nearest}` });
  }
}

function bothSpellings(host: HostModel, paths: readonly string[]): string[] {
  return paths.flatMap((path) => [path, host.names.to("hf5", path)]);
}

function lastWord(pattern: string): string {
  return pattern.match(/[A-Za-z_]\w*/g)?.at(-1) ?? pattern;
}
