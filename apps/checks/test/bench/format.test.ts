import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatBench, resultRow } from "../../src/bench/format.js";
import { lowerQuartile, median } from "../../src/bench/quartile.js";

const row = { name: "vit-b adapters batch 4", kind: "step", targetTime: 0.6, targetMemory: 0.85 } as const;

describe("benchmark figures", () => {
  it("take the lower quartile, linear between samples", () => {
    expect(lowerQuartile([5, 1, 3, 2, 4])).toBe(2);
    expect(lowerQuartile([1, 2])).toBe(1.25);
    expect(lowerQuartile([7])).toBe(7);
    expect(median([4, 1, 2, 3])).toBe(2.5);
    expect(() => lowerQuartile([])).toThrow(RangeError);
  });

  it("have a lower quartile between the least sample and the median, in any order of the samples", () => {
    const samples = fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(samples, (times) => {
        const quartile = lowerQuartile(times);
        expect(quartile).toBeGreaterThanOrEqual(Math.min(...times));
        expect(quartile).toBeLessThanOrEqual(median(times));
        expect(lowerQuartile([...times].reverse())).toBe(quartile);
      }),
    );
  });

  it("divide ours by PyTorch's", () => {
    const result = resultRow(row, {
      ours: { times: [0.5, 0.5, 9], peaks: [400] },
      torch: { times: [1, 1, 1], peaks: [800] },
    });
    expect(result).toEqual({
      name: row.name,
      ours: { time_s: 0.5, peak_mb: 400 },
      torch: { time_s: 1, peak_mb: 800 },
      ratio_time: 0.5,
      ratio_memory: 0.5,
      target_time: 0.6,
      target_memory: 0.85,
    });
  });

  it("have no ratio without PyTorch, and the table says how to get it", () => {
    const result = resultRow(row, { ours: { times: [0.5], peaks: [400] }, torch: null });
    expect(result).toMatchObject({ torch: null, ratio_time: null, ratio_memory: null });
    const table = formatBench({ processor: "AMD EPYC, 2 vCPUs, AVX-512 yes", rows: [result] }, [
      "PyTorch was not measured: …",
    ]);
    expect(table.split("\n")[0]).toBe("AMD EPYC, 2 vCPUs, AVX-512 yes");
    expect(table).toContain("500 ms");
    expect(table).toContain("PyTorch was not measured");
  });

  it("show which targets are missed", () => {
    const result = resultRow(row, { ours: { times: [0.7], peaks: [400] }, torch: { times: [1], peaks: [800] } });
    expect(formatBench({ processor: "p", rows: [result] })).toMatch(
      /0\.70\s+0\.60\s+over\s+400 MB\s+800 MB\s+0\.50\s+0\.85\s+ok$/,
    );
  });

  it("compare a row with an earlier one of ours, where both were run", () => {
    const samples = (time: number) => ({ ours: { times: [time], peaks: [400] }, torch: null });
    const plain = resultRow({ ...row, name: "plain" }, samples(0.5));
    const twice = { ...row, name: "twice", over: { row: "plain", target: 1.9 } };
    const result = resultRow(twice, samples(1), [plain]);
    expect(plain).not.toHaveProperty("over");
    expect(result.over).toEqual({ row: "plain", ratio: 2, target: 1.9 });
    expect(resultRow(twice, samples(1))).not.toHaveProperty("over");
    const table = formatBench({ processor: "p", rows: [plain, result] });
    expect(table).toContain("twice over plain, our times: 2.00, target 1.90 over");
  });
});
