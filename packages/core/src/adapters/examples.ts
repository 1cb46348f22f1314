// A batch in which every example has an adapter of its own, in one graph: each adapter runs on all examples, and its part is
// multiplied by zero where it is not meant, at the narrow side of its factors.

import * as tf from "@tensorflow/tfjs";
import { PeftError } from "../errors.js";
import type { HostArray } from "../hostArray.js";
import type { AdapterState } from "./status.js";

/** PEFT's name for no adapter. */
const NO_ADAPTER = "__base__";

/** For each example the position of its adapter among those that are active, -1 for none. */
export function positionsOf(
  adapterNames: readonly string[],
  active: readonly string[],
): HostArray & { readonly data: Int32Array } {
  const data = Int32Array.from(adapterNames, (name) => {
    const index = active.indexOf(name);
    if (index >= 0 || name === NO_ADAPTER) return index;
    throw new PeftError("ADAPTER_UNKNOWN", `there is no active adapter named "${name}"`, {
      hint: `active are ${active.join(", ") || "none"}; setAdapter takes several`,
    });
  });
  return { data, shape: [data.length], dtype: "int32" };
}

/**
 * Traces a model with each adapter limited to the examples that have its position.
 *
 * @param indices [batch] int32, positions in `adapters`; any other number is for none of them
 * @throws PeftError ARGUMENT_INVALID for merged adapters, for copies of a head, and for methods that cannot be limited
 */
export function forExamples<T>(indices: tf.Tensor, adapters: readonly AdapterState[], body: () => T): T {
  for (const { name, config, attachment, isMerged } of adapters) {
    if (isMerged) {
      throw new PeftError("ARGUMENT_INVALID", `examples cannot have adapters of their own while "${name}" is merged`, {
        place: "adapterIndices",
        hint: "unmerge() first",
      });
    }
    const [copied] = attachment.replaces?.keys() ?? [];
    if (copied !== undefined) {
      throw new PeftError("ARGUMENT_INVALID", `"${name}" holds ${copied}, which would be every example's`, {
        place: "adapterIndices",
        hint: "give it modulesToSave: null",
      });
    }
    if (attachment.setExamples) continue;
    throw new PeftError("ARGUMENT_INVALID", `"${name}", of ${config.peftType}, works on all examples or none`, {
      place: "adapterIndices",
      hint: "LoRA without DoRA can be limited to some examples of a batch",
    });
  }
  // As floats: the comparison of whole numbers is not everywhere.
  const positions = tf.cast(indices, "float32");
  try {
    for (const [i, { attachment }] of adapters.entries()) {
      attachment.setExamples!(tf.cast(tf.equal(positions, i), "float32"));
    }
    return body();
  } finally {
    for (const { attachment } of adapters) attachment.setExamples!(undefined);
  }
}
