// Modules that are trained as a whole and saved with the adapter: which parameters they are, by PEFT's rules
// (`_set_trainable` in `utils/other.py`), in both spellings of a host's names.

import { PeftError } from "../errors.js";
import type { HostModel, Naming } from "../models/index.js";
import { minimalNames } from "./minimalNames.js";
import { nearestNames } from "./nearest.js";

/** Modules that are trained as a whole: those given or, where nothing is said, the host's head. */
export function savedModules(host: HostModel, given: readonly string[] | null | undefined): readonly string[] {
  if (given === undefined) return host.headPath === undefined ? [] : [host.headPath];
  return given ?? [];
}

/** PEFT names both for every classifier, of which a model has one. */
const USUAL_HEADS: readonly string[] = ["classifier", "score"];

/**
 * The names of the parameters in the modules to be saved, in the host's order. As in PEFT a name means every module whose
 * path ends with it, after a dot or not: "layer_norm" is T5's `final_layer_norm` too. A module may be one that only holds
 * others, but no list.
 *
 * @param modules in either spelling
 * @throws PeftError TARGET_NOT_FOUND for a module that is not there; TARGET_UNSUPPORTED for one with tied weights
 */
export function savedParameters(host: HostModel, modules: readonly string[]): ReadonlySet<string> {
  const found = modules.map((name) => meantBy(name, host));
  const hasHead = modules.some((name, i) => USUAL_HEADS.includes(name) && found[i]!.size > 0);
  for (const [i, name] of modules.entries()) {
    if (found[i]!.size === 0 && !(hasHead && USUAL_HEADS.includes(name))) throw notFound(host, name);
    assertUntied(host, name, found[i]!);
  }
  return new Set([...host.parameters().keys()].filter((parameter) => found.some((names) => names.has(parameter))));
}

/**
 * The same modules in names by which a reader who knows one spelling finds them, no others, and none inside another, of
 * which PEFT cannot make copies.
 *
 * @throws PeftError TARGET_UNSUPPORTED for one whose parameters are no module's of their own in that spelling
 */
export function savedModulesIn(host: HostModel, modules: readonly string[], naming: Naming): string[] {
  return modules.flatMap((name) => {
    const meant = meantBy(name, host);
    const isMeant = (names: readonly string[]) => {
      const { parameters, paths } = meantIn(names, host, naming);
      return isEqual(parameters, meant) && !hasNested(paths);
    };
    if (isMeant([name])) return [name];
    const spelt = [...host.parameters().keys()].map(
      (parameter) => [parameter, host.names.to(naming, parameter)] as const,
    );
    const others = new Set(spelt.flatMap(([parameter, path]) => (meant.has(parameter) ? [] : modulesAbove(path))));
    const inside = spelt.filter(([parameter]) => meant.has(parameter));
    const outermost = inside.map(([, path]) => modulesAbove(path).find((module) => !others.has(module)));
    const paths = [...new Set(outermost)].filter((path) => path !== undefined);
    const short = minimalNames(paths, [...others]);
    for (const names of [short, paths]) if (isMeant(names)) return names;
    throw new PeftError("TARGET_UNSUPPORTED", `"${name}" is no module of its own in the names of ${naming}`, {
      place: "modulesToSave",
      hint: "save with the other naming",
    });
  });
}

/** Names of the host's parameters, tied ones by any of the names that they have in transformers. */
function meantBy(name: string, host: HostModel): ReadonlySet<string> {
  const spellings = (["hf4", "hf5"] as const).map((naming) => meantIn([name], host, naming));
  return new Set(spellings.flatMap(({ parameters }) => [...parameters]));
}

/** The modules that names mean in one spelling, and the host's names of their parameters. */
function meantIn(
  names: readonly string[],
  host: HostModel,
  naming: Naming,
): { readonly parameters: ReadonlySet<string>; readonly paths: ReadonlySet<string> } {
  const own = [...host.parameters().keys()].map((parameter) => [host.names.to(naming, parameter), parameter] as const);
  const tied = host.tiedWeights.flatMap(({ parameter, copies }) => copies.map((copy) => [copy, parameter] as const));
  const found = [...own, ...tied].flatMap(([spelt, parameter]) =>
    modulesAbove(spelt).flatMap((path) => (names.some((name) => path.endsWith(name)) ? [{ path, parameter }] : [])),
  );
  return {
    parameters: new Set(found.map(({ parameter }) => parameter)),
    paths: new Set(found.map(({ path }) => path)),
  };
}

/** Paths of the modules that a parameter is in, from the outside. A list, which stands before a number, is none. */
function modulesAbove(parameter: string): string[] {
  const segments = parameter.split(".");
  return segments.flatMap((segment, end) =>
    end === 0 || /^\d+$/.test(segment) ? [] : [segments.slice(0, end).join(".")],
  );
}

function hasNested(paths: ReadonlySet<string>): boolean {
  return [...paths].some((path) => [...paths].some((other) => other.startsWith(`${path}.`)));
}

function isEqual(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  return a.size === b.size && [...a].every((one) => b.has(one));
}

function notFound(host: HostModel, name: string): PeftError {
  const parameters = [...host.parameters().keys()].flatMap((one) => [one, host.names.to("hf5", one)]);
  return new PeftError("TARGET_NOT_FOUND", `there is no module "${name}" to be trained and saved`, {
    place: "modulesToSave",
    hint: `the nearest names are ${nearestNames(name, new Set(parameters.flatMap(modulesAbove))).join(", ")}`,
  });
}

/** @throws PeftError TARGET_UNSUPPORTED: PEFT's copy would be of one of the modules that share a weight, here of all */
function assertUntied(host: HostModel, name: string, parameters: ReadonlySet<string>): void {
  const tied = host.tiedWeights.find(({ parameter }) => parameters.has(parameter));
  if (!tied) return;
  throw new PeftError(
    "TARGET_UNSUPPORTED",
    `"${name}" cannot be trained as a whole: ${[tied.parameter, ...tied.copies].join(", ")} are one tensor`,
    {
      place: "modulesToSave",
      hint: "PEFT copies it for one of its modules only; FullConfig trains it for all of them",
    },
  );
}
