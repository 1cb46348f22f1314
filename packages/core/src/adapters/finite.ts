// Merged numbers, looked at before they are put in place.

import { PeftError } from "../errors.js";

/** The numbers themselves. @throws PeftError MERGE_NAN if one is not finite */
export function finite(merged: Float32Array, path: string): Float32Array {
  if (merged.every(Number.isFinite)) return merged;
  throw new PeftError("MERGE_NAN", "merging gives numbers that are not finite", {
    place: path,
    hint: "the adapter's or the host's weights hold NaN or infinite numbers; nothing was changed",
  });
}
