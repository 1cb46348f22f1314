// What the tests of the trainer share: a folder that comes and goes, and runs until their end or their error.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach } from "vitest";
import type { PeftError } from "../../src/index.js";
import type { Trainer, TrainingEvent } from "../../src/train/index.js";

/** A folder for each test. */
export function temporaryFolder(): { readonly path: string } {
  const folder = { path: "" };
  beforeEach(async () => {
    folder.path = await mkdtemp(join(tmpdir(), "peft-train-"));
  });
  afterEach(async () => {
    await rm(folder.path, { recursive: true, force: true });
  });
  return folder;
}

export async function all(trainer: Trainer, signal?: AbortSignal): Promise<TrainingEvent[]> {
  const events: TrainingEvent[] = [];
  for await (const event of trainer.run({ signal })) events.push(event);
  return events;
}

/** Events until the run throws, and what it throws. */
export async function untilError(
  trainer: Trainer,
  onEvent: (event: TrainingEvent) => void = () => {},
  signal?: AbortSignal,
): Promise<{ events: TrainingEvent[]; error: unknown }> {
  const events: TrainingEvent[] = [];
  try {
    for await (const event of trainer.run({ signal })) {
      events.push(event);
      onEvent(event);
    }
  } catch (error) {
    return { events, error };
  }
  throw new Error("the run ended without an error");
}

export async function codeOf(trainer: Trainer): Promise<string> {
  return ((await untilError(trainer)).error as PeftError).code;
}
