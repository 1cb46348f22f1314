import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { constantSchedule, cosineSchedule, linearSchedule, type Schedule } from "../../src/train/index.js";

const fixture = JSON.parse(
  readFileSync(new URL("../../../../fixtures/train/schedules.json", import.meta.url), "utf8"),
) as { total: number; factors: Record<string, number[]> };

const SCHEDULES = { constant: constantSchedule, linear: linearSchedule, cosine: cosineSchedule };

it.each(Object.entries(fixture.factors))("%s steps of warm-up gives transformers' factors", (title, factors) => {
  const [name, warmup] = title.split(" ");
  const schedule = SCHEDULES[name as keyof typeof SCHEDULES]({ warmup: Number(warmup) });
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
  for (const make of [linearSchedule, cosineSchedule]) expect(make()(30, 20)).toBeGreaterThanOrEqual(0);
});

it("a negative warm-up is refused", () => {
  expect(() => linearSchedule({ warmup: -1 })).toThrow(expect.objectContaining({ code: "ARGUMENT_INVALID" }));
});
