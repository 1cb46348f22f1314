// Where a file cannot be written for want of space: a small file system, or a limit on the size of files.

import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const MEGABYTE = 2 ** 20;

export interface SmallDisk {
  readonly path: string;
  /** What the system says when space is short. */
  readonly says: "ENOSPC" | "EFBIG";
  /** What runs a program when space is short. */
  readonly through?: string;
  /** Leaves less space than a checkpoint takes. */
  fill(): Promise<void>;
  free(): Promise<void>;
  remove(): Promise<void>;
}

/** Space that is left on a full disk: a line of a log may still find room, a checkpoint not. */
const LEFT = 8192;

function tryRun(program: string, args: readonly string[]): boolean {
  try {
    execFileSync(program, args, { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** A file system of a megabyte in memory, for those who may mount one. */
async function mounted(): Promise<SmallDisk | undefined> {
  const path = await mkdtemp(join(tmpdir(), "peft-disk-"));
  const isRoot = process.platform === "linux" && process.getuid?.() === 0;
  if (!isRoot || !tryRun("mount", ["-t", "tmpfs", "-o", `size=${MEGABYTE}`, "none", path])) {
    await rm(path, { recursive: true });
    return undefined;
  }
  const filler = join(path, "filler");
  return {
    path,
    says: "ENOSPC",
    fill: async () => {
      await writeFile(filler, Buffer.alloc(MEGABYTE)).catch(() => {});
      await truncate(filler, (await stat(filler)).size - LEFT);
    },
    free: () => rm(filler),
    remove: async () => {
      tryRun("umount", ["-l", path]);
      await rm(path, { recursive: true, force: true });
    },
  };
}

/** The shell's words that run a program which may write no file of more than 8 blocks, 4 or 8 kilobytes: no checkpoint. */
const LIMITED = 'ulimit -f 8; exec "$@"';

/** Undefined where neither can be had. */
export async function smallDisk(): Promise<SmallDisk | undefined> {
  const disk = await mounted();
  if (disk) return disk;
  if (!existsSync("/bin/sh") || !tryRun("/bin/sh", ["-c", LIMITED, "sh", "true"])) return undefined;
  const path = await mkdtemp(join(tmpdir(), "peft-disk-"));
  const remove = () => rm(path, { recursive: true, force: true });
  const nothing = async () => {};
  return { path, says: "EFBIG", through: LIMITED, fill: nothing, free: nothing, remove };
}
