// A road's rows, measured in processes that are replaced every so many ops: making and releasing sessions leaks natively, and
// what ends a process natively must cost one row and no more.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Road } from "@peft/core/testing";
import type { Row } from "@peft/core/testing/conformance";

/** Ops that one process measures. */
const OPS_A_PROCESS = 40;
/** A process that prints nothing for so long has stopped. */
const SILENCE_MS = 180_000;

export interface RoadResult {
  readonly rows: Row[];
  /** Why the road cannot be taken here. */
  readonly skipped?: string;
}

/**
 * @param command starts the program of `program.ts`, without its arguments
 * @param ops in the order in which they are measured
 * @param onRow told of each row when it is there
 */
export async function runRoad(
  road: Road,
  ops: readonly string[],
  command: readonly [string, ...string[]],
  fixtures: string,
  onRow: (row: Row) => void = () => {},
): Promise<RoadResult> {
  const rows: Row[] = [];
  const add = (row: Row): void => {
    rows.push(row);
    onRow(row);
  };
  while (rows.length < ops.length) {
    const batch = ops.slice(rows.length, rows.length + OPS_A_PROCESS);
    const before = rows.length;
    const { absent, end } = await measure([...command, road, fixtures, JSON.stringify(batch)], add);
    if (absent !== undefined) return { rows, skipped: absent };
    // What the process did not come to is asked of the next one, but for the op that ended it.
    if (rows.length - before < batch.length) {
      const op = batch[rows.length - before]!;
      add({ op, road, forward_error: Number.POSITIVE_INFINITY, gradient_error: null, ok: false, failure: end });
    }
  }
  return { rows };
}

function measure(
  [program, ...args]: readonly string[],
  onRow: (row: Row) => void,
): Promise<{ absent?: string; end: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(program!, args, { stdio: ["ignore", "pipe", "pipe"] });
    let absent: string | undefined;
    let errors = "";
    let silent = false;
    const stop = (): void => {
      silent = true;
      child.kill("SIGKILL");
    };
    let timer = setTimeout(stop, SILENCE_MS);
    createInterface({ input: child.stdout }).on("line", (line) => {
      clearTimeout(timer);
      timer = setTimeout(stop, SILENCE_MS);
      const message = JSON.parse(line) as Row | { absent: string };
      if ("absent" in message) absent = message.absent;
      // An error that is not finite has no form in JSON.
      else onRow({ ...message, forward_error: message.forward_error ?? Number.POSITIVE_INFINITY });
    });
    child.stderr.on("data", (chunk) => {
      errors = (errors + chunk).slice(-2000);
    });
    child.on("error", reject);
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      const how = silent ? `silent for ${SILENCE_MS / 1000} s` : signal ? `ended by ${signal}` : `exit code ${code}`;
      resolve({ absent, end: `the process: ${how}\n${errors}`.trim() });
    });
  });
}
