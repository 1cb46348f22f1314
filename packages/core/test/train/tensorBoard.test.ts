import { readdir, readFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { PbfReader } from "pbf";
import { expect, it } from "vitest";
import { useEngine } from "../../src/index.js";
import { crc32c, maskedCrc32c } from "../../src/train/crc32c.js";
import { arrayBatches, Trainer, type TrainerOptions, tensorBoard } from "../../src/train/index.js";
import { Mlp, points } from "./models.js";
import { all, temporaryFolder } from "./support.js";

const folder = temporaryFolder();

interface Event {
  time?: number;
  step: number;
  version?: string;
  status?: number;
  scalars: Record<string, number>;
}

/** Every event of a file; throws at a checksum, a length or a field that is not as TensorFlow's protocol has it. */
function readEvents(bytes: Buffer): Event[] {
  const events: Event[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = Number(bytes.readBigUInt64LE(at));
    expect(bytes.readUInt32LE(at + 8)).toBe(maskedCrc32c(bytes.subarray(at, at + 8)));
    const data = bytes.subarray(at + 12, at + 12 + length);
    expect(data).toHaveLength(length);
    expect(bytes.readUInt32LE(at + 12 + length)).toBe(maskedCrc32c(data));
    events.push(parseEvent(data));
    at += length + 16;
  }
  return events;
}

function parseEvent(data: Uint8Array): Event {
  const event: Event = { step: 0, scalars: {} };
  new PbfReader(data).readFields((field, of: Event, pbf) => {
    if (field === 1) of.time = pbf.readDouble();
    else if (field === 2) of.step = pbf.readVarint(true);
    else if (field === 3) of.version = pbf.readString();
    else if (field === 5) pbf.readMessage((inner, to: Event["scalars"], sub) => readValue(inner, to, sub), of.scalars);
    else if (field === 7)
      of.status = pbf.readMessage((_, to: { status?: number }, sub) => {
        to.status = sub.readVarint();
      }, {}).status;
    else throw new Error(`a field ${field}`);
  }, event);
  return event;
}

function readValue(field: number, scalars: Event["scalars"], pbf: PbfReader): void {
  expect(field).toBe(1);
  const value = pbf.readMessage((inner, of: { tag?: string; value?: number }, sub) => {
    if (inner === 1) of.tag = sub.readString();
    else if (inner === 2) of.value = sub.readFloat();
    else throw new Error(`a field ${inner} in a value`);
  }, {});
  scalars[value.tag!] = value.value!;
}

async function filesIn(path: string): Promise<{ name: string; events: Event[] }[]> {
  const names = (await readdir(path)).sort();
  return Promise.all(names.map(async (name) => ({ name, events: readEvents(await readFile(join(path, name))) })));
}

it("the checksum is that of RFC 3720's examples, masked as TensorFlow does", () => {
  expect(crc32c(Buffer.from("123456789"))).toBe(0xe3069283);
  expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
  expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43);
  // The head of a file that TensorFlow wrote with a record of 24 bytes: its length and that checksum.
  expect(maskedCrc32c(Buffer.from("1800000000000000", "hex"))).toBe(Buffer.from("a37f4b22", "hex").readUInt32LE());
});

it("a run's scalars are in a file that a strict reader reads, and a run that goes on says from where", async () => {
  await useEngine("eager");
  const run = join(folder.path, "run");
  const board = join(folder.path, "board");
  const options = (more: Partial<TrainerOptions>): TrainerOptions => ({
    ...{
      train: arrayBatches(points(12), { batchSize: 6 }),
      validation: { dev: arrayBatches(points(6), { batchSize: 6 }) },
    },
    ...{ epochs: 1, learningRate: 0.1, outputDir: run, resume: true, callbacks: [tensorBoard(board)] },
    ...more,
  });
  const events = await all(new Trainer(new Mlp(), options({})));
  const [file] = await filesIn(board);
  expect(file!.name).toMatch(/^events\.out\.tfevents\.\d{10}\./);
  expect(file!.name).toContain(`.${hostname()}.${process.pid}.`);
  const [head, ...rest] = file!.events;
  expect(head).toMatchObject({ version: "brain.Event:2", step: 0, scalars: {} });
  expect(Math.abs(head!.time! - Date.now() / 1000)).toBeLessThan(60);
  const wanted = events.flatMap((event) => {
    if (event.type === "evaluation") {
      const { loss, accuracy } = event.metrics;
      return [{ step: event.step, scalars: { "dev/loss": Math.fround(loss), "dev/accuracy": Math.fround(accuracy!) } }];
    }
    if (event.type !== "step") return [];
    const { step, loss, norm, learningRate, stepsPerSecond } = event;
    const scalars = { loss, norm, learningRate, stepsPerSecond };
    return [
      { step, scalars: Object.fromEntries(Object.entries(scalars).map(([k, x]) => [`train/${k}`, Math.fround(x)])) },
    ];
  });
  expect(rest.map(({ step, scalars }) => ({ step, scalars }))).toEqual(wanted);

  await all(new Trainer(new Mlp(), options({ epochs: 2 })));
  const files = await filesIn(board);
  expect(files).toHaveLength(2);
  const second = files.find(({ name }) => name !== file!.name)!;
  expect(second.events[1]).toMatchObject({ step: 2, status: 1, scalars: {} });
  expect(second.events.map(({ step }) => step)).toEqual([0, 2, 3, 4, 4]);
});
