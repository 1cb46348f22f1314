// The bits of the generator, along each of the four numbers that it is a function of.

import { describe, expect, it } from "vitest";
import { extend, FACTORS, hash, hashText, mix } from "../../src/random.js";
import { binomialZ, chiSquareZ, largestZBound, poissonTail, Z_BOUND } from "./statistics.js";

const N = 2 ** 16;
const base = (seed: number, step: number, site: string) => hash(seed, step, hashText(site));

/** Words that differ in one number alone, from one to the next. */
const WALKS: [string, (i: number) => number][] = [
  ["counter", (i) => extend(base(7, 3, "dropout"), i)],
  ["counter, every 1,024th", (i) => extend(base(7, 3, "dropout"), 1024 * i)],
  ["seed", (i) => extend(base(i, 3, "dropout"), 0)],
  ["step", (i) => extend(base(7, i, "dropout"), 0)],
  ["site", (i) => extend(base(7, 3, `encoder.layer.${i}.dropout`), 0)],
];

describe.each(WALKS)("words along the %s", (_, word) => {
  const words = Uint32Array.from({ length: N }, (_, i) => word(i));
  const bit = (i: number, b: number) => (words[i]! >>> b) & 1;
  const largest = (values: readonly number[]) => Math.max(...values.map(Math.abs));
  const overBits = (statistic: (b: number) => number) => largest(Array.from({ length: 32 }, (_, b) => statistic(b)));

  it("have as many ones as zeros, all together and in each bit (monobit test)", () => {
    const ones = Array.from({ length: 32 }, (_, b) => words.reduce((sum, w) => sum + ((w >>> b) & 1), 0));
    expect(
      Math.abs(
        binomialZ(
          ones.reduce((a, b) => a + b),
          32 * N,
          0.5,
        ),
      ),
    ).toBeLessThan(Z_BOUND);
    expect(overBits((b) => binomialZ(ones[b]!, N, 0.5))).toBeLessThan(largestZBound(32));
  });

  it("change from 0 to 1 and back in each bit as often as they should (runs test)", () => {
    const changes = (b: number) => {
      let count = 0;
      for (let i = 1; i < N; i++) count += bit(i, b) ^ bit(i - 1, b);
      return count;
    };
    expect(overBits((b) => binomialZ(changes(b), N - 1, 0.5))).toBeLessThan(largestZBound(32));
  });

  /** How far from half the bits of words are equal to each bit of the words `lag` further on. */
  const agreements = (lag: number): number[] =>
    Array.from({ length: 32 }, (_, shift) => {
      const counts = new Float64Array(32);
      for (let i = lag; i < N; i++) {
        const later = words[i]!;
        const turned = (later << shift) | (shift === 0 ? 0 : later >>> (32 - shift));
        const equal = ~(words[i - lag]! ^ turned);
        for (let b = 0; b < 32; b++) counts[b]! += (equal >>> b) & 1;
      }
      return Array.from(counts, (count) => binomialZ(count, N - lag, 0.5));
    }).flat();

  it.each([1, 2, 3, 64])("have no bit that tells of any bit of the word %s further on", (lag) => {
    expect(largest(agreements(lag))).toBeLessThan(largestZBound(32 * 32));
  });

  it("have no bit that tells of another of the same word, of whose halves dropout makes two draws", () => {
    const others = agreements(0).slice(32);
    expect(largest(others)).toBeLessThan(largestZBound(31 * 32));
  });

  it("have evenly spread high and low bits, alone and with those of the next word (chi square)", () => {
    const counts = (bins: number, binOf: (i: number) => number, stride = 1) => {
      const all = new Uint32Array(bins);
      for (let i = 0; i + stride <= N; i += stride) all[binOf(i)]!++;
      return all;
    };
    const statistics = {
      high: counts(256, (i) => words[i]! >>> 24),
      low: counts(256, (i) => words[i]! & 255),
      highest24: counts(256, (i) => (words[i]! >>> 8) & 255),
      highPairs: counts(1024, (i) => ((words[i]! >>> 27) << 5) | (words[i + 1]! >>> 27), 2),
      lowPairs: counts(1024, (i) => ((words[i]! & 31) << 5) | (words[i + 1]! & 31), 2),
    };
    for (const [name, all] of Object.entries(statistics)) {
      expect(Math.abs(chiSquareZ(all)), name).toBeLessThan(largestZBound(5));
    }
  });
});

describe("streams of neighbours", () => {
  const length = 2048;
  const STREAMS: [string, (i: number) => number][] = [
    ["seed", (i) => base(i, 0, "a")],
    ["step", (i) => base(0, i, "a")],
    ["site", (i) => base(0, 0, `layer.${i}`)],
  ];

  it.each(STREAMS)("of %s are unrelated, counter by counter", (_, start) => {
    const pairs = 100;
    let worst = 0;
    for (let p = 0; p < pairs; p++) {
      const [one, other] = [start(p), start(p + 1)];
      let agreements = 0;
      for (let i = 0; i < length; i++) {
        let equal = ~(extend(one, i) ^ extend(other, i)) >>> 0;
        for (; equal !== 0; equal = (equal & (equal - 1)) >>> 0) agreements++;
      }
      worst = Math.max(worst, Math.abs(binomialZ(agreements, 32 * length, 0.5)));
    }
    expect(worst).toBeLessThan(largestZBound(pairs));
  });
});

describe("small words", () => {
  const n = 2 ** 26;
  const start = base(1, 2, "site");
  const below = new Map([2 ** 8, 2 ** 12, 2 ** 16].map((limit) => [limit, 0]));
  const cells = new Uint32Array(2 ** 16);
  const smallest = new Uint32Array(2 ** 8);
  for (let i = 0; i < n; i++) {
    const word = extend(start, i);
    cells[word >>> 16]!++;
    if (word >= 2 ** 16) continue;
    smallest[word >>> 8]!++;
    for (const [limit, count] of below) if (word < limit) below.set(limit, count + 1);
  }

  it.each([...below])("below %s are as many as they should be", (limit, count) => {
    expect(poissonTail(count, (n * limit) / 2 ** 32), `${count} words`).toBeGreaterThan(1e-5 / 6);
  });

  it("make the smallest 256 numbers of 24 bits equally often (chi square)", () => {
    expect(Math.abs(chiSquareZ(smallest))).toBeLessThan(Z_BOUND);
  });

  it("are as frequent as those of any other 65,536th of the range (chi square)", () => {
    // The words of one start are all different, since a round is one-to-one: a 64th of all 2^32.
    expect(Math.abs(chiSquareZ(cells, n / 2 ** 32))).toBeLessThan(Z_BOUND);
  });
});

describe("a round", () => {
  it("is one-to-one: undone step by step it gives its word back", () => {
    const undone = (mixed: number) => {
      const upper = Math.imul(mixed, inverse(FACTORS.last)) & 0xffff;
      const turned = (upper << 16) | ((mixed - Math.imul(upper, FACTORS.last)) >>> 16);
      const second = turn(root(turned, FACTORS.third));
      const first = turn(root(second, FACTORS.second));
      return Math.imul(first, inverse(FACTORS.first)) >>> 0;
    };
    for (let i = 0; i < 2 ** 14; i++) {
      const words = [i, 2 ** 32 - 1 - i, i * 2 ** 18, extend(3, i)];
      expect(words.map((word) => undone(mix(word)))).toEqual(words);
    }
  });

  const turn = (h: number) => (h << 16) | (h >>> 16);
  /** Of odd x, modulo 2^32, by Newton's rule from the five bits in which 3x xor 2 is right. */
  const inverse = (x: number) => [1, 2, 3].reduce((y) => Math.imul(y, 2 - Math.imul(x, y)), (3 * x) ^ 2);
  /** The h with h * (2h + odd) = y: bit b of the product is bit b of h, or its opposite, as the bits below have it. */
  const root = (y: number, odd: number) => {
    let h = 0;
    for (let b = 0; b < 32; b++) h |= (Math.imul(h, 2 * h + odd) ^ y) & (1 << b);
    return h;
  };
});
