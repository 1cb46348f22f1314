// What the operating system says of a file, as the library's errors.

import { PeftError } from "../errors.js";

/** FILE_MISSING or FILE_UNREADABLE, for a failed open or read. */
export function unreadable(path: string, cause: unknown): PeftError {
  const code = (cause as NodeJS.ErrnoException).code;
  if (code === "ENOENT" || code === "ENOTDIR") {
    return new PeftError("FILE_MISSING", "there is no such file or folder", {
      place: path,
      hint: "check the path; relative paths start at the process's working directory",
      cause,
    });
  }
  const message = code === "EISDIR" ? "this is a folder, not a file" : `cannot be read: ${(cause as Error).message}`;
  return new PeftError("FILE_UNREADABLE", message, { place: path, hint: "check its permissions and type", cause });
}

/** FILE_UNWRITABLE, for a failed write. */
export function unwritable(path: string, cause: unknown): PeftError {
  return new PeftError("FILE_UNWRITABLE", `cannot be written: ${(cause as Error).message}`, {
    place: path,
    hint: HINTS[(cause as NodeJS.ErrnoException).code ?? ""] ?? "choose another folder, or check this one",
    cause,
  });
}

const HINTS: Record<string, string> = {
  EACCES: "the folder is not writable for this user: change its permissions or choose another",
  EPERM: "the folder is not writable for this user: change its permissions or choose another",
  EROFS: "the file system is read-only: choose another folder",
  ENOSPC: "the disk is full: free some space",
  EFBIG: "the file would be larger than the system lets this process write (ulimit -f)",
  EDQUOT: "the disk quota is used up: free some space",
  ENOTDIR: "a part of the path is a file: choose another folder",
  EEXIST: "a part of the path is a file: choose another folder",
  EISDIR: "the path is a folder: name a file in it",
};
