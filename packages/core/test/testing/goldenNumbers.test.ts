import { expect, it } from "vitest";
import { Parameter } from "../../src/index.js";
import { fillGolden, goldenArray, mulberry32 } from "../../src/testing/index.js";

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
