// `pnpm bench memory`: what `estimateMemory` says before a training step, against the peak that the operating system counted.
import { Side, type SideCommand } from "./child.js";
import { lowerQuartile } from "./quartile.js";

/** How far the estimate may be off, as a share of the peak. */
export const TOLERANCE = 0.2;

/** Enough for what a step leaves behind to be there when the next begins. */
const STEPS = 3;

export interface ForeseenRow {
  name: string;
  ours: { time_s: number; peak_mb: number };
  torch: null;
  /** The estimate. */
  estimated_mb: number;
  ratio_time: null;
  /** The estimate over the peak. */
  ratio_memory: number;
  target_time: null;
  target_memory: null;
  /** Whether the estimate is within `TOLERANCE` of the peak. */
  ok: boolean;
}

/** Runs a row's first steps in a process of its own. */
export async function foresee(name: string, command: SideCommand): Promise<ForeseenRow> {
  const side = await Side.start(command);
  try {
    const times = [];
    for (let i = 0; i < STEPS; i++) times.push(await side.step());
    const peak = await side.quit();
    const estimate = side.ready.estimate_mb;
    if (estimate === null) throw new Error(`${name}: the side made no estimate`);
    const ratio = estimate / peak;
    return {
      name,
      ours: { time_s: lowerQuartile(times), peak_mb: peak },
      torch: null,
      estimated_mb: estimate,
      ratio_time: null,
      ratio_memory: ratio,
      target_time: null,
      target_memory: null,
      ok: Math.abs(ratio - 1) <= TOLERANCE,
    };
  } finally {
    side.kill();
  }
}

export function formatForeseen(processor: string, rows: readonly ForeseenRow[]): string {
  const wide = Math.max(...rows.map(({ name }) => name.length));
  const lines = rows.map(({ name, ours, estimated_mb, ratio_memory, ok }) => {
    const figures = `${mb(estimated_mb)} foreseen  ${mb(ours.peak_mb)} taken`;
    return `${name.padEnd(wide)}  ${figures}  ${ratio_memory.toFixed(2)}  ${ok ? "ok" : "MISSED"}`;
  });
  return [processor, `A step's peak memory; foreseen within ${TOLERANCE * 100} % is ok.`, "", ...lines].join("\n");
}

function mb(value: number): string {
  return `${String(Math.round(value)).padStart(5)} MB`;
}
