// Which programs the two sides of a suite are.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { pythonOf } from "../python.js";
import type { SideCommand } from "./child.js";

/** Our side: the built `src/sides/SUITE.ts`. */
export function oursCommand(root: string, suite: string, args: readonly string[]): SideCommand {
  return { command: process.execPath, args: [join(root, "apps/checks/dist/sides", `${suite}.js`), ...args] };
}

/**
 * PyTorch's side, in the Python environment of `pnpm reference:setup` or the one that `PEFT_PYTHON` names.
 * @returns a sentence that says what is missing and how to get it, if it is not there
 */
export function torchCommand(
  root: string,
  suite: string,
  args: readonly string[],
  environment: NodeJS.ProcessEnv = process.env,
): SideCommand | string {
  const script = join(root, "reference/bench", `${suite}.py`);
  if (!existsSync(script)) return `There is no PyTorch side for this suite (reference/bench/${suite}.py).`;
  const python = pythonOf(root, environment);
  if (python) return { command: python, args: [script, ...args] };
  return "PyTorch was not measured: run `pnpm reference:setup`, or set PEFT_PYTHON to a Python that has torch and transformers.";
}
