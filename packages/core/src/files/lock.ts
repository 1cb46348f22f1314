// One process at a time on a folder: a file that names the process which works there. A process that died without taking
// its file away is told from one that lives by its number and the time of its start, since numbers are given out again.

import { randomBytes } from "node:crypto";
import { constants, copyFile, link, readFile, rm, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { basename, dirname, join } from "node:path";
import { PeftError } from "../errors.js";
import { writeFileAtomic } from "./atomic.js";
import { unwritable } from "./fileErrors.js";
import { makeFolder } from "./makeFolder.js";

/** Who holds a lock. */
export interface LockOwner {
  readonly pid: number;
  readonly host: string;
  /** Tells the process from a later one of the same number. */
  readonly started: string;
}

export interface FolderLock {
  /** The dead process whose lock was taken over, if there was one. */
  readonly tookOverFrom?: LockOwner;
  release(): Promise<void>;
}

/** Attempts before giving up on a lock that comes and goes, and milliseconds between them. */
const MAX_ATTEMPTS = 50;
const PAUSE = 10;

/**
 * Locks a folder for this process, made if need be. A lock whose process is dead is taken over.
 *
 * @param name of the lock file
 * @throws PeftError FOLDER_LOCKED if another process holds it, or this one; FILE_UNWRITABLE
 */
export async function lockFolder(folder: string, name: string): Promise<FolderLock> {
  await makeFolder(folder);
  const path = join(folder, name);
  const own = JSON.stringify(await thisProcess());
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    if (await create(path, own)) return { release: () => release(path, own) };
    const found = await readIfThere(path);
    const owner = found === undefined ? undefined : parseOwner(found);
    if (found !== undefined && (!owner || (await mayLive(owner)))) throw locked(path, owner);
    if (owner && (await takeOver(path, found!, own))) return { tookOverFrom: owner, release: () => release(path, own) };
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
  }
  throw locked(path, undefined);
}

/**
 * Puts this process's lock in the place of a dead one's. Several may find the dead lock at once: only who holds the claim may
 * replace it, and looks again before.
 */
async function takeOver(path: string, dead: string, own: string): Promise<boolean> {
  const claim = `${path}.claim`;
  if (!(await create(claim, own))) {
    const claimant = parseOwner((await readIfThere(claim)) ?? "");
    if (claimant && !(await mayLive(claimant))) await rm(claim, { force: true });
    return false;
  }
  try {
    if ((await readIfThere(path)) !== dead) return false;
    await writeFileAtomic(path, own);
    return true;
  } finally {
    await rm(claim, { force: true });
  }
}

/** Puts a file in its place, whole, unless one is there. Resolves with whether it did. */
async function create(path: string, text: string): Promise<boolean> {
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString("hex")}.tmp`);
  try {
    await writeFile(temporary, text, { flag: "wx" });
    await link(temporary, path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "EEXIST") throw error;
      // A file system without hard links.
      return copyFile(temporary, path, constants.COPYFILE_EXCL);
    });
    return true;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw unwritable(path, cause);
  } finally {
    await rm(temporary, { force: true }).catch(() => {});
  }
}

async function release(path: string, own: string): Promise<void> {
  if ((await readIfThere(path)) === own) await rm(path, { force: true });
}

async function readIfThere(path: string): Promise<string | undefined> {
  return readFile(path, "utf8").catch(() => undefined);
}

function parseOwner(text: string): LockOwner | undefined {
  try {
    const { pid, host, started } = JSON.parse(text) as Partial<LockOwner>;
    const isOwner = Number.isSafeInteger(pid) && typeof host === "string" && typeof started === "string";
    return isOwner ? ({ pid, host, started } as LockOwner) : undefined;
  } catch {
    return undefined;
  }
}

/** Whether the owner may be alive; of a process on another machine nobody here can tell. */
async function mayLive({ pid, host, started }: LockOwner): Promise<boolean> {
  if (host !== hostname()) return true;
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it is there, and another user's.
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
  }
  const start = await startOf(pid);
  return start === undefined || start === started;
}

async function thisProcess(): Promise<LockOwner> {
  return { pid: process.pid, host: hostname(), started: (await startOf(process.pid)) ?? "" };
}

/** When this process started, to the nearest second of its own clock: the difference of two clocks wavers. */
const OWN_START = `${Math.round(Date.now() / 1000 - process.uptime())} s`;

/** When a process started, in a form that no other process of its number shares; undefined if nobody can tell. */
async function startOf(pid: number): Promise<string | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, "latin1");
    const boot = (await readFile("/proc/sys/kernel/random/boot_id", "latin1")).trim();
    // The program's name stands in brackets and may hold blanks and brackets itself; the fields after it do not.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const [state, ticks] = [fields[0], fields[19]];
    return state === "Z" || state === "X" ? "ended" : `${boot} ${ticks}`;
  } catch {
    return pid === process.pid ? OWN_START : undefined;
  }
}

function locked(path: string, owner: LockOwner | undefined): PeftError {
  const by = owner ? `process ${owner.pid} on ${owner.host}` : "another process";
  return new PeftError("FOLDER_LOCKED", `the folder is in use by ${by}`, {
    place: path,
    hint: "wait for it to end or choose another folder; if it is gone, delete the lock file",
    details: owner,
  });
}
