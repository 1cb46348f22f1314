// The alternating protocol: ours and PyTorch's are sampled in turn, so that a machine that slows down or is disturbed
// slows both, and the ratio of the lower quartiles is taken over pairs of the same minutes.
import { setTimeout as sleep } from "node:timers/promises";
import { Side, type SideCommand } from "./child.js";
import type { RowKind } from "./suites.js";

/** Fewer pairs make no figure to report. */
export const LEAST_PAIRS = 9;

// Both runtimes' threads spin for a while after a step; the other side's step must not be measured against them.
const SETTLE_MS = 200;

export interface Samples {
  /** Seconds, one a pair. */
  times: number[];
  /** MB, one a process. */
  peaks: number[];
}

export interface Sides<T> {
  ours: T;
  /** Null where there is no PyTorch to compare with. */
  torch: T | null;
}

/**
 * Samples a row `pairs` times on each side, after one unrecorded warm-up sample of each.
 * @param onSample told after every pair, warm-up included
 */
export async function alternate(
  kind: RowKind,
  commands: Sides<SideCommand>,
  pairs: number,
  onSample: (pair: number) => void = () => {},
): Promise<Sides<Samples>> {
  const ours = kind === "step" ? new StepSampler(commands.ours) : new FreshSampler(commands.ours, kind);
  const torch =
    commands.torch && (kind === "step" ? new StepSampler(commands.torch) : new FreshSampler(commands.torch, kind));
  const samplers = torch ? [ours, torch] : [ours];
  try {
    for (const sampler of samplers) await sampler.start();
    for (let pair = 0; pair <= pairs; pair++) {
      for (const sampler of samplers) {
        await sleep(SETTLE_MS);
        await sampler.sample(pair > 0);
      }
      onSample(pair);
    }
    for (const sampler of samplers) await sampler.finish();
  } finally {
    for (const sampler of samplers) sampler.kill();
  }
  return { ours: ours.samples, torch: torch ? torch.samples : null };
}

/** Steps of one process. */
class StepSampler {
  readonly samples: Samples = { times: [], peaks: [] };
  #side: Side | undefined;

  constructor(readonly command: SideCommand) {}

  async start(): Promise<void> {
    this.#side = await Side.start(this.command);
  }

  async sample(record: boolean): Promise<void> {
    const time = await this.#side!.step();
    if (record) this.samples.times.push(time);
  }

  async finish(): Promise<void> {
    this.samples.peaks.push(await this.#side!.quit());
  }

  kill(): void {
    this.#side?.kill();
  }
}

/** A fresh process a sample. */
class FreshSampler {
  readonly samples: Samples = { times: [], peaks: [] };
  #side: Side | undefined;

  constructor(
    readonly command: SideCommand,
    readonly kind: Exclude<RowKind, "step">,
  ) {}

  async start(): Promise<void> {}

  async sample(record: boolean): Promise<void> {
    this.#side = await Side.start(this.command);
    const { load_s, first_step_s } = this.#side.ready;
    const peak = await this.#side.quit();
    if (first_step_s === null) {
      throw new Error(`${[this.command.command, ...this.command.args].join(" ")} ran no first step`);
    }
    if (!record) return;
    this.samples.times.push({ load: load_s, first: first_step_s, both: load_s + first_step_s }[this.kind]);
    this.samples.peaks.push(peak);
  }

  async finish(): Promise<void> {}

  kill(): void {
    this.#side?.kill();
  }
}
