// log.jsonl: one line of JSON for each event of a run, with the time at which it happened.

import { open } from "node:fs/promises";
import { join } from "node:path";
import { env } from "../env.js";
import { unwritable } from "../files/fileErrors.js";
import { makeFolder } from "../files/index.js";
import type { TrainingCallback } from "./callbacks.js";

export const LOG_FILE = "log.jsonl";

const LINE_END = 0x0a;

/**
 * Opens the log in a folder, which is made if need be; lines that are there stay. Where a process died in the midst of a
 * line, the next one begins after it.
 *
 * @throws PeftError FILE_UNWRITABLE
 */
export async function openRunLog(folder: string): Promise<Required<TrainingCallback>> {
  const path = join(folder, LOG_FILE);
  await makeFolder(folder);
  try {
    const handle = await open(path, "a+");
    const { size } = await handle.stat();
    const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, Math.max(0, size - 1));
    if (size > 0 && buffer[0] !== LINE_END) {
      env.warn({
        code: "LOG_DAMAGED",
        message: `the last line of ${path} is not whole; what follows begins a new one`,
      });
      await handle.appendFile("\n");
    }
    return {
      // One write of a whole line to a file opened for appending: a reader sees half of one only where the disk is full or
      // the process died.
      onEvent: async (event) => {
        await handle.appendFile(`${JSON.stringify({ time: new Date().toISOString(), ...event })}\n`).catch((cause) => {
          throw unwritable(path, cause);
        });
      },
      onEnd: () => handle.close(),
    };
  } catch (cause) {
    throw unwritable(path, cause);
  }
}
