// The environment variable PEFT_DEBUG: `graph` prints every compiled function's graph when it is made, `profile` also runs it
// once under the runtime's profiler and prints the times. Both go to standard error.

import type { Explanation } from "./explain.js";

export function debugs(what: "graph" | "profile"): boolean {
  return process.env.PEFT_DEBUG === what;
}

export function tell(explanation: Explanation): void {
  console.error(`[peft] ${explanation}`);
}
