// Which experts are drawn.

import { compile, nameModules, useEngine } from "@peft/core";
import * as tf from "@tensorflow/tfjs";
import { describe, expect, it } from "vitest";
import { SplitLinear } from "../src/index.js";

describe("draws", () => {
  it("are uniform, and independent between places and between the passes (§8.11)", async () => {
    await useEngine("eager");
    const N = 4;
    const sides = ["vit.encoder.layer.0.mosa.up", "vit.encoder.layer.1.mosa.up"].map((path) => {
      const side = new SplitLinear(2, 2, { numExperts: N, splitMode: "all", seed: 0 });
      nameModules(side, path);
      return side;
    });
    const drawn = compile(() => tf.stack(sides.map((side) => side.draw(2))));
    const singles = Array.from({ length: 4 }, () => new Array<number>(N).fill(0));
    const pairs = new Map([
      ["places", new Array<number>(N * N).fill(0)],
      ["passes", new Array<number>(N * N).fill(0)],
    ]);
    const draws = 10_000;
    for (let step = 0; step < draws; step++) {
      const tensor = await drawn.at({ seed: 3407, step })();
      const [a, b, c, d] = (await tensor.data()) as Int32Array;
      tensor.dispose();
      for (const [i, e] of [a!, b!, c!, d!].entries()) singles[i]![e]!++;
      pairs.get("places")![a! * N + c!]!++;
      pairs.get("passes")![a! * N + b!]!++;
      expect(d).toBeLessThan(N);
    }
    const chiSquare = (counts: number[]): number => {
      const expected = draws / counts.length;
      return counts.reduce((sum, n) => sum + (n - expected) ** 2 / expected, 0);
    };
    // What is exceeded by chance once in a thousand times, at 3 and at 15 degrees of freedom.
    for (const counts of singles) expect(chiSquare(counts)).toBeLessThan(16.27);
    for (const [name, counts] of pairs) expect(chiSquare(counts), name).toBeLessThan(37.7);
  });
});
