// What the readers of `config.json` share: a field's error by its name, the model's type, the names of the classes.

import * as v from "valibot";
import { PeftError } from "../errors.js";

const token = v.pipe(v.number(), v.integer(), v.minValue(0));

/** @throws PeftError CONFIG_INVALID where `model_type` is another's; a config without one may be of any */
export function checkModelType(json: unknown, type: string, place: string): void {
  const { model_type: found, architectures } = (json ?? {}) as { model_type?: unknown; architectures?: unknown };
  if (found === undefined || found === type) return;
  const made = Array.isArray(architectures) && architectures.length > 0 ? ` (${architectures.join(", ")})` : "";
  throw new PeftError("CONFIG_INVALID", `the folder holds a model of the type "${found}"${made}, not "${type}"`, {
    place,
    hint: "load it with the class of its own type",
  });
}

/** Reads an object by a schema. @throws PeftError CONFIG_INVALID naming the field */
export function parseFields<S extends v.GenericSchema>(
  schema: S,
  json: unknown,
  { what, place }: { what: string; place: string },
): v.InferOutput<S> {
  const parsed = v.safeParse(schema, json);
  if (parsed.success) return parsed.output;
  const [issue] = parsed.issues;
  const field = issue.path?.map((part: { key?: unknown }) => String(part.key)).join(".") ?? "";
  throw new PeftError("CONFIG_INVALID", `not a configuration of ${what} that is read: ${field}: ${issue.message}`, {
    place,
  });
}

/** What a config says of the classes: their names, or in old files only how many there are. */
interface LabelFields {
  readonly id2label?: Readonly<Record<string, string>> | null;
  readonly num_labels?: number | null;
}

export const LABEL_FIELDS: { readonly [field in keyof LabelFields]-?: v.GenericSchema<LabelFields[field]> } = {
  id2label: v.nullish(v.record(v.string(), v.string())),
  num_labels: v.nullish(v.pipe(v.number(), v.integer(), v.minValue(0))),
};

/** The names of the classes in the order of the logits. @param usual how many without a name there are where nothing is said */
export function labelsOf({ id2label, num_labels: count }: LabelFields, usual = 2): readonly string[] {
  if (!id2label) return Array.from({ length: count ?? usual }, (_, i) => `LABEL_${i}`);
  return Object.entries(id2label)
    .sort(([a], [b]) => Number(a) - Number(b))
    .map(([, label]) => label);
}

/** A token's number, which transformers 5 also takes as a list; here of one. */
export const onlyToken: v.GenericSchema<number | [number], number> = v.pipe(
  v.union([token, v.strictTuple([token])]),
  v.transform((given) => (typeof given === "number" ? given : given[0])),
);

/** `id2label` and `label2id`. */
export function labelsToJSON(labels: readonly string[]): Record<string, unknown> {
  return {
    id2label: Object.fromEntries(labels.map((label, i) => [String(i), label])),
    label2id: Object.fromEntries(labels.map((label, i) => [label, i])),
  };
}
