// Hugging Face's hub, through its own optional package.

import { PeftError } from "../errors.js";
import { loadPeer } from "../peer.js";

export type Hub = typeof import("@huggingface/hub");

export interface HubOptions {
  /** A token of hf.co/settings/tokens. Needed for private repositories, and to write. @defaultValue none */
  readonly accessToken?: string;
  /** Another server with the hub's interface, such as a mirror. @defaultValue "https://huggingface.co" */
  readonly hubUrl?: string;
}

/** A name on the hub: owner/name. */
const REPOSITORY = /^[\w-][\w.-]*\/[\w.-]+$/;

/** @throws PeftError ARGUMENT_INVALID for a name that is not owner/name */
export function checkRepository(repository: string): void {
  if (REPOSITORY.test(repository)) return;
  throw new PeftError("ARGUMENT_INVALID", `${JSON.stringify(repository)} is no repository's name`, {
    place: "repository",
    hint: "it is of the form owner/name",
  });
}

/** @throws PeftError PEER_MISSING without the optional package */
export function loadHub(): Promise<Hub> {
  return loadPeer("@huggingface/hub", "the hub is reached with", () => import("@huggingface/hub"));
}

/** Awaits what the hub was asked. @throws PeftError HUB_FAILED saying what it answered */
export async function ask<T>(what: string, repository: string, answer: () => Promise<T>): Promise<T> {
  try {
    return await answer();
  } catch (cause) {
    if (cause instanceof PeftError) throw cause;
    const { message, statusCode } = cause as Error & { statusCode?: number };
    const isRefused = statusCode === 401 || statusCode === 403;
    throw new PeftError("HUB_FAILED", `${what}: ${message}`, {
      place: repository,
      hint: isRefused
        ? "give an accessToken that may do this"
        : statusCode === 404
          ? "check the repository's name and the revision; a private one needs an accessToken"
          : "check the connection, and try again",
      details: { statusCode: statusCode ?? null },
      cause,
    });
  }
}
