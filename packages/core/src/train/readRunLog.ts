// Reading log.jsonl: the events of a run as one history, also where it was stopped and gone on with.

import { open } from "node:fs/promises";
import { join } from "node:path";
import { PeftError } from "../errors.js";
import { unreadable } from "../files/fileErrors.js";
import type { TrainingEvent } from "./events.js";
import { LOG_FILE } from "./runLog.js";

export type LoggedEvent = TrainingEvent & { readonly time: string };

/** Characters of one line that are read: an event with many metrics takes some thousands. */
export const MAX_LOG_LINE = 1e6;

export interface RunHistory {
  /**
   * In their order. Of a run that was gone on with from a checkpoint, what it had done after that checkpoint is left out:
   * it was done again.
   */
  readonly events: readonly LoggedEvent[];
  /** A LOG_INVALID error for each line that is no event, with the file and the line as its place. */
  readonly damaged: readonly PeftError[];
}

const TYPES: ReadonlySet<unknown> = new Set(["start", "step", "evaluation", "checkpoint", "epoch", "done"]);

/**
 * Reads a run's log. A damaged line, as a process leaves it that is killed in the midst of writing one, is passed over
 * and reported.
 *
 * @param folder the run's output folder
 * @throws PeftError FILE_MISSING, FILE_UNREADABLE
 */
export async function readRunLog(folder: string): Promise<RunHistory> {
  const path = join(folder, LOG_FILE);
  let events: LoggedEvent[] = [];
  const damaged: PeftError[] = [];
  try {
    const handle = await open(path, "r");
    let number = 0;
    for await (const line of handle.readLines()) {
      number++;
      const event = parse(line, `${path}, line ${number}`);
      if (event instanceof PeftError) {
        damaged.push(event);
        continue;
      }
      // The epoch that ended with the checkpoint's step was over before it.
      if (event.type === "start") events = events.filter(({ step }) => step <= event.step);
      events.push(event);
    }
  } catch (cause) {
    throw unreadable(path, cause);
  }
  return { events, damaged };
}

function parse(line: string, place: string): LoggedEvent | PeftError {
  try {
    if (line.length > MAX_LOG_LINE) throw new SyntaxError(`a line of ${line.length} characters`);
    const event = JSON.parse(line) as LoggedEvent;
    if (TYPES.has(event?.type) && Number.isSafeInteger(event.step)) return event;
    throw new SyntaxError("not an event of a run");
  } catch (cause) {
    return new PeftError("LOG_INVALID", `the line is damaged: ${(cause as Error).message}`, {
      place,
      hint: "the run itself is not harmed; delete the line, or leave it: it is passed over",
      cause,
    });
  }
}
