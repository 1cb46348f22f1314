// An exponential moving average of the trained parameters, as diffusers' EMAModel keeps it: average <- average - (1 - d)
// (average - parameter) after each step, with a decay d that rises from 0.

import * as tf from "@tensorflow/tfjs";
import { type CompiledFunction, compile, type Parameter } from "../engine/index.js";
import { PeftError } from "../errors.js";

export interface EmaOptions {
  /** The largest decay. @defaultValue 0.9999 */
  readonly decay?: number;
  /** The smallest decay once the average has begun. @defaultValue 0 */
  readonly minDecay?: number;
  /** Steps after which the average begins; until then it is the parameters themselves. @defaultValue 0 */
  readonly updateAfterStep?: number;
  /**
   * The decay after n steps is 1 - (1 + n / invGamma)^-power (diffusers' `use_ema_warmup`, whose numbers are 1 and 2/3).
   * @defaultValue none: it is (1 + n) / (10 + n)
   */
  readonly warmup?: { readonly invGamma?: number; readonly power?: number };
}

/**
 * The decay of an update.
 *
 * @param updates updates including this one, from 1
 */
export function emaDecay(options: EmaOptions, updates: number): number {
  const { decay = 0.9999, minDecay = 0, updateAfterStep = 0, warmup } = options;
  const n = updates - updateAfterStep - 1;
  if (n <= 0) return 0;
  const rising = warmup ? 1 - (1 + n / (warmup.invGamma ?? 1)) ** -(warmup.power ?? 2 / 3) : (1 + n) / (10 + n);
  return Math.max(minDecay, Math.min(rising, decay));
}

/** @throws PeftError ARGUMENT_INVALID */
export function checkEma({ decay = 0.9999, minDecay = 0, updateAfterStep = 0, warmup = {} }: EmaOptions): void {
  const { invGamma = 1, power = 2 / 3 } = warmup;
  const share = (value: number) => value >= 0 && value <= 1;
  if (!share(decay) || !share(minDecay) || minDecay > decay) throw invalid("decays", `${minDecay} to ${decay}`);
  if (!Number.isSafeInteger(updateAfterStep) || updateAfterStep < 0) throw invalid("updateAfterStep", updateAfterStep);
  if (!(invGamma > 0 && power > 0)) throw invalid("warmup", `invGamma ${invGamma}, power ${power}`);
}

function invalid(name: string, value: unknown): PeftError {
  return new PeftError("ARGUMENT_INVALID", `${name} cannot be ${value}`, { place: "ema" });
}

/**
 * A function that exchanges the parameters' numbers and their averages, where they are: called once before an evaluation
 * and once after it.
 */
export function exchange(
  pairs: readonly { readonly parameter: Parameter; readonly average: Parameter }[],
): () => Promise<void> {
  const call: CompiledFunction<tf.Tensor> = compile(() => {
    const now = pairs.map(
      ({ parameter, average }) => [tf.clone(parameter.value()), tf.clone(average.value())] as const,
    );
    for (const [i, { parameter, average }] of pairs.entries()) {
      parameter.assign(now[i]![1]);
      average.assign(now[i]![0]);
    }
    return tf.scalar(0);
  });
  return async () => (await call()).dispose();
}
