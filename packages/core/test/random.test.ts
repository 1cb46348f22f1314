// The generator's values are frozen: runs are repeated and resumed by them, and graphs compute the same ones.

import { describe, expect, it } from "vitest";
import { fill } from "../src/engine/draw.js";
import { extend, hash, hashText, mix, shuffled, unit } from "../src/random.js";

describe("the generator", () => {
  it("has the values that it always had", () => {
    expect([0, 1, 2, 0xffffffff].map(mix)).toEqual([0, 2981446548, 1223590112, 1602061642]);
    expect([hash(), hash(0), hash(1, 2, 3), hash(3, 2, 1)]).toEqual([608135816, 2642764835, 3203908817, 1846272377]);
    expect(["", "a", "encoder.layer.0.dropout"].map(hashText)).toEqual([608135816, 2087731072, 869315841]);
    expect([...shuffled(10, hash(7))]).toEqual([0, 3, 9, 4, 8, 7, 6, 1, 2, 5]);
  });

  it("draws what it always drew", () => {
    const key = { seed: 42, step: 3 };
    const draw = (distribution: Parameters<typeof fill>[0]["distribution"], n = 4): number[] => [
      ...fill({ site: "site", shape: [n], distribution }, key),
    ];
    expect(draw("uniform")).toEqual([0.28463900089263916, 0.7823224663734436, 0.47002166509628296, 0.6147807836532593]);
    expect(draw("normal")).toEqual([0.3197402358055115, -0.922855794429779, -1.292571783065796, -0.3805391192436218]);
    expect(draw("gumbel")).toEqual([-0.22835670411586761, 1.4045063257217407, 0.28106874227523804, 0.7205399870872498]);
    expect(draw("key", 2)).toEqual([1222515386, -934917833]);
    expect(draw("permutation", 8)).toEqual([4, 5, 1, 2, 0, 7, 6, 3]);
    expect(draw({ kind: "integers", below: 100 })).toEqual([28, 78, 47, 61]);
  });

  it("extends a prefix word by word", () => {
    expect(hash(5, 6, 7)).toBe(extend(extend(hash(5), 6), 7));
  });

  it("gives each bit of a unit number an even chance", () => {
    const n = 20_000;
    const words = Array.from({ length: n }, (_, i) => extend(hash(1), i));
    for (let bit = 8; bit < 32; bit++) {
      const set = words.filter((word) => (word >>> bit) & 1).length;
      // Six standard deviations of a fair coin.
      expect(Math.abs(set - n / 2), `bit ${bit}`).toBeLessThan(3 * Math.sqrt(n));
    }
    expect(words.every((word) => unit(word) >= 0 && unit(word) < 1)).toBe(true);
  });

  it("draws a normal distribution: mean 0, deviation 1, tails as they should be", () => {
    const n = 50_000;
    const x = [...fill({ site: "normal", shape: [n], distribution: "normal" }, { seed: 1, step: 0 })];
    const moment = (power: number): number => x.reduce((sum, value) => sum + value ** power, 0) / n;
    expect(Math.abs(moment(1))).toBeLessThan(6 / Math.sqrt(n));
    expect(Math.abs(moment(2) - 1)).toBeLessThan(6 * Math.sqrt(2 / n));
    expect(Math.abs(moment(4) - 3)).toBeLessThan(6 * Math.sqrt(96 / n));
    expect(x.every(Number.isFinite)).toBe(true);
  });

  it("draws a permutation: every number once, every place alike", () => {
    const counts = new Map<number, number>();
    for (let step = 0; step < 6000; step++) {
      const order = [...fill({ site: "order", shape: [3], distribution: "permutation" }, { seed: 9, step })];
      expect([...order].sort()).toEqual([0, 1, 2]);
      const index = order[0]! * 3 + order[1]!;
      counts.set(index, (counts.get(index) ?? 0) + 1);
    }
    expect(counts.size).toBe(6);
    for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(6 * Math.sqrt(1000));
  });

  it("refuses integers below nothing", () => {
    const request = { site: "site", shape: [1], distribution: { kind: "integers", below: 0 } } as const;
    expect(() => fill(request, { seed: 0, step: 0 })).toThrow(expect.objectContaining({ code: "ARGUMENT_INVALID" }));
  });
});
