import { mkdtemp, open, readdir, readFile, stat, truncate, writeFile } from "node:fs/promises";
import { freemem, tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { PeftError } from "../../src/errors.js";
import {
  type DType,
  elementBytes,
  elementCount,
  type HostTensor,
  tensorFromBuffer,
} from "../../src/files/hostTensor.js";
import { openSafetensors, parseSafetensors, readFully, readSafetensors } from "../../src/files/safetensors.js";
import { serializeSafetensors, writeSafetensors } from "../../src/files/safetensorsWriter.js";
import { fixturePath } from "../data/fixtures.js";

const DTYPES: DType[] = ["float32", "float16", "bfloat16", "int8", "uint8", "int32", "int64", "bool"];

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "peft-safetensors-"));
});

/** What reference/data/make_fixtures.py writes to every-type.safetensors. */
const EVERY_TYPE: Record<string, HostTensor> = {
  "weights.b": { dtype: "float32", shape: [2, 3], data: Float32Array.of(0, 1, 2, 3, 4, 5) },
  "weights.a": { dtype: "float32", shape: [2], data: Float32Array.of(0.5, -1) },
  position_ids: { dtype: "int64", shape: [1, 3], data: BigInt64Array.of(0n, -1n, 2n ** 53n + 1n) },
  mask: { dtype: "bool", shape: [3], data: Uint8Array.of(1, 0, 1) },
  half: { dtype: "float16", shape: [2], data: Uint16Array.of(0x3c00, 0xc100) },
  brain: { dtype: "bfloat16", shape: [2], data: Uint16Array.of(0x3f80, 0x4049) },
  bytes: { dtype: "uint8", shape: [2], data: Uint8Array.of(0, 200) },
  signed: { dtype: "int8", shape: [3], data: Int8Array.of(-128, 127, 0) },
  counts: { dtype: "int32", shape: [2], data: Int32Array.of(-(2 ** 31), 7) },
  scalar: { dtype: "float32", shape: [], data: Float32Array.of(3.5) },
  nothing: { dtype: "float32", shape: [0, 4], data: new Float32Array(0) },
  größe: { dtype: "float32", shape: [1], data: Float32Array.of(1) },
};

const tensors = fc.dictionary(
  fc.string({ maxLength: 20, unit: "grapheme" }).filter((name) => name !== "__metadata__"),
  fc
    .record({ dtype: fc.constantFrom(...DTYPES), shape: fc.array(fc.nat(4), { maxLength: 4 }) })
    .chain(({ dtype, shape }) => {
      const length = elementCount(shape) * elementBytes(dtype);
      return fc
        .uint8Array({ minLength: length, maxLength: length })
        .map((bytes) => tensorFromBuffer(dtype, shape, new Uint8Array(bytes).buffer));
    }),
  { maxKeys: 8 },
);

/** The numbers' bits, so that NaNs compare. */
function plainForm(all: Iterable<[string, HostTensor]>): Record<string, unknown> {
  const entries = [...all].map(([name, { dtype, shape, data }]) => {
    return [name, { dtype, shape, bytes: Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("hex") }];
  });
  return Object.fromEntries(entries);
}

describe("reading and writing", () => {
  it("reads every type as the Python library wrote it", async () => {
    const read = await readSafetensors(fixturePath("every-type.safetensors"));
    expect(plainForm(read)).toEqual(plainForm(Object.entries(EVERY_TYPE)));
  });

  it("writes the bytes that the Python library writes", async () => {
    const expected = await readFile(fixturePath("every-type.safetensors"));
    expect(Buffer.from(serializeSafetensors(EVERY_TYPE)).equals(expected)).toBe(true);
    const path = join(folder, "new", "folders", "every-type.safetensors");
    await writeSafetensors(path, new Map(Object.entries(EVERY_TYPE)));
    expect((await readFile(path)).equals(expected)).toBe(true);
    expect(await readdir(join(folder, "new", "folders"))).toEqual(["every-type.safetensors"]);
  });

  it("gives back any tensors and metadata", () => {
    fc.assert(
      fc.property(
        tensors,
        fc.dictionary(fc.string({ unit: "grapheme" }), fc.string({ unit: "grapheme" })),
        (all, notes) => {
          const read = parseSafetensors(serializeSafetensors(all, notes));
          expect(plainForm(read.tensors)).toEqual(plainForm(Object.entries(all)));
          expect(read.metadata).toEqual(notes);
        },
      ),
    );
  });

  it("knows names, types, shapes and metadata after opening, and reads single tensors into buffers of their own", async () => {
    const file = await openSafetensors(fixturePath("every-type.safetensors"));
    expect(file.metadata).toEqual({ format: "pt" });
    expect(file.tensors.get("weights.b")).toMatchObject({ dtype: "float32", shape: [2, 3] });
    const { data } = await file.read("weights.b");
    expect(data).toEqual(EVERY_TYPE["weights.b"]!.data);
    expect(data.buffer.byteLength).toBe(24);
    expect(structuredClone(data, { transfer: [data.buffer as ArrayBuffer] })).toHaveLength(6);
    await expect(file.read("encoder.weights.b")).rejects.toMatchObject({
      code: "KEY_MISMATCH",
      hint: "similar names: weights.b",
    });
    const asked: string[] = [];
    for await (const [name] of file.readAll(["scalar", "half", "scalar"])) asked.push(name);
    expect(asked).toEqual(["scalar", "half", "scalar"]);
    await file.close();
    await expect(file.read("half")).rejects.toMatchObject({ code: "DISPOSED" });
  });

  it("reads in pieces where one read cannot take all", async () => {
    const path = join(folder, "pieces");
    await writeFile(
      path,
      Uint8Array.from({ length: 1000 }, (_, i) => i),
    );
    const handle = await open(path, "r");
    const target = new Uint8Array(600);
    await readFully(handle, target, 300, path, 7);
    await handle.close();
    expect(target).toEqual(Uint8Array.from({ length: 600 }, (_, i) => i + 300));
  });

  const needed = 4 * 2 ** 30;
  it.skipIf(freemem() < needed)("reads a tensor of more than 2 GiB (needs 4 GiB of free memory)", async () => {
    const path = join(folder, "large.safetensors");
    const size = 2 ** 31 + 2 ** 20;
    const header = JSON.stringify({ w: { dtype: "U8", shape: [size], data_offsets: [0, size] } }).padEnd(80);
    const handle = await open(path, "w");
    await handle.write(lengthPrefixed(header));
    await handle.truncate(88 + size); // sparse: takes no room on the disk
    await handle.write(Uint8Array.of(1, 2, 3), 0, 3, 88 + size - 3);
    await handle.close();
    const file = await openSafetensors(path);
    const { data } = await file.read("w");
    await file.close();
    await truncate(path, 0);
    expect(data.length).toBe(size);
    expect([...(data as Uint8Array).subarray(-4)]).toEqual([0, 1, 2, 3]);
  });

  it("refuses to write what the format cannot hold, and leaves no file", async () => {
    const path = join(folder, "refused.safetensors");
    const one: HostTensor = { dtype: "float32", shape: [1], data: Float32Array.of(1) };
    const refused = [
      writeSafetensors(path, { a: { ...one, shape: [2] } }),
      writeSafetensors(path, { a: { ...one, shape: [-1] } }),
      writeSafetensors(path, { __metadata__: one }),
      writeSafetensors(path, { "\ud800": one }),
      writeSafetensors(path, { a: one }, { step: 3 as unknown as string }),
    ];
    for (const attempt of refused) await expect(attempt).rejects.toMatchObject({ code: "ARGUMENT_INVALID" });
    expect((await readdir(folder)).filter((name) => name.includes("refused"))).toEqual([]);
  });
});

function lengthPrefixed(header: string | Uint8Array, length?: bigint): Uint8Array {
  const json = typeof header === "string" ? Buffer.from(header) : header;
  const start = Buffer.alloc(8);
  start.writeBigUInt64LE(length ?? BigInt(json.length));
  return Buffer.concat([start, json]);
}

/** A file with the given header and number of bytes after it. */
function fileOf(header: unknown, dataBytes: number): Uint8Array {
  const json = typeof header === "string" ? header : JSON.stringify(header);
  return Buffer.concat([lengthPrefixed(json), Buffer.alloc(dataBytes)]);
}

const F32 = (shape: unknown, data_offsets: unknown) => ({ dtype: "F32", shape, data_offsets });

describe("hostile files", () => {
  it.each<[string, Uint8Array, RegExp]>([
    ["an empty file", new Uint8Array(0), /too few/],
    ["seven bytes", new Uint8Array(7), /too few/],
    ["a length beyond the file", lengthPrefixed("{}", 3n), /a header of 3 bytes in a file of 10/],
    ["a length beyond the limit", lengthPrefixed("{}", 2n ** 63n), /limit/],
    ["a Git LFS pointer", Buffer.from("version https://git-lfs.github.com/spec/v1\n"), /git lfs pull/],
    ["a list", fileOf("[]", 0), /not a JSON object/],
    ["blanks before the object", fileOf(" {}", 0), /not a JSON object/],
    ["text that is no JSON", fileOf("{a}", 0), /not JSON/],
    ["bytes that are no UTF-8", lengthPrefixed(Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d)), /not JSON/],
    [
      "one name twice",
      fileOf('{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"\\u0061":1}', 0),
      /"a" occurs twice/,
    ],
    ["a field twice", fileOf('{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"shape":[1]}}', 1), /occurs twice/],
    ["metadata that are no strings", fileOf({ __metadata__: { a: 1 } }, 0), /__metadata__/],
    ["metadata that are null", fileOf({ __metadata__: null }, 0), /__metadata__/],
    ["an entry that is no object", fileOf({ a: [] }, 0), /not an object/],
    ["an unknown dtype", fileOf({ a: { dtype: "F64", shape: [1], data_offsets: [0, 8] } }, 8), /dtype F64/],
    ["a dtype from the prototype", fileOf({ a: { dtype: "toString", shape: [1], data_offsets: [0, 8] } }, 8), /dtype/],
    ["no dtype", fileOf({ a: { shape: [1], data_offsets: [0, 4] } }, 4), /no dtype/],
    ["a shape that is a number", fileOf({ a: F32(1, [0, 4]) }, 4), /shape/],
    ["a negative dimension", fileOf({ a: F32([-1], [0, 4]) }, 4), /shape/],
    ["a fractional dimension", fileOf({ a: F32([0.5], [0, 2]) }, 2), /shape/],
    ["too many dimensions", fileOf({ a: F32(new Array(65).fill(1), [0, 4]) }, 4), /65 dimensions/],
    ["dimensions whose product overflows", fileOf({ a: F32([2 ** 32, 2 ** 32], [0, 4]) }, 4), /impossible shape/],
    ["three offsets", fileOf({ a: F32([1], [0, 4, 8]) }, 8), /data_offsets/],
    ["offsets beyond 2^53", fileOf('{"a":{"dtype":"U8","shape":[1],"data_offsets":[1e300,1e300]}}', 1), /data_offsets/],
    ["offsets that run backwards", fileOf({ a: F32([1], [4, 0]) }, 4), /needs 4 bytes/],
    ["a shape that needs other bytes", fileOf({ a: F32([2], [0, 4]) }, 4), /needs 8 bytes/],
    ["offsets beyond the file", fileOf({ a: F32([2], [0, 8]) }, 4), /the file holds 4/],
    ["bytes after the last tensor", fileOf({ a: F32([1], [0, 4]) }, 5), /the file holds 5/],
    ["a hole at the start", fileOf({ a: F32([1], [4, 8]) }, 8), /start at 4/],
    ["a hole between tensors", fileOf({ a: F32([1], [0, 4]), b: F32([1], [8, 12]) }, 12), /start at 8/],
    ["overlapping tensors", fileOf({ a: F32([2], [0, 8]), b: F32([1], [4, 8]) }, 8), /start at 4/],
    ["an endless name", fileOf({ ["a".repeat(5000)]: F32([1], [0, 4]) }, 4), /5000 characters/],
  ])("refuses %s", async (_, bytes, message) => {
    const refusal = { code: "SAFETENSORS_INVALID", message: expect.stringMatching(message) };
    expect(() => parseSafetensors(bytes, "origin")).toThrow(expect.objectContaining({ ...refusal, place: "origin" }));
    const path = join(folder, "hostile.safetensors");
    await writeFile(path, bytes);
    await expect(openSafetensors(path)).rejects.toMatchObject({ ...refusal, place: path });
  });

  it("takes names that are special in JavaScript for names", () => {
    const header =
      '{"__proto__":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"constructor":{"dtype":"U8","shape":[0],"data_offsets":[1,1]}}';
    expect([...parseSafetensors(fileOf(header, 1)).tensors.keys()]).toEqual(["__proto__", "constructor"]);
  });

  it("reads any changed bytes or refuses them as SAFETENSORS_INVALID", () => {
    const edit = fc.record({
      at: fc.nat(),
      byte: fc.nat(255),
      kind: fc.constantFrom("set", "insert", "delete", "cut"),
    });
    fc.assert(
      fc.property(tensors, fc.array(edit, { minLength: 1, maxLength: 5 }), (all, edits) => {
        let bytes = [...serializeSafetensors(all)];
        for (const { at, byte, kind } of edits) {
          // Mostly in the header, where it matters.
          const place = at % Math.max(1, at % 3 === 0 ? bytes.length : Math.min(bytes.length, 200));
          if (kind === "set") bytes[place] = byte;
          else if (kind === "insert") bytes.splice(place, 0, byte);
          else if (kind === "delete") bytes.splice(place, 1);
          else if (at % 5 === 0) bytes = bytes.slice(0, place);
        }
        try {
          parseSafetensors(Uint8Array.from(bytes));
        } catch (error) {
          expect(error).toBeInstanceOf(PeftError);
          expect((error as PeftError).code).toBe("SAFETENSORS_INVALID");
        }
      }),
      { numRuns: 2000 },
    );
  });

  it("says so if a file was cut off after it was opened", async () => {
    const path = join(folder, "shrinking.safetensors");
    await writeSafetensors(path, EVERY_TYPE);
    const file = await openSafetensors(path);
    await truncate(path, (await stat(path)).size - 1);
    await expect(file.read("mask")).rejects.toMatchObject({ code: "SAFETENSORS_INVALID" });
    await file.close();
  });

  it("tells a missing file from a folder", async () => {
    await expect(openSafetensors(join(folder, "none"))).rejects.toMatchObject({ code: "FILE_MISSING" });
    await expect(openSafetensors(folder)).rejects.toMatchObject({ code: "FILE_UNREADABLE" });
  });
});
