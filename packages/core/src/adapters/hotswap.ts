// Another adapter's numbers in the place of one that is attached, without a new graph.

import type { HostModel } from "../models/index.js";
import { openAdapter, readAdapter } from "./adapterFiles.js";
import type { PeftConfig } from "./config.js";
import type { Attachment } from "./method.js";
import { assertSameFields } from "./sameFields.js";

/**
 * Puts a saved adapter's numbers in the place of an attached one's, whose parameters stay the objects that they are.
 *
 * @param before called when the configs are known to go together
 * @returns the config that came with them
 * @throws PeftError ARGUMENT_INVALID if another graph would be needed, and what reading the files throws; the numbers are
 *   then those that they were
 */
export async function hotswap(
  directory: string,
  host: HostModel,
  adapter: { readonly config: PeftConfig; readonly attachment: Attachment; readonly adapterName: string },
  before: () => void,
): Promise<PeftConfig> {
  const { config, attachment, adapterName } = adapter;
  const opened = await openAdapter(directory);
  try {
    if (!attachment.swap) assertSameFields(config, opened.config);
    const finish = attachment.swap?.(opened.config);
    before();
    await readAdapter(opened, host, attachment, adapterName);
    await finish?.();
    return opened.config;
  } finally {
    await opened.weights.close();
  }
}
