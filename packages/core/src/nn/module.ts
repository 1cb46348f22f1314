// Modules: a module is its fields. Parameters and child modules are found by walking them, and a field's name is the name
// that the checkpoint file gives it, so that loading is a walk over names.

import type * as tf from "@tensorflow/tfjs";
import { Parameter } from "../engine/index.js";
import { PeftError } from "../errors.js";

export abstract class Module {
  /** Dotted path from the root; set when the root names its modules. */
  path = "";

  /** The pure function that the module is. */
  abstract forward(...inputs: never[]): unknown;
}

/** A module from one tensor to one tensor. */
export abstract class Layer extends Module {
  abstract override forward(x: tf.Tensor): tf.Tensor;
}

type Child = Module | Parameter;

/** The parameters and modules in a module's fields, also those in lists and records, with the names they have there. */
export function children(module: Module): [name: string, child: Child][] {
  const found: [string, Child][] = [];
  for (const [name, value] of Object.entries(module)) collect(name, value, found);
  return found;
}

function collect(name: string, value: unknown, found: [string, Child][]): void {
  if (value instanceof Module || value instanceof Parameter) found.push([name, value]);
  else if (Array.isArray(value) || isRecord(value)) {
    for (const [key, item] of Object.entries(value)) collect(`${name}.${key}`, item, found);
  }
}

/** A field that holds a module or a parameter, wherever in lists and records it stands, and how to put another there. */
export interface Slot {
  readonly path: string;
  get(): Module | Parameter;
  set(child: Module | Parameter): void;
}

/** Every place below the root, by its path. */
export function slots(root: Module): Map<string, Slot> {
  const found = new Map<string, Slot>();
  for (const [parentPath, parent] of namedModules(root)) {
    for (const [name] of children(parent)) {
      const path = parentPath ? `${parentPath}.${name}` : name;
      const keys = name.split(".");
      const last = keys.pop()!;
      let holder = parent as unknown as Record<string, unknown>;
      for (const key of keys) holder = holder[key] as Record<string, unknown>;
      found.set(path, {
        path,
        get: () => holder[last] as Child,
        set: (child) => {
          holder[last] = child;
        },
      });
    }
  }
  return found;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === "object" && Object.getPrototypeOf(value) === Object.prototype;
}

/** Every module below the root, with its path; the root itself has the empty path. */
export function* namedModules(root: Module, path = ""): Generator<[path: string, module: Module]> {
  yield [path, root];
  for (const [name, child] of children(root)) {
    if (child instanceof Module) yield* namedModules(child, path ? `${path}.${name}` : name);
  }
}

/** Every parameter below the root by its path, in the order of the fields. */
export function namedParameters(root: Module, path = ""): Map<string, Parameter> {
  const parameters = new Map<string, Parameter>();
  for (const [found, module] of namedModules(root, path)) {
    for (const [name, child] of children(module)) {
      if (child instanceof Parameter) parameters.set(found ? `${found}.${name}` : name, child);
    }
  }
  return parameters;
}

/**
 * Tells every module its path and every parameter its name. To be called where a tree is made or changed.
 *
 * @param path of the root, where it is not the root of a model
 */
export function nameModules(root: Module, path = ""): void {
  for (const [found, module] of namedModules(root, path)) module.path = found;
  for (const [name, parameter] of namedParameters(root, path)) parameter.name = name;
}

/** The module at a path. @throws PeftError TARGET_NOT_FOUND */
export function getModule(root: Module, path: string): Module {
  for (const [found, module] of namedModules(root)) if (found === path) return module;
  throw new PeftError("TARGET_NOT_FOUND", `there is no module "${path}"`);
}
