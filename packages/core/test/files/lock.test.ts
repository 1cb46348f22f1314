import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { lockFolder } from "../../src/files/lock.js";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "peft-lock-"));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

const dead = JSON.stringify({ pid: 2 ** 22 + 1, host: hostname(), started: "x" });

it("a lock names its process, keeps others out, and is gone when it is given back", async () => {
  const path = join(folder, "made", "on", "the way");
  const lock = await lockFolder(path, "lock");
  expect(JSON.parse(await readFile(join(path, "lock"), "utf8"))).toMatchObject({ pid: process.pid, host: hostname() });
  await expect(lockFolder(path, "lock")).rejects.toMatchObject({ code: "FOLDER_LOCKED", place: join(path, "lock") });
  await lock.release();
  expect(await readdir(path)).toEqual([]);
  await (await lockFolder(path, "lock")).release();
});

it("of many that ask at once for the lock of a dead process one gets it", async () => {
  await writeFile(join(folder, "lock"), dead);
  const asked = await Promise.allSettled(Array.from({ length: 20 }, () => lockFolder(folder, "lock")));
  const got = asked.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
  const refused = asked.flatMap((result) => (result.status === "rejected" ? [result.reason.code] : []));
  expect(got).toHaveLength(1);
  expect(got[0]!.tookOverFrom).toEqual(JSON.parse(dead));
  expect(refused).toEqual(Array.from({ length: 19 }, () => "FOLDER_LOCKED"));
  await got[0]!.release();
  expect(await readdir(folder)).toEqual([]);
});

it("a claim to a dead lock whose claimant died too is no hindrance", async () => {
  for (const name of ["lock", "lock.claim"]) await writeFile(join(folder, name), dead);
  const lock = await lockFolder(folder, "lock");
  expect(lock.tookOverFrom).toEqual(JSON.parse(dead));
  await lock.release();
  expect(await readdir(folder)).toEqual([]);
});

it("a lock that another has taken over meanwhile is not taken away from it", async () => {
  const lock = await lockFolder(folder, "lock");
  await writeFile(join(folder, "lock"), dead);
  await lock.release();
  expect(await readFile(join(folder, "lock"), "utf8")).toBe(dead);
});
