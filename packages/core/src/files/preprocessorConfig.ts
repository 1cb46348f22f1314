// How a checkpoint wants its pictures or sounds: `preprocessor_config.json`, or a part of the `processor_config.json` that
// transformers 5 writes for models of two kinds of inputs.

import { join } from "node:path";
import { PeftError } from "../errors.js";
import { readJson } from "./json.js";

const OWN = "preprocessor_config.json";
const JOINT = "processor_config.json";

/**
 * The settings and the file that they come from. As in transformers, a part of `processor_config.json` goes before the other
 * file; older such files have no such part.
 *
 * @param parts its names
 * @throws PeftError FILE_MISSING where neither file has the settings; JSON_INVALID
 */
export async function readPreprocessorConfig(
  directory: string,
  parts: readonly string[],
): Promise<{ json: unknown; place: string }> {
  const joint = ((await readIfThere(join(directory, JOINT))) ?? {}) as Readonly<Record<string, unknown>>;
  const part = parts.find((name) => joint[name]);
  if (part !== undefined) return { json: joint[part], place: `${join(directory, JOINT)}, ${part}` };
  const place = join(directory, OWN);
  const json = await readIfThere(place);
  if (json !== undefined) return { json, place };
  throw new PeftError("FILE_MISSING", `there is no ${OWN}, and no ${JOINT} with "${parts[0]}"`, {
    place: directory,
    hint: `take it from where the model came from; a ${OWN} with {} in it stands for the usual settings`,
  });
}

async function readIfThere(path: string): Promise<unknown> {
  return readJson(path).catch((error) => {
    if (error instanceof PeftError && error.code === "FILE_MISSING") return undefined;
    throw error;
  });
}
