// Learning-rate schedules: pure functions from a position (steps or epochs done) to a factor of the learning rate. The
// formulas are those of transformers' get_scheduler.

import { PeftError } from "../errors.js";

/**
 * The factor of the learning rate at a position.
 *
 * @param position steps (or epochs) done before this one, from 0
 * @param total steps (or epochs) of the whole run
 */
export type Schedule = (position: number, total: number) => number;

export interface ScheduleOptions {
  /** Positions over which the factor rises in a line from 0 to 1; position 0 has the factor 0. @defaultValue 0 */
  readonly warmup?: number;
}

/** The factor 1 after the warm-up. @throws PeftError ARGUMENT_INVALID for a warm-up below 0 */
export function constantSchedule(options: ScheduleOptions = {}): Schedule {
  return withWarmup(options, () => 1);
}

/** After the warm-up in a line from 1 to 0 at the end. @throws PeftError ARGUMENT_INVALID for a warm-up below 0 */
export function linearSchedule(options: ScheduleOptions = {}): Schedule {
  return withWarmup(options, (progress) => Math.max(0, 1 - progress));
}

/** After the warm-up along half a cosine from 1 to 0. @throws PeftError ARGUMENT_INVALID for a warm-up below 0 */
export function cosineSchedule(options: ScheduleOptions = {}): Schedule {
  return withWarmup(options, halfCosine);
}

/**
 * After the warm-up along half a cosine from 1 to 0, `cycles` times one after another.
 *
 * @throws PeftError ARGUMENT_INVALID for a warm-up below 0, and for cycles that are not a positive whole number
 */
export function cosineWithRestartsSchedule(options: ScheduleOptions & { readonly cycles: number }): Schedule {
  const { cycles } = options;
  check("cycles", cycles, Number.isSafeInteger(cycles) && cycles >= 1);
  return withWarmup(options, (progress) => (progress >= 1 ? 0 : halfCosine((cycles * progress) % 1)));
}

export interface PolynomialOptions extends ScheduleOptions {
  /** @defaultValue 1, which is a line */
  readonly power?: number;
  /** The factor at the end; transformers' `lr_end` divided by the learning rate. @defaultValue 0 */
  readonly end?: number;
}

/**
 * After the warm-up from 1 to `end` as a power of the time that is left.
 *
 * @throws PeftError ARGUMENT_INVALID for a warm-up below 0, a power that is not above 0, and an end outside [0, 1)
 */
export function polynomialSchedule(options: PolynomialOptions = {}): Schedule {
  const { power = 1, end = 0 } = options;
  check("power", power, power > 0);
  check("end", end, end >= 0 && end < 1);
  return withWarmup(options, (progress) => (1 - end) * Math.max(0, 1 - progress) ** power + end);
}

/** transformers' timescale where there is no warm-up to take it from. */
const TIMESCALE = 10_000;

/**
 * After the warm-up as 1 / sqrt of the position: 1 at its end, a half when three more `timescale`s are over.
 *
 * @param options.timescale @defaultValue the warm-up, or 10,000 where there is none
 * @throws PeftError ARGUMENT_INVALID for a warm-up below 0 and a timescale that is not above 0
 */
export function inverseSqrtSchedule(options: ScheduleOptions & { readonly timescale?: number } = {}): Schedule {
  const { warmup = 0, timescale = warmup || TIMESCALE } = options;
  check("timescale", timescale, timescale > 0);
  return withWarmup(options, (_, position) => 1 / Math.sqrt((position - warmup + timescale) / timescale));
}

function halfCosine(progress: number): number {
  return Math.max(0, 0.5 * (1 + Math.cos(Math.PI * progress)));
}

/** @param after gets the share of the time after the warm-up that is over, and the position */
function withWarmup({ warmup = 0 }: ScheduleOptions, after: (progress: number, position: number) => number): Schedule {
  check("warmup", warmup, warmup >= 0);
  return (position, total) => {
    if (position < warmup) return position / Math.max(1, warmup);
    return after((position - warmup) / Math.max(1, total - warmup), position);
  };
}

function check(name: string, value: number, ok: boolean): void {
  if (!ok) throw new PeftError("ARGUMENT_INVALID", `${name} cannot be ${value}`, { place: "schedule" });
}
