import { mkdir, mkdtemp, readdir, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import { writeAtomically, writeFileAtomic } from "../../src/files/atomic.js";
import { readJson, writeJson } from "../../src/files/json.js";
import { parseStrictJson } from "../../src/files/strictJson.js";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "peft-json-"));
});

describe("writeFileAtomic", () => {
  it("replaces a file and makes missing folders", async () => {
    const path = join(folder, "deep", "note.txt");
    await writeFileAtomic(path, "one");
    await writeFileAtomic(path, new TextEncoder().encode("two"));
    expect(await readFile(path, "utf8")).toBe("two");
    expect(await readdir(join(folder, "deep"))).toEqual(["note.txt"]);
  });

  it("keeps the old file, and nothing beside it, if writing fails", async () => {
    const path = join(folder, "note.txt");
    await writeFileAtomic(path, "old");
    function* failing(): Generator<Uint8Array> {
      yield Uint8Array.of(1, 2, 3);
      throw new Error("the source dried up");
    }
    await expect(writeAtomically(path, failing())).rejects.toMatchObject({ code: "FILE_UNWRITABLE", place: path });
    expect(await readFile(path, "utf8")).toBe("old");
    expect(await readdir(folder)).toEqual(["note.txt"]);
  });

  it("says with a hint that it cannot write below a file or over a folder", async () => {
    await writeFile(join(folder, "file"), "");
    await mkdir(join(folder, "taken", "inner"), { recursive: true });
    for (const path of [join(folder, "file", "a.json"), join(folder, "file", "b", "a.json"), join(folder, "taken")]) {
      await expect(writeJson(path, {})).rejects.toMatchObject({
        code: "FILE_UNWRITABLE",
        place: path,
        hint: expect.stringMatching(/choose another folder|name a file/),
      });
    }
    expect((await readdir(folder)).sort()).toEqual(["file", "taken"]);
  });
});

describe("writeJson", () => {
  it("writes what Python's json.dumps(value, indent=2, sort_keys=True) gives", async () => {
    const path = join(folder, "config.json");
    const value = {
      r: 8,
      empty: {},
      Target: ["q", "v"],
      none: null,
      ｆ: 1,
      "😀": 2,
      text: 'é\u007f"\n',
      left: undefined,
    };
    await writeJson(path, value, { sortKeys: true });
    expect(await readFile(path, "utf8")).toBe(
      [
        "{",
        '  "Target": [',
        '    "q",',
        '    "v"',
        "  ],",
        '  "empty": {},',
        '  "none": null,',
        '  "r": 8,',
        '  "text": "\\u00e9\\u007f\\"\\n",',
        '  "\\uff46": 1,',
        '  "\\ud83d\\ude00": 2',
        "}",
      ].join("\n"),
    );
    expect(await readJson(path)).toEqual(JSON.parse(JSON.stringify(value)));
  });

  it("keeps the order of keys unless asked", async () => {
    await writeJson(join(folder, "a.json"), { b: 1, a: 2 });
    expect(await readFile(join(folder, "a.json"), "utf8")).toBe('{\n  "b": 1,\n  "a": 2\n}');
  });

  it("refuses numbers that JSON would turn into null", async () => {
    for (const value of [Number.NaN, { alpha: Number.POSITIVE_INFINITY }]) {
      await expect(writeJson(join(folder, "a.json"), value)).rejects.toMatchObject({ code: "ARGUMENT_INVALID" });
    }
    expect(await readdir(folder)).toEqual([]);
  });
});

describe("readJson", () => {
  it("refuses what is missing, a folder, too large, no JSON, or has a key twice", async () => {
    const path = join(folder, "a.json");
    await expect(readJson(path)).rejects.toMatchObject({ code: "FILE_MISSING", place: path });
    await expect(readJson(folder)).rejects.toMatchObject({ code: "FILE_UNREADABLE" });
    await writeFile(path, "[1, 2]");
    await expect(readJson(path, { maxBytes: 5 })).rejects.toMatchObject({ code: "JSON_INVALID" });
    for (const text of ["", "{", '{"a": 1, "b": {"a": 2}, "a": 3}', Uint8Array.of(0x22, 0xff, 0x22)]) {
      await writeFile(path, text);
      await expect(readJson(path)).rejects.toMatchObject({ code: "JSON_INVALID", place: path });
    }
  });

  it("takes equal keys in different objects for what they are", () => {
    const text = '{"a": {"a": "a", "b" : ["a", {"a": ":"}]}, "b": "\\"a\\":{"}';
    expect(parseStrictJson(text)).toEqual(JSON.parse(text));
  });

  it("gives back any JSON value", () => {
    fc.assert(
      fc.property(fc.json({ stringUnit: "grapheme" }), fc.boolean(), (text, indented) => {
        const value: unknown = JSON.parse(text);
        expect(parseStrictJson(JSON.stringify(value, null, indented ? 2 : 0))).toEqual(value);
      }),
    );
  });
});
