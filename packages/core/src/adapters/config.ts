// What the configs of all methods share: camelCase fields that are checked and frozen, and PEFT's `adapter_config.json`.

import * as v from "valibot";
import { env } from "../env.js";
import { PeftError } from "../errors.js";
import type { HostModel } from "../models/index.js";
import type { Combination, CombinationOptions, CombinationSource } from "./combination.js";
import { HEAD_INITS, type HeadInit } from "./headInit.js";
import type { Attachment } from "./method.js";
import type { Targets } from "./targets.js";

export interface CommonFields {
  /**
   * Modules that are trained as a whole and saved with the adapter: as in PEFT each whose path ends with the name, after a
   * dot or not. None with a weight that transformers ties to another module's. Left out: the host's head, which is what
   * PEFT does for a task of classification. `null` or an empty list: none.
   */
  modulesToSave?: readonly string[] | null;
  /** How the copy of the head starts. @defaultValue "keep" */
  headInit: HeadInit;
  /** PEFT's name of the task, such as "SEQ_CLS"; kept for Python, of no effect here. */
  taskType?: string | null;
  /** Hub id or folder of the host. @defaultValue what the host was loaded from */
  baseModelNameOrPath?: string | null;
  revision?: string | null;
}

const text = v.nullish(v.string());

/** The schema of `CommonFields`, to be spread into a method's own. */
export const commonEntries: v.ObjectEntries = {
  modulesToSave: v.nullish(v.array(v.string())),
  headInit: v.optional(v.picklist(HEAD_INITS), "keep"),
  taskType: text,
  baseModelNameOrPath: text,
  revision: text,
};

/** The schema of `Targets`. */
export const targetsEntry: v.GenericSchema<Targets> = v.union([v.string(), v.array(v.string()), v.instance(RegExp)]);

export interface AttachOptions {
  /** Of the adapter's first weights and of a new head. @defaultValue 0 */
  readonly seed?: number;
}

/** A method's configuration. Instances are frozen; `with` makes changed copies. */
export abstract class PeftConfig<Fields extends object = object> {
  /** PEFT's name of the method, by which a saved adapter is found again. */
  abstract readonly peftType: string;

  /**
   * Attaches the method to a host; at once, without reading a number. Called by `getPeftModel`.
   *
   * @throws PeftError TARGET_NOT_FOUND, TARGET_UNSUPPORTED; the host is then as it was
   */
  abstract attach(host: HostModel, adapterName: string, options?: AttachOptions): Attachment;

  /**
   * Makes one adapter of several of this method. Called by `PeftModel.addWeightedAdapter`; absent where a method cannot.
   *
   * @throws PeftError ARGUMENT_INVALID for adapters that do not go together
   */
  combine?(
    host: HostModel,
    sources: readonly CombinationSource<PeftConfig>[],
    options: CombinationOptions,
  ): Promise<Combination<PeftConfig>>;

  /** The config with some fields changed. */
  with(changes: Partial<Fields>): this {
    const Same = this.constructor as new (fields: object) => this;
    return new Same({ ...fieldsOf(this), ...changes });
  }

  /** The fields in snake_case, as `adapter_config.json` has them. A RegExp becomes a pattern in Python's syntax. */
  toJSON(): Record<string, unknown> {
    const json: Record<string, unknown> = { peft_type: this.peftType };
    for (const [name, value] of Object.entries(fieldsOf(this))) {
      if (value === undefined || (name === "headInit" && value === "keep")) continue;
      json[snakeCase(name)] = value instanceof RegExp ? pythonSource(value) : value;
    }
    return json;
  }
}

function fieldsOf(config: PeftConfig): Record<string, unknown> {
  const { peftType: _, ...fields } = config;
  return fields;
}

type FieldsSchema = v.StrictObjectSchema<v.ObjectEntries, undefined>;

/** Checks a config's fields, gives them to it, and freezes it. @throws PeftError CONFIG_INVALID naming the field */
export function setFields(config: PeftConfig, schema: FieldsSchema, fields: object): void {
  const parsed = v.safeParse(schema, fields);
  if (!parsed.success) {
    const [issue] = parsed.issues;
    const field = issue.path?.map((part) => String(part.key)).join(".") ?? "";
    throw new PeftError("CONFIG_INVALID", `${config.constructor.name}: ${field}: ${issue.message}`, {
      place: field,
      hint: `the fields are ${Object.keys(schema.entries).join(", ")}`,
    });
  }
  for (const [name, value] of Object.entries(parsed.output)) {
    const held = Array.isArray(value) || (isObject(value) && !(value instanceof RegExp)) ? Object.freeze(value) : value;
    Object.assign(config, { [name]: held });
  }
  Object.freeze(config);
}

/** Keys that PEFT writes for every method and that say nothing here. */
const SILENT_KEYS = ["peft_type", "auto_mapping", "inference_mode", "peft_version"];

export interface JSONRules {
  readonly schema: FieldsSchema;
  /** Keys of PEFT's that would change what the adapter computes, so that they must be null, false, or empty. */
  readonly unsupported?: readonly string[];
  /** Keys of PEFT's that change nothing once the others are as they must be. */
  readonly idle?: readonly string[];
  readonly place: string;
}

/**
 * The fields of a config from the object in `adapter_config.json`. Unknown keys are dropped with a warning that names them
 * (CONFIG_UNKNOWN_KEY), so that files of later versions can be read.
 *
 * @throws PeftError CONFIG_INVALID if it is no object, or has a feature that would change what the adapter computes
 */
export function fieldsFromJSON(json: unknown, rules: JSONRules): Record<string, unknown> {
  const { schema, unsupported = [], idle = [], place } = rules;
  if (!isObject(json)) throw new PeftError("CONFIG_INVALID", "the config is no JSON object", { place });
  // In a file nothing is understood: no modules_to_save means none.
  const fields: Record<string, unknown> = { modulesToSave: null };
  const unknown: string[] = [];
  for (const [key, value] of Object.entries(json)) {
    const name = camelCase(key);
    if (Object.hasOwn(schema.entries, name)) {
      if (value !== null) fields[name] = value;
    } else if (unsupported.includes(key)) {
      if (!isNeutral(value)) {
        throw new PeftError("CONFIG_INVALID", `the adapter uses ${key}, which is not supported`, {
          place,
          details: { [key]: value },
        });
      }
    } else if (!SILENT_KEYS.includes(key) && !idle.includes(key)) unknown.push(key);
  }
  if (unknown.length > 0) {
    env.warn({ code: "CONFIG_UNKNOWN_KEY", message: `${place}: unknown keys are left out: ${unknown.join(", ")}` });
  }
  return fields;
}

/** @throws PeftError CONFIG_INVALID for an adapter of GPT-2's layers, which this library does not have */
export function refuseTransposed(json: unknown, place: string): void {
  if (!isObject(json) || json.fan_in_fan_out !== true) return;
  throw new PeftError("CONFIG_INVALID", "fan_in_fan_out is for GPT-2's Conv1D, whose weight is transposed", {
    place,
    hint: "the hosts of this library have linear layers of [out, in] only; set it to false",
  });
}

function isNeutral(value: unknown): boolean {
  return value === null || value === false || (typeof value === "object" && Object.keys(value).length === 0);
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

export function camelCase(name: string): string {
  return name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

/** Python wants a full match where `test` is content with a part. */
function pythonSource({ source, flags }: RegExp): string {
  return `${flags.includes("i") ? "(?i)" : ""}.*(?:${source}).*`;
}
