// Event files for TensorBoard: records of protocol buffers (tensorflow.Event), each with checksums of its length and of its
// bytes. Scalars only, as simple values.

import { type FileHandle, open } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { PbfWriter } from "pbf";
import { unwritable } from "../files/fileErrors.js";
import { makeFolder } from "../files/index.js";
import type { TrainingCallback } from "./callbacks.js";
import { maskedCrc32c } from "./crc32c.js";
import type { TrainingEvent } from "./events.js";

const VERSION = "brain.Event:2";
/** SessionLog.START: readers drop what an earlier file says of later steps. */
const SESSION_START = 1;

/** Files of one process that begin in the same second. */
let files = 0;

type Scalars = readonly (readonly [tag: string, value: number])[];

/**
 * A callback that writes a run's scalars for TensorBoard (`tensorboard --logdir FOLDER`): `train/loss`, `train/norm`,
 * `train/learningRate`, `train/stepsPerSecond` of each step event, and `<set>/<metric>` of each evaluation. A run that is
 * gone on with gets a further file, and TensorBoard drops what the steps that are done again had written before.
 *
 * @param folder made if need be, at the first event
 * @throws PeftError FILE_UNWRITABLE, in the run
 */
export function tensorBoard(folder: string): Required<TrainingCallback> {
  let file: { handle: FileHandle; path: string } | undefined;
  const write = async (event: Uint8Array): Promise<void> => {
    const { handle, path } = file!;
    await handle.appendFile(record(event)).catch((cause) => {
      throw unwritable(path, cause);
    });
  };
  return {
    onEvent: async (event) => {
      if (!file) {
        file = await openFile(folder);
        await write(encode({ version: VERSION }));
      }
      if (event.type === "start" && event.step > 0) await write(encode({ step: event.step, restarts: true }));
      const scalars = scalarsOf(event).filter(([, value]) => Number.isFinite(value));
      if (scalars.length > 0) await write(encode({ step: event.step, scalars }));
    },
    onEnd: async () => {
      await file?.handle.close();
      file = undefined;
    },
  };
}

async function openFile(folder: string): Promise<{ handle: FileHandle; path: string }> {
  const seconds = String(Math.floor(Date.now() / 1000)).padStart(10, "0");
  const path = join(folder, `events.out.tfevents.${seconds}.${hostname()}.${process.pid}.${files++}`);
  await makeFolder(folder);
  const handle = await open(path, "ax").catch((cause) => {
    throw unwritable(path, cause);
  });
  return { handle, path };
}

function scalarsOf(event: TrainingEvent): Scalars {
  if (event.type === "step") {
    const { loss, norm, learningRate, stepsPerSecond } = event;
    return Object.entries({ loss, norm, learningRate, stepsPerSecond }).map(([name, value]) => [
      `train/${name}`,
      value,
    ]);
  }
  if (event.type !== "evaluation") return [];
  return Object.entries(event.metrics).flatMap(([name, value]) =>
    name === "examples" || value === undefined ? [] : [[`${event.split}/${name}`, value] as const],
  );
}

/** A tensorflow.Event: wall_time 1, step 2, and one of file_version 3, summary 5, session_log 7. */
function encode(event: { version?: string; step?: number; scalars?: Scalars; restarts?: boolean }): Uint8Array {
  const pbf = new PbfWriter();
  pbf.writeDoubleField(1, Date.now() / 1000);
  if (event.step !== undefined) pbf.writeVarintField(2, event.step);
  if (event.version !== undefined) pbf.writeStringField(3, event.version);
  if (event.scalars) pbf.writeMessage(5, writeSummary, event.scalars);
  if (event.restarts) pbf.writeMessage(7, (status, to) => to.writeVarintField(1, status), SESSION_START);
  return pbf.finish();
}

/** A tensorflow.Summary: a value 1 for each scalar, of tag 1 and simple_value 2. */
function writeSummary(scalars: Scalars, pbf: PbfWriter): void {
  for (const scalar of scalars) {
    pbf.writeMessage(
      1,
      ([tag, value], to) => {
        to.writeStringField(1, tag);
        to.writeFloatField(2, value);
      },
      scalar,
    );
  }
}

/** length, its checksum, the bytes, their checksum; little-endian. */
function record(bytes: Uint8Array): Uint8Array {
  const framed = new Uint8Array(bytes.length + 16);
  const view = new DataView(framed.buffer);
  view.setBigUint64(0, BigInt(bytes.length), true);
  view.setUint32(8, maskedCrc32c(framed.subarray(0, 8)), true);
  framed.set(bytes, 12);
  view.setUint32(12 + bytes.length, maskedCrc32c(bytes), true);
  return framed;
}
