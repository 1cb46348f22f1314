// Learning-rate schedules: pure functions from a position (steps or epochs done) to a factor of the learning rate. The
// formulas are those of transformers' get_*_schedule_with_warmup.

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
  return withWarmup(options, (progress) => Math.max(0, 0.5 * (1 + Math.cos(Math.PI * progress))));
}

/** @param after gets the share of the time after the warm-up that is over */
function withWarmup({ warmup = 0 }: ScheduleOptions, after: (progress: number) => number): Schedule {
  if (!(warmup >= 0)) throw new PeftError("ARGUMENT_INVALID", `a warm-up of ${warmup}: it must be 0 or more`);
  return (position, total) => {
    if (position < warmup) return position / Math.max(1, warmup);
    return after((position - warmup) / Math.max(1, total - warmup));
  };
}
