// The Python environment of `pnpm reference:setup`, or the one that `PEFT_PYTHON` names.
import { existsSync } from "node:fs";
import { join } from "node:path";

/** The interpreter; undefined if it is not there. */
export function pythonOf(root: string, environment: NodeJS.ProcessEnv = process.env): string | undefined {
  if (environment.PEFT_PYTHON) return environment.PEFT_PYTHON;
  const folder = process.platform === "win32" ? "Scripts" : "bin";
  const python = join(root, "reference/.venv", folder, "python");
  return existsSync(python) ? python : undefined;
}
