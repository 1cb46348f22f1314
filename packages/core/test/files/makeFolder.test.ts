import { mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { makeFolder } from "../../src/files/index.js";

describe("making a folder", () => {
  let root: string;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), "peft-folder-"));
  });
  afterEach(() => rm(root, { recursive: true }));

  it("makes those above it, and is content where it is there", async () => {
    await makeFolder(join(root, "a/b/c"));
    await makeFolder(join(root, "a/b/c"));
    expect((await stat(join(root, "a/b/c"))).isDirectory()).toBe(true);
  });

  it("is a coded error where a file stands in the way, and nothing is made", async () => {
    await writeFile(join(root, "file"), "");
    for (const path of ["file", "file/a/b"]) {
      await expect(makeFolder(join(root, path))).rejects.toMatchObject({ code: "FILE_UNWRITABLE" });
    }
    expect(await readdir(root)).toEqual(["file"]);
  });

  it.skipIf(process.platform !== "linux")(
    "gives up where the file system has no folders to give (Linux's /proc)",
    async () => {
      await expect(makeFolder("/proc/nowhere/run")).rejects.toMatchObject({ code: "FILE_UNWRITABLE" });
    },
  );
});
