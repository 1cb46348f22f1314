// log.jsonl: one line of JSON for each event of a run, with the time at which it happened.

import { open } from "node:fs/promises";
import { join } from "node:path";
import { PeftError } from "../errors.js";
import { makeFolder } from "../files/index.js";
import type { TrainingEvent } from "./events.js";

export const LOG_FILE = "log.jsonl";

export interface RunLog {
  write(event: TrainingEvent): Promise<void>;
  close(): Promise<void>;
}

/**
 * Opens the log in a folder, which is made if need be; lines that are there stay.
 *
 * @throws PeftError FILE_UNWRITABLE
 */
export async function openRunLog(folder: string): Promise<RunLog> {
  const path = join(folder, LOG_FILE);
  try {
    await makeFolder(folder);
    const handle = await open(path, "a");
    return {
      // One write of a whole line to a file opened for appending: a reader never sees half of one.
      write: async (event) => {
        await handle.write(`${JSON.stringify({ time: new Date().toISOString(), ...event })}\n`).catch((cause) => {
          throw unwritable(path, cause);
        });
      },
      close: () => handle.close(),
    };
  } catch (cause) {
    throw unwritable(path, cause);
  }
}

function unwritable(path: string, cause: unknown): PeftError {
  return new PeftError("FILE_UNWRITABLE", `cannot be written: ${(cause as Error).message}`, {
    place: path,
    hint: "choose another output folder, or check this one's permissions and space",
    cause,
  });
}
