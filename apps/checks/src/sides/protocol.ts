// Our side of the benchmark protocol (bench/child.ts): what a program of src/sides/ is, but for what it measures.
import { createInterface } from "node:readline";
import { peakMemoryMb } from "@peft/machine";

export interface Served<Model> {
  /** Reads the model and whatever a step needs. Its time is `load_s`. */
  setup(): Promise<Model>;
  /** One whole step, finished when its promise is. Left out on a row that only loads. */
  step?: (model: Model) => Promise<unknown>;
  /** The process's peak memory as it is foreseen before the first step, in bytes. */
  estimate?: (model: Model) => number;
}

/** Loads, runs the first step, says ready, and answers `step` and `quit` lines until `quit` or the end of its input. */
export async function serve<Model>({ setup, step, estimate }: Served<Model>): Promise<void> {
  const [model, load_s] = await timed(setup);
  const estimate_mb = estimate ? estimate(model) / 1e6 : null;
  const first_step_s = step ? (await timed(() => step(model)))[1] : null;
  say({ ready: true, load_s, first_step_s, estimate_mb });
  for await (const line of createInterface({ input: process.stdin })) {
    if (line === "quit") break;
    if (line !== "step" || !step) throw new Error(`this side does not know the line ${JSON.stringify(line)}`);
    say({ time_s: (await timed(() => step(model)))[1] });
  }
  say({ peak_mb: peakMemoryMb() });
  // A worker thread of the engine, or standard input, would keep the process.
  process.exit(0);
}

async function timed<T>(run: () => Promise<T>): Promise<[T, number]> {
  const start = performance.now();
  const result = await run();
  return [result, (performance.now() - start) / 1000];
}

function say(message: object): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}
