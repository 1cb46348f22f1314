// A side that does almost nothing, built by its test and run as the runner runs a real one.
import { serve } from "../../src/sides/protocol.js";

let steps = 0;
await serve({
  setup: async () => new Float32Array(5e6).fill(1),
  step: async (model) => {
    if (++steps === 4) throw new Error(`the fourth step of ${model.length} numbers`);
  },
});
