// Gradient checkpointing (Chen et al. 2016, "Training deep nets with sublinear memory cost"): of a block only what leaves it
// is kept for the backward pass, which computes the rest again. A host marks its blocks; `simplify/blocks.ts` does the work.

import { engineState } from "./state.js";
import { currentRecorder } from "./trace.js";

/**
 * Marks a part of a host's forward pass as one block. Outside `inCheckpointing`, and run op by op, it is the body alone.
 * Of blocks inside one another the outermost counts.
 *
 * @param body computes the block; what it returns is kept, and the rest of it is computed again
 */
export function checkpoint<T>(body: () => T): T {
  const recorder = engineState().checkpointing ? currentRecorder() : undefined;
  if (!recorder || recorder.block !== undefined) return body();
  recorder.block = recorder.blocks++;
  try {
    return body();
  } finally {
    recorder.block = undefined;
  }
}
