// What a file holds against what a model wants: one error that says all that does not fit.

import { PeftError } from "../errors.js";
import type { TensorSource } from "../files/index.js";

/** A tensor that a model wants. */
export interface ExpectedTensor {
  readonly shape: readonly number[];
  readonly dtype: "float32" | "int32" | "bool";
  /** The file's name of it; undefined where the file has none. */
  readonly source: string | undefined;
}

export interface Misshapen {
  readonly name: string;
  readonly expected: readonly number[];
  readonly found: readonly number[];
}

/** Names shown in a message; the error's details hold all. */
const SHOWN = 5;

const FITTING: Record<ExpectedTensor["dtype"], readonly string[]> = {
  float32: ["float32", "float16", "bfloat16"],
  int32: ["int32", "int64", "uint8"],
  bool: ["bool", "uint8"],
};

/**
 * @param expected by the model's names
 * @param unexpected the file's names that the model has no place for
 * @throws PeftError KEY_MISMATCH with `{ missing, unexpected, misshapen }` unless everything fits
 */
export function checkTensors(
  source: Pick<TensorSource, "tensors">,
  expected: ReadonlyMap<string, ExpectedTensor>,
  unexpected: readonly string[],
  place: string,
  hint?: string,
): void {
  const missing: string[] = [];
  const misshapen: Misshapen[] = [];
  for (const [name, tensor] of expected) {
    const info = tensor.source === undefined ? undefined : source.tensors.get(tensor.source);
    if (!info) missing.push(name);
    else if (info.shape.join() !== tensor.shape.join() || !FITTING[tensor.dtype].includes(info.dtype)) {
      misshapen.push({ name, expected: tensor.shape, found: info.shape });
    }
  }
  if (missing.length + unexpected.length + misshapen.length === 0) return;
  const shapes = misshapen.map(({ name, expected, found }) => `${name} [${found}] instead of [${expected}]`);
  const parts = [
    ["missing", missing],
    ["unexpected", unexpected],
    ["of another shape or type", shapes],
  ] as const;
  const message = parts
    .filter(([, names]) => names.length > 0)
    .map(([what, names]) => {
      const rest = names.length > SHOWN ? ` and ${names.length - SHOWN} more` : "";
      return `${names.length} ${what}: ${names.slice(0, SHOWN).join(", ")}${rest}`;
    })
    .join("; ");
  throw new PeftError("KEY_MISMATCH", `the tensors do not fit the model: ${message}`, {
    place,
    hint: hint ?? "check that the file belongs to this model, and that its config is the one beside it",
    details: { missing, unexpected: [...unexpected], misshapen },
  });
}
