import { describe, expect, it } from "vitest";
import { kaldiFilterBank } from "../../src/index.js";
import { fixtureNumbers, goldenSound, normalizedDifferences, soundCases } from "./fixtures.js";

interface Case {
  name: string;
  rate: number;
  bins: number;
}

/** ast-adapter.md §2.2: [frame, bin, float64 pipeline, torchaudio]. */
const GOLDEN = [
  [0, 0, -7.820915339, -7.820925],
  [0, 1, -11.103192441, -11.103215],
  [0, 2, -7.65981086, -7.659814],
  [0, 3, -15.942385153, -15.942385],
  [0, 10, -4.941039035, -4.941042],
  [0, 64, -3.443031388, -3.443039],
  [0, 127, 2.857624342, 2.857628],
  [50, 5, -9.180474087, -9.180517],
  [50, 20, -5.963863565, -5.963866],
  [50, 90, 1.254794247, 1.254794],
  [97, 0, -8.713604477, -8.713592],
  [97, 63, -1.065826755, -1.065823],
  [97, 127, 2.338167357, 2.338168],
] as const;

const bank = kaldiFilterBank(16_000, 128);
const golden = bank.logMel(goldenSound(), 98);

describe("kaldiFilterBank", () => {
  it.each(GOLDEN)("frame %i, bin %i is the specification's %f within 1e-6", (frame, bin, wide, narrow) => {
    expect(Math.abs(golden[frame * 128 + bin]! - wide)).toBeLessThan(1e-6);
    expect(Math.abs(golden[frame * 128 + bin]! - narrow)).toBeLessThan(5e-5);
  });

  it("has the specification's mean over 98 frames of 128 bins", () => {
    expect(golden.reduce((sum, value) => sum + value, 0) / golden.length).toBeCloseTo(-2.014409585, 7);
  });

  it.each(soundCases<Case>("banks"))(
    "equals torchaudio's within its own rounding, normalised: $name, $rate Hz, $bins bins",
    ({ name, rate, bins }) => {
      const ours = kaldiFilterBank(rate, bins);
      const samples = fixtureNumbers("banks", `${name}.samples`);
      const wanted = fixtureNumbers("banks", `${name}.bank`);
      const frames = ours.frames(samples.length);
      expect(frames * bins).toBe(wanted.length);
      const { largest, percentile } = normalizedDifferences(ours.logMel(samples, frames), wanted);
      expect(percentile, "99.9th percentile").toBeLessThanOrEqual(2e-4);
      expect(largest, "largest").toBeLessThanOrEqual(1e-3);
    },
  );

  it("counts whole frames only", () => {
    const counts = [399, 400, 559, 560, 16_000, 64_000, 80_000, 128_000, 163_840].map(bank.frames);
    expect(counts).toEqual([0, 1, 1, 2, 98, 398, 498, 798, 1022]);
  });

  it("adds ln 100 to every bin above the floor of a sound ten times as loud", () => {
    const loud = bank.logMel(
      goldenSound().map((sample) => 10 * sample),
      98,
    );
    for (let i = 0; i < golden.length; i++) {
      if (golden[i]! > -15.9) expect(Math.abs(loud[i]! - golden[i]! - Math.log(100))).toBeLessThan(1e-4);
    }
  });

  it("gives silence the floor, and every sound in bin 3, whose triangle meets no bin of the spectrum", () => {
    const floor = Math.fround(Math.log(2 ** -23));
    expect(new Set(bank.logMel(new Float32Array(800), 3))).toEqual(new Set([floor]));
    for (let frame = 0; frame < 98; frame++) expect(golden[frame * 128 + 3]).toBe(floor);
  });

  it("refuses rates and numbers of bins that make no bank", () => {
    for (const [rate, bins] of [
      [0, 128],
      [Number.NaN, 128],
      [16_000, 0],
      [16_000, 1.5],
    ] as const) {
      expect(() => kaldiFilterBank(rate, bins)).toThrow(expect.objectContaining({ code: "ARGUMENT_INVALID" }));
    }
  });
});
