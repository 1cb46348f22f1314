// One side of a benchmark row: a process of its own, so that its peak memory is its own, speaking a JSON object a line.
// On start it prints {"ready":true,"load_s":…,"first_step_s":…}; a line "step" on its standard input is answered by
// {"time_s":…}; "quit" by {"peak_mb":…}, and it exits.
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { createInterface } from "node:readline";

export interface SideCommand {
  command: string;
  args: string[];
}

export interface Ready {
  /** Seconds to read the model. */
  load_s: number;
  /** Seconds of the first step; null on a row that only loads. */
  first_step_s: number | null;
  /** What the side says its process will take at its peak, MB; null where it cannot say. */
  estimate_mb: number | null;
}

// How much of a side's standard error to show when it dies: enough for a Python traceback.
const STDERR_TAIL = 4000;

// Switches that a shell may have set for speed: figures are of the system's defaults.
const NOT_DEFAULT = ["GLIBC_TUNABLES", "LD_PRELOAD", "MALLOC_ARENA_MAX"];

export class Side {
  readonly ready: Ready;
  readonly #child: Lines;

  private constructor(child: Lines, ready: Ready) {
    this.#child = child;
    this.ready = ready;
  }

  /** Starts the process and waits until it says that it is ready. */
  static async start(command: SideCommand): Promise<Side> {
    const child = new Lines(command);
    try {
      const message = await child.next();
      if (message.ready !== true) throw child.complaint(`expected {"ready":true,…}, got ${JSON.stringify(message)}`);
      const optional = (key: string) => ((message[key] ?? null) === null ? null : child.number(message, key));
      return new Side(child, {
        load_s: child.number(message, "load_s"),
        first_step_s: optional("first_step_s"),
        estimate_mb: optional("estimate_mb"),
      });
    } catch (error) {
      child.kill();
      throw error;
    }
  }

  /** Runs one step; its seconds as the side itself measured them. */
  async step(): Promise<number> {
    this.#child.send("step");
    return this.#child.number(await this.#child.next(), "time_s");
  }

  /** Ends the process; its peak memory in MB. */
  async quit(): Promise<number> {
    this.#child.send("quit");
    this.#child.endInput();
    const peak = this.#child.number(await this.#child.next(), "peak_mb");
    await this.#child.closed;
    return peak;
  }

  /** Ends the process at once, whatever it is doing. Does nothing if it has ended. */
  kill(): void {
    this.#child.kill();
  }
}

/** A child process as a sequence of JSON messages; its death is an error of whoever waits for the next one. */
class Lines {
  readonly closed: Promise<void>;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #name: string;
  readonly #messages: Record<string, unknown>[] = [];
  #waiting: { resolve: (message: Record<string, unknown>) => void; reject: (error: Error) => void } | undefined;
  #end: Error | undefined;
  #stderr = "";

  constructor({ command, args }: SideCommand) {
    this.#name = [command, ...args].join(" ");
    const env = { ...process.env };
    for (const name of NOT_DEFAULT) delete env[name];
    this.#child = spawn(command, args, { env, stdio: "pipe" });
    this.#child.stdin.on("error", () => {}); // A side that died is reported by its closing.
    this.#child.stderr.on("data", (chunk: Buffer) => {
      this.#stderr = (this.#stderr + chunk).slice(-STDERR_TAIL);
    });
    createInterface({ input: this.#child.stdout }).on("line", (line) => this.#receive(line));
    this.closed = new Promise((resolve) => {
      this.#child.once("error", (error) => this.#finish(this.complaint(error.message), resolve));
      this.#child.once("close", (code, signal) => {
        this.#finish(this.complaint(`ended (${signal ?? `exit code ${code}`})`), resolve);
      });
    });
  }

  send(line: string): void {
    this.#child.stdin.write(`${line}\n`);
  }

  /** A side that goes on reading after "quit" sees the end of its input. */
  endInput(): void {
    this.#child.stdin.end();
  }

  next(): Promise<Record<string, unknown>> {
    const message = this.#messages.shift();
    if (message) return Promise.resolve(message);
    if (this.#end) return Promise.reject(this.#end);
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
  }

  number(message: Record<string, unknown>, key: string): number {
    const value = message[key];
    if (typeof value === "number" && Number.isFinite(value) && value >= 0) return value;
    throw this.complaint(`expected a number "${key}", got ${JSON.stringify(message)}`);
  }

  complaint(text: string): Error {
    return new Error(`${this.#name}: ${text}${this.#stderr ? `\n${this.#stderr}` : ""}`);
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }

  #receive(line: string): void {
    // Libraries greet on standard output; only objects are of the protocol.
    if (!line.startsWith("{")) return;
    const message = JSON.parse(line) as Record<string, unknown>;
    if (this.#waiting) this.#waiting.resolve(message);
    else this.#messages.push(message);
    this.#waiting = undefined;
  }

  #finish(error: Error, resolve: () => void): void {
    this.#end ??= error;
    this.#waiting?.reject(this.#end);
    this.#waiting = undefined;
    resolve();
  }
}
