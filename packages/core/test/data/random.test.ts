import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { augmentationKey, permutation, uniformAt } from "../../src/data/random.js";
import { hash, mix } from "../../src/random.js";

describe("the integer hash", () => {
  it("has the values that saved runs were made with", () => {
    expect([0, 1, 2, 0xffffffff].map(mix)).toEqual(FROZEN.mix);
    expect([hash(), hash(0), hash(1), hash(0, 0), hash(1, 2, 3), hash(-1), hash(2 ** 32 + 5)]).toEqual(FROZEN.hash);
    expect([uniformAt(0), uniformAt(7, 1), uniformAt(7, 1, 2)]).toEqual(FROZEN.uniform);
    expect([...permutation(10, 42)]).toEqual(FROZEN.permutation);
    expect([...permutation(10, 42, 1)]).toEqual(FROZEN.permutationOfEpoch1);
  });

  it("agrees with its definition in exact integers", () => {
    const word = 2n ** 32n;
    const turned = (h: bigint) => (h * 65536n + h / 65536n) % word;
    const exactMix = (input: bigint) => {
      let h = turned((input * 0x9e3779b1n) % word);
      h = turned((h * (2n * h + 0x85a308d3n)) % word);
      h = (h * (2n * h + 0xec4e6c89n)) % word;
      return (h * 65536n + (h / 65536n) * 0x38d01377n) % word;
    };
    const exactHash = (words: bigint[]) => words.reduce((h, w) => exactMix((h + w + 0x7f4a7c15n) % word), 0x243f6a88n);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 2 ** 32 - 1 }), { maxLength: 5 }), (words) => {
        expect(hash(...words)).toBe(Number(exactHash(words.map(BigInt))));
      }),
    );
  });
});

/** Chi square of 20 bins over 20,000 draws; of fair draws one in a thousand exceeds 43.8. */
function chiSquare(draw: (i: number) => number): number {
  const n = 20_000;
  const bins = new Array<number>(20).fill(0);
  for (let i = 0; i < n; i++) bins[Math.floor(draw(i) * 20)]!++;
  return bins.reduce((sum, count) => sum + (count - n / 20) ** 2 / (n / 20), 0);
}

describe("uniformAt", () => {
  it("is evenly spread over [0, 1) along its seed and its counters", () => {
    expect(
      chiSquare((i) => uniformAt(i)),
      "seed",
    ).toBeLessThan(43.8);
    expect(
      chiSquare((i) => uniformAt(3, i)),
      "counter",
    ).toBeLessThan(43.8);
    expect(
      chiSquare((i) => uniformAt(3, 5, i)),
      "second counter",
    ).toBeLessThan(43.8);
  });

  it("has independent neighbours", () => {
    expect(chiSquare((i) => (uniformAt(3, i) - uniformAt(3, i + 1) + 1) % 1)).toBeLessThan(43.8);
  });
});

describe("permutation", () => {
  it("holds every position once", () => {
    fc.assert(
      fc.property(fc.nat(300), fc.integer(), fc.nat(), (n, seed, epoch) => {
        expect([...permutation(n, seed, epoch)].sort((a, b) => a - b)).toEqual(Array.from({ length: n }, (_, i) => i));
      }),
    );
  });

  it("gives all six orders of three about equally often", () => {
    const counts = new Map<string, number>();
    for (let epoch = 0; epoch < 6000; epoch++) {
      const order = permutation(3, 1, epoch).join();
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    for (const [order, count] of counts) expect(Math.abs(count - 1000), `order ${order}`).toBeLessThan(110);
  });
});

describe("augmentationKey", () => {
  it("depends on the order of its words", () => {
    expect(
      new Set([augmentationKey(1, 2), augmentationKey(2, 1), augmentationKey(1), augmentationKey(1, 2, 0)]).size,
    ).toBe(4);
  });
});

/** Never to be changed: see src/random.ts. */
const FROZEN = {
  mix: [0, 973684330, 3938848732, 1471085178],
  hash: [608135816, 1056251624, 181771336, 1866981569, 2319135917, 3557799909, 372127127],
  uniform: [0.24592769145965576, 0.8187040686607361, 0.7704901099205017],
  permutation: [9, 8, 1, 3, 4, 0, 2, 7, 6, 5],
  permutationOfEpoch1: [2, 8, 3, 4, 0, 5, 7, 1, 9, 6],
};
