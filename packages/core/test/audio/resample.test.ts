import { describe, expect, it } from "vitest";
import { resample } from "../../src/index.js";
import { fixtureNumbers, largestDifference, soundCases } from "./fixtures.js";

interface Case {
  name: string;
  from: number;
  to: number;
}

const cases = soundCases<Case>("resampling");

describe("resample", () => {
  it.each(cases)("equals torchaudio's with the same filter, $from to $to Hz", ({ name, from, to }) => {
    const made = resample(fixtureNumbers("resampling", `${name}.samples`), from, to);
    expect(largestDifference(made, fixtureNumbers("resampling", `${name}.torchaudio`))).toBeLessThan(1e-6);
  });

  it.each(cases)("equals resampy's with a fine table of its filter, $from to $to Hz", ({ name, from, to }) => {
    const wanted = fixtureNumbers("resampling", `${name}.resampy`);
    const made = resample(fixtureNumbers("resampling", `${name}.samples`), from, to);
    expect(made.length - wanted.length, "resampy drops a last part of a sample").toBeLessThanOrEqual(1);
    expect(largestDifference(made.slice(0, wanted.length), wanted)).toBeLessThan(2e-6);
  });

  it("gives ceil(n * to / from) samples, none of none, and a copy at the same rate", () => {
    expect(resample(new Float32Array(1001), 44_100, 16_000)).toHaveLength(364);
    expect(resample(new Float32Array(0), 44_100, 16_000)).toHaveLength(0);
    const samples = Float32Array.of(1, 2, 3);
    const copy = resample(samples, 8000, 8000);
    expect(copy).toEqual(samples);
    expect(copy).not.toBe(samples);
  });

  it("keeps a slow sine and takes away one above half the new rate", () => {
    const sine = (hertz: number, rate: number) =>
      Float32Array.from({ length: rate / 4 }, (_, i) => Math.sin((2 * Math.PI * hertz * i) / rate));
    const middle = (samples: Float32Array) => samples.subarray(1000, 3000);
    const kept = resample(sine(1000, 48_000), 48_000, 16_000);
    expect(largestDifference(middle(kept), middle(sine(1000, 16_000)))).toBeLessThan(1e-5);
    const gone = resample(sine(9000, 48_000), 48_000, 16_000);
    expect(Math.max(...middle(gone).map(Math.abs))).toBeLessThan(1e-5);
  });

  it("refuses rates that are not whole and positive", () => {
    for (const rate of [0, -1, 44_100.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      const invalid = expect.objectContaining({ code: "ARGUMENT_INVALID" });
      expect(() => resample(new Float32Array(8), rate, 16_000)).toThrow(invalid);
      expect(() => resample(new Float32Array(8), 16_000, rate)).toThrow(invalid);
    }
  });
});
