import { expect, it } from "vitest";
import { Parameter } from "../../src/index.js";
import {
  changeError,
  expectClose,
  fillGolden,
  goldenArray,
  mulberry32,
  relativeError,
} from "../../src/testing/index.js";

function close(found: ArrayLike<number>, wanted: number[]): void {
  for (const [i, x] of wanted.entries()) expect(Math.abs(found[i]! - x)).toBeLessThan(1e-6);
}

it("the generator gives the specification's numbers", () => {
  const next = mulberry32(1000);
  expect([next(), next(), next()]).toEqual([0.7951949068810791, 0.8276879135519266, 0.6915161057841033]);
  close(goldenArray(1000, 4, 0.2), [0.118078, 0.131075, 0.076606, 0.15223]);
  close(goldenArray(7, 4, 1), [-0.97659, -0.876083, 0.953815, 0.398057]);
});

it("golden weights are around 0, those of norms around 1, in the order of the names", async () => {
  const weight = Parameter.zeros([4], { name: "a.weight" });
  const norm = Parameter.zeros([4], { name: "b.layernorm.weight" });
  fillGolden(
    new Map([
      [norm.name, norm],
      [weight.name, weight],
    ]),
  );
  close(await weight.read(), [0.118078, 0.131075, 0.076606, 0.15223]);
  expect(Math.min(...(await norm.read()))).toBeGreaterThan(0.9);
});

it("errors are relative to the largest value of the reference, and infinite where something is not comparable", () => {
  expect(relativeError([1, 2], [1, 4])).toBe(0.5);
  expect(relativeError([0, 0], [0, 0])).toBe(0);
  expect(relativeError([1e-9], [0])).toBe(Number.POSITIVE_INFINITY);
  expect(relativeError([1e-9], [0], 1)).toBe(1e-9);
  expect(relativeError([Number.NaN], [1])).toBe(Number.POSITIVE_INFINITY);
  expect(relativeError([1], [1, 2])).toBe(Number.POSITIVE_INFINITY);
  expect(changeError([1, 1], [2, 3], [1, 2.5])).toBeCloseTo(0.2);
  expect(() =>
    expectClose(
      new Map([["a", [1]]]),
      new Map([
        ["a", [2]],
        ["b", [1]],
      ]),
      0.1,
    ),
  ).toThrow(/a: 5\.00e-1\n {2}b: Infinity/);
});
