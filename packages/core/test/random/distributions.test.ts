// The distributions that a function can draw, made from the bits.

import { describe, expect, it } from "vitest";
import { type Distribution, fill } from "../../src/engine/draw.js";
import {
  binomialZ,
  chiSquareZ,
  KOLMOGOROV_BOUND,
  kolmogorov,
  largestZBound,
  mean,
  moment,
  normalCdf,
  poissonTail,
  Z_BOUND,
} from "./statistics.js";

const N = 2 ** 17;

function draw(distribution: Distribution, step = 0, n = N): number[] {
  return [...fill({ site: "site", shape: [n], distribution }, { seed: 11, step })];
}

/** How far a mean is from what it should be, in its standard deviations. */
function z(found: number, expected: number, variance: number, n = N): number {
  return Math.abs(found - expected) / Math.sqrt(variance / n);
}

describe("uniform draws", () => {
  const sample = draw("uniform");

  it("lie in [0, 1) and are spread evenly (Kolmogorov-Smirnov; mean; variance)", () => {
    expect(sample.every((x) => x >= 0 && x < 1)).toBe(true);
    expect(kolmogorov(sample, (x) => x)).toBeLessThan(KOLMOGOROV_BOUND);
    expect(z(mean(sample), 1 / 2, 1 / 12)).toBeLessThan(Z_BOUND);
    expect(z(moment(sample, 2, 1 / 2), 1 / 12, 1 / 80 - 1 / 144)).toBeLessThan(Z_BOUND);
  });

  it("are not correlated with those further on", () => {
    for (const lag of [1, 2, 7, 32]) {
      const products = sample.slice(lag).map((x, i) => 12 * (x - 1 / 2) * (sample[i]! - 1 / 2));
      expect(z(mean(products), 0, 1, N - lag), `lag ${lag}`).toBeLessThan(largestZBound(4));
    }
  });
});

describe("normal draws", () => {
  const sample = draw("normal");

  it("are standard normal (Kolmogorov-Smirnov; the first four moments)", () => {
    expect(kolmogorov(sample, normalCdf)).toBeLessThan(KOLMOGOROV_BOUND);
    expect(z(moment(sample, 1, 0), 0, 1)).toBeLessThan(Z_BOUND);
    expect(z(moment(sample, 2, 0), 1, 2)).toBeLessThan(Z_BOUND);
    expect(z(moment(sample, 3, 0), 0, 15)).toBeLessThan(Z_BOUND);
    expect(z(moment(sample, 4, 0), 3, 96)).toBeLessThan(Z_BOUND);
  });

  it("have tails as heavy as they should be", () => {
    for (const bound of [2, 3, 3.5]) {
      const beyond = sample.filter((x) => Math.abs(x) > bound).length;
      expect(Math.abs(binomialZ(beyond, N, 2 * (1 - normalCdf(bound)))), `beyond ${bound}`).toBeLessThan(
        largestZBound(3),
      );
    }
  });

  it("are not correlated with their neighbours, nor are their squares", () => {
    for (const lag of [1, 2]) {
      const neighbours = sample.slice(lag).map((x, i) => [x, sample[i]!] as const);
      expect(z(mean(neighbours.map(([x, y]) => x * y)), 0, 1, N - lag)).toBeLessThan(Z_BOUND);
      const squares = neighbours.map(([x, y]) => (x * x - 1) * (y * y - 1));
      expect(z(mean(squares), 0, 4, N - lag)).toBeLessThan(Z_BOUND);
    }
  });
});

describe("Gumbel draws", () => {
  const sample = draw("gumbel");

  it("are standard Gumbel (Kolmogorov-Smirnov; mean; variance)", () => {
    const variance = Math.PI ** 2 / 6;
    const eulersConstant = 0.577_215_664_901_532_9;
    expect(kolmogorov(sample, (x) => Math.exp(-Math.exp(-x)))).toBeLessThan(KOLMOGOROV_BOUND);
    expect(z(mean(sample), eulersConstant, variance)).toBeLessThan(Z_BOUND);
    // The fourth central moment is 5.4 times the squared variance, and a squared deviation's variance 4.4 times.
    expect(z(moment(sample, 2, eulersConstant), variance, 4.4 * variance ** 2)).toBeLessThan(Z_BOUND);
  });

  it("choose a class, added to its log-probability, with that probability", () => {
    const probabilities = [0.5, 0.3, 0.15, 0.05];
    const trials = N / 4;
    const chosen = [0, 0, 0, 0];
    for (let t = 0; t < trials; t++) {
      const scores = probabilities.map((p, i) => Math.log(p) + sample[4 * t + i]!);
      chosen[scores.indexOf(Math.max(...scores))]!++;
    }
    for (const [i, p] of probabilities.entries()) {
      expect(Math.abs(binomialZ(chosen[i]!, trials, p)), `class ${i}`).toBeLessThan(largestZBound(4));
    }
  });
});

describe("Bernoulli draws", () => {
  it("are ones with their probability, and zeros", () => {
    for (const probability of [0.001, 0.1, 0.5, 0.9]) {
      const sample = draw({ kind: "bernoulli", probability });
      const ones = sample.filter((x) => x === 1).length;
      expect(sample.every((x) => x === 0 || x === 1)).toBe(true);
      expect(Math.abs(binomialZ(ones, N, probability)), `${probability}`).toBeLessThan(largestZBound(4));
    }
    expect(new Set(draw({ kind: "bernoulli", probability: 0 }))).toEqual(new Set([0]));
    expect(new Set(draw({ kind: "bernoulli", probability: 1 }))).toEqual(new Set([1]));
  });

  it("are as likely after a one as after a zero", () => {
    const sample = draw({ kind: "bernoulli", probability: 0.3 });
    const afterOne = sample.filter((_, i) => i > 0 && sample[i - 1] === 1);
    expect(Math.abs(binomialZ(afterOne.filter((x) => x === 1).length, afterOne.length, 0.3))).toBeLessThan(Z_BOUND);
  });
});

describe("integer draws", () => {
  it.each([2, 3, 7, 10, 100, 1000])("below %s come up equally often (chi square)", (below) => {
    const counts = new Uint32Array(below);
    for (const x of draw({ kind: "integers", below })) counts[x]!++;
    expect(counts.reduce((a, b) => a + b)).toBe(N);
    const statistic = below === 2 ? binomialZ(counts[0]!, N, 0.5) : chiSquareZ(counts);
    expect(Math.abs(statistic)).toBeLessThan(largestZBound(6));
  });
});

describe("permutations", () => {
  const factorial = (n: number): number => (n <= 1 ? 1 : n * factorial(n - 1));

  it.each([
    ["step", 3],
    ["step", 4],
    ["step", 5],
    ["seed", 3],
    ["seed", 4],
    ["seed", 5],
  ] as const)("along the %s, all orders of %s come up equally often (chi square)", (walk, n) => {
    const counts = new Map<string, number>();
    const trials = 400 * factorial(n);
    for (let i = 0; i < trials; i++) {
      const key = walk === "step" ? { seed: 5, step: i } : { seed: i, step: 5 };
      const order = fill({ site: "order", shape: [n], distribution: "permutation" }, key).join();
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    expect(counts.size).toBe(factorial(n));
    expect(Math.abs(chiSquareZ([...counts.values()]))).toBeLessThan(largestZBound(6));
  });

  it("of many bring every position to every place equally often (chi square)", () => {
    const n = 20;
    const counts = new Uint32Array(n * n);
    const trials = 4000;
    for (let step = 0; step < trials; step++) {
      const order = fill({ site: "order", shape: [n], distribution: "permutation" }, { seed: 9, step });
      for (const [place, position] of order.entries()) counts[place * n + position]!++;
    }
    // Rows and columns have fixed sums: of 400 counts 361 are free, and the statistic is taken as one of 361 degrees.
    const expected = trials / n;
    const chiSquare = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0) * ((n - 1) / n);
    const spread = 2 / (9 * 361);
    expect(Math.abs((Math.cbrt(chiSquare / 361) - (1 - spread)) / Math.sqrt(spread))).toBeLessThan(Z_BOUND);
  });
});

it("the statistics are right about numbers whose distribution is known", () => {
  expect(normalCdf(1.959963984540054)).toBeCloseTo(0.975, 12);
  expect(normalCdf(-4)).toBeCloseTo(3.167124183311992e-5, 14);
  expect(poissonTail(12, 4)).toBeCloseTo(9.152e-4, 7);
  expect(poissonTail(1, 4)).toBeCloseTo(5 * Math.exp(-4), 12);
  expect(largestZBound(1)).toBeCloseTo(Z_BOUND, 1);
  const even = Array.from({ length: 1000 }, (_, i) => (i + 0.5) / 1000);
  expect(kolmogorov(even, (x) => x)).toBeCloseTo(0.0005 * Math.sqrt(1000), 10);
  expect(kolmogorov(even, (x) => x * x)).toBeGreaterThan(KOLMOGOROV_BOUND);
  expect(chiSquareZ([100, 100, 100, 100])).toBeLessThan(-3);
  expect(chiSquareZ([50, 150, 100, 100])).toBeGreaterThan(Z_BOUND);
  expect(chiSquareZ([80, 120, 100, 100], 0.75)).toBe(chiSquareZ([60, 140, 100, 100]));
});
