// Ctrl-C as an AbortSignal: the first asks the run to stop after its step, a later one ends the process at once.

// npm and a terminal may each pass the same Ctrl-C on; what comes within this time of the first is that echo.
const ECHO_MS = 1000;

/** The shell's exit code of a program that SIGINT ended. */
export const INTERRUPTED = 130;

export interface Interrupt {
  signal: AbortSignal;
  /** Gives Ctrl-C its ordinary meaning back. */
  release(): void;
}

export interface InterruptOptions {
  /** Told at the first interrupt, to say what happens now. */
  onInterrupt?: () => void;
  exit?: (code: number) => void;
  now?: () => number;
}

/** Listens to SIGINT and SIGTERM until released. */
export function listenForInterrupt(options: InterruptOptions = {}): Interrupt {
  const { onInterrupt, exit = process.exit, now = performance.now.bind(performance) } = options;
  const controller = new AbortController();
  let first: number | undefined;
  const listener = () => {
    if (first === undefined) {
      first = now();
      onInterrupt?.();
      controller.abort();
    } else if (now() - first > ECHO_MS) {
      exit(INTERRUPTED);
    }
  };
  process.on("SIGINT", listener);
  process.on("SIGTERM", listener);
  return {
    signal: controller.signal,
    release() {
      process.off("SIGINT", listener);
      process.off("SIGTERM", listener);
    },
  };
}
