// What all methods do, of a side network with few channels: AlexNet itself would take minutes of the eager engine.

import { type BatchSource, Conv2d, getPeftModel, useEngine } from "@peft/core";
import { describePeftMethod, goldenArray } from "@peft/core/testing";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { SideNetworkConfig } from "../src/index.js";
import { pictureBatch, pictureHost } from "./pictureHost.js";
import { C, D, readAll, train } from "./tiny.js";

const CHANNELS: [string, number, number, number][] = [
  ["0", 3, 2, 11],
  ["3", 2, 3, 5],
  ["6", 3, 4, 3],
  ["8", 4, 3, 3],
  ["10", 3, 256, 3],
];

vi.mock("../src/alexNet.js", async (importActual) => {
  const actual = await importActual<typeof import("../src/alexNet.js")>();
  const narrow: typeof actual.alexNet = (seed) => {
    const wide = actual.alexNet(seed);
    return Object.fromEntries(
      CHANNELS.map(([number, inside, outside, kernel]) => {
        const init = (shape: readonly number[]) =>
          goldenArray(
            seed + Number(number),
            shape.reduce((n, d) => n * d, 1),
            0.05,
          );
        const options = { ...wide[number]!.windows, kernel: [kernel, kernel], init } as const;
        return [number, new Conv2d(inside, outside, options)];
      }),
    );
  };
  return { ...actual, alexNet: narrow };
});

const convolutions = CHANNELS.reduce((sum, [, inside, outside, kernel]) => {
  return sum + outside * (inside * kernel * kernel + 1);
}, 0);

describePeftMethod(
  "a side network",
  {
    host: pictureHost,
    config: new SideNetworkConfig(),
    batch: pictureBatch,
    trainable: convolutions + 9216 * D + 1 + D * C + C,
    identity: false,
  },
  { describe, it, beforeAll },
);

it("a side network begins with half of each and trains all of it, and nothing of the host", async () => {
  await useEngine("compiled", { threads: 2 });
  const model = getPeftModel(pictureHost(), new SideNetworkConfig());
  const before = await readAll(model.parameters());
  const own = new Set(model.adapterParameters().values());
  expect(Array.from(await model.adapterParameters().get("side_network.alpha")!.read())).toEqual([0]);
  const source: BatchSource = {
    batchesPerEpoch: 1,
    async *batches() {
      yield { inputs: pictureBatch, size: 2 };
    },
  };
  await train(model, { train: source, epochs: 2, learningRate: 1e-3 });
  for (const [key, parameter] of model.parameters()) {
    const now = await parameter.read();
    const isSame = before.get(key)!.every((x, i) => x === now[i]);
    expect(isSame, key).toBe(!own.has(parameter));
  }
  model.dispose();
});
