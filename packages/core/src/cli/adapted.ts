// What commands over a model with an adapter share.

import { execFile } from "node:child_process";
import { isAbsolute } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { PeftModel } from "../adapters/index.js";
import { PeftError } from "../errors.js";
import { loadHost } from "../models/index.js";
import { type Parsed, required } from "./command.js";

export const ADAPTED_OPTIONS = {
  model: { type: "string" },
  adapter: { type: "string" },
  out: { type: "string" },
  use: { type: "string", multiple: true },
} as const;

export const ADAPTED_USAGE = `  --model DIR    the host's folder
  --adapter DIR  the adapter's folder
  --use PACKAGE  a package whose method the adapter is of, such as @peft/mosa, or a file such as ./method.js, as the working
                 directory has them; may be given several times`;

/**
 * Loads the packages of methods, the host, and the adapter onto it.
 *
 * @throws PeftError ARGUMENT_INVALID for a package that cannot be loaded, and what loading the others throws
 */
export async function loadAdapted(parsed: Parsed): Promise<PeftModel> {
  for (const name of (parsed.values.use as readonly string[] | undefined) ?? []) await load(name);
  return PeftModel.fromPretrained(await loadHost(required(parsed, "model")), required(parsed, "adapter"));
}

async function load(name: string): Promise<void> {
  try {
    await import(isAbsolute(name) ? pathToFileURL(name).href : await resolveHere(name));
  } catch (error) {
    const { stderr, message } = error as Error & { stderr?: string };
    const [, reason] = /Error[^:]*: (.*)/.exec(stderr ?? `Error: ${message}`) ?? [];
    throw new PeftError("ARGUMENT_INVALID", `"${name}" cannot be loaded: ${reason}`, {
      place: "--use",
      hint: "install the package where peft is called, or give a file's path with ./ before it",
      cause: error,
    });
  }
}

/** What a module in the working directory would import by a name. Node.js tells that only to a module which is there. */
async function resolveHere(name: string): Promise<string> {
  const code = "console.log(import.meta.resolve(process.argv[1]))";
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", code, "--", name]);
  return stdout.trim();
}
