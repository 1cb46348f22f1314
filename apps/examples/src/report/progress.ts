// Progress of long work on standard error: a bar with rate and time left at a terminal, a line now and then elsewhere.
import cliProgress from "cli-progress";

// A log file needs to show that the work is alive, not each step.
const LINE_EVERY_MS = 15_000;

export interface ProgressOptions {
  /** What is being done, such as "MoSA, seed 1". */
  label: string;
  /** How many steps it takes. */
  total: number;
  /** Steps done before, where work is gone on with. Default 0. */
  done?: number;
  /** What a step is called in the rate. Default "steps". */
  unit?: string;
  stream?: NodeJS.WriteStream;
  /** Milliseconds between lines where the stream is no terminal. Default 15 seconds. */
  lineEveryMs?: number;
  /** The clock, in milliseconds. */
  now?: () => number;
}

export interface Progress {
  /** `done` steps of all; `detail` stands at the end of the line, such as "loss 0.41". */
  update(done: number, detail?: string): void;
  /** Ends the bar and leaves its last line. Safe to call twice. */
  stop(): void;
}

export function startProgress(options: ProgressOptions): Progress {
  const stream = options.stream ?? process.stderr;
  return stream.isTTY ? bar(options, stream) : lines(options, stream);
}

function bar(options: ProgressOptions, stream: NodeJS.WriteStream): Progress {
  const describe = describer(options);
  const single = new cliProgress.SingleBar(
    {
      format: `${options.label}  {bar} {percentage}%  {text}`,
      stream,
      hideCursor: true,
      clearOnComplete: false,
      linewrap: false,
    },
    cliProgress.Presets.shades_classic,
  );
  single.start(options.total, options.done ?? 0, { text: "" });
  return {
    update: (done, detail) => single.update(done, { text: describe(done, detail) }),
    stop: () => single.stop(),
  };
}

function lines(options: ProgressOptions, stream: NodeJS.WriteStream): Progress {
  const { label, total, lineEveryMs = LINE_EVERY_MS, now = performance.now.bind(performance) } = options;
  const describe = describer(options);
  let last = now();
  return {
    update(done, detail) {
      if (now() - last < lineEveryMs && done < total) return;
      last = now();
      stream.write(`${label}  ${Math.floor((done / total) * 100)}%  ${describe(done, detail)}\n`);
    },
    stop() {},
  };
}

// "120/400  3.2 steps/s  1m28s left  loss 0.41"; the rate is that of what was done since the start.
function describer({
  total,
  done: before = 0,
  unit = "steps",
  now = performance.now.bind(performance),
}: ProgressOptions) {
  const start = now();
  return (done: number, detail?: string) => {
    const seconds = (now() - start) / 1000;
    const rate = seconds > 0 ? (done - before) / seconds : 0;
    const parts = [`${done}/${total}`];
    if (rate > 0) parts.push(`${rate.toPrecision(3)} ${unit}/s`);
    if (rate > 0 && done < total) parts.push(`${formatDuration((total - done) / rate)} left`);
    if (detail) parts.push(detail);
    return parts.join("  ");
  };
}

/** `42s`, `3m07s`, `2h05m`: seconds to the precision that matters to someone who waits. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const two = (value: number) => String(value).padStart(2, "0");
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m${two(whole % 60)}s`;
  return `${Math.floor(whole / 3600)}h${two(Math.floor((whole % 3600) / 60))}m`;
}
