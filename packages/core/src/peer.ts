// Optional packages, which are loaded when they are first needed.

import { PeftError } from "./errors.js";

/**
 * @param use how the error begins: "pictures are decoded by"
 * @param load a dynamic import of the name written out, so that bundlers see it
 * @throws PeftError PEER_MISSING
 */
export async function loadPeer<T>(name: string, use: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (cause) {
    throw new PeftError("PEER_MISSING", `${use} the package ${name}, which is not installed`, {
      hint: `npm install ${name}`,
      cause,
    });
  }
}
