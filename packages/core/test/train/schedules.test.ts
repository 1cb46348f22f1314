import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import {
  constantSchedule,
  cosineSchedule,
  cosineWithRestartsSchedule,
  inverseSqrtSchedule,
  linearSchedule,
  polynomialSchedule,
  type Schedule,
} from "../../src/train/index.js";

const fixture = JSON.parse(
  readFileSync(new URL("../../../../fixtures/train/schedules.json", import.meta.url), "utf8"),
) as { total: number; factors: Record<string, number[]> };

const SCHEDULES: Record<string, (warmup: number) => Schedule> = {
  constant: (warmup) => constantSchedule({ warmup }),
  linear: (warmup) => linearSchedule({ warmup }),
  cosine: (warmup) => cosineSchedule({ warmup }),
  cosineWithRestarts: (warmup) => cosineWithRestartsSchedule({ warmup, cycles: 3 }),
  polynomial: (warmup) => polynomialSchedule({ warmup, power: 2, end: 0.1 }),
  inverseSqrt: (warmup) => inverseSqrtSchedule({ warmup }),
  "inverseSqrt of 5": (warmup) => inverseSqrtSchedule({ warmup, timescale: 5 }),
};

it.each(Object.entries(fixture.factors))("%s steps of warm-up gives transformers' factors", (title, factors) => {
  const [name, warmup] = title.split(", ");
  const schedule = SCHEDULES[name!]!(Number(warmup));
  for (const [position, factor] of factors.entries()) {
    expect(schedule(position, fixture.total), `${title} at ${position}`).toBeCloseTo(factor, 12);
  }
});

it("MoSA's warm-up over ten epochs and cosine give the factors of its specification", () => {
  const schedule: Schedule = cosineSchedule({ warmup: 10 });
  const goldens: [number, number][] = [
    [0, 0],
    [1, 0.1],
    [5, 0.5],
    [10, 1],
    [11, 0.99969541],
    [55, 0.5],
  ];
  for (const [epoch, factor] of goldens) expect(Math.abs(schedule(epoch, 100) - factor)).toBeLessThan(1e-7);
  expect(Math.abs(schedule(99, 100) - 3.0459e-4)).toBeLessThan(1e-7);
});

it("a schedule never goes below zero, also beyond its end", () => {
  for (const make of [linearSchedule, cosineSchedule, polynomialSchedule])
    expect(make()(30, 20)).toBeGreaterThanOrEqual(0);
});

it.each([
  () => linearSchedule({ warmup: -1 }),
  () => cosineWithRestartsSchedule({ cycles: 0 }),
  () => polynomialSchedule({ power: 0 }),
  () => polynomialSchedule({ end: 1 }),
  () => inverseSqrtSchedule({ timescale: 0 }),
])("a number out of its range is refused: %s", (make) => {
  expect(make).toThrow(expect.objectContaining({ code: "ARGUMENT_INVALID" }));
});
