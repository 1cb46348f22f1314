// A function that meets more shapes than are kept: how many sessions there are, what the process grows by, and that what was
// let go comes back with the same numbers.

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { beforeAll, expect, it, vi } from "vitest";
import type { CompiledEngine } from "../../src/engine/compiled.js";
import { MOST_KEPT } from "../../src/engine/recent.js";
import { engineState } from "../../src/engine/state.js";
import { compile, useEngine } from "../../src/index.js";
import { Blocks } from "./blocks.js";

const SHAPES = 200;
/** What `compile` says that a shape beyond those that are kept leaves behind, for each operation of its graph. */
const LEFT_KB = 2;

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

function kilobytes(): number {
  collectGarbage();
  return process.memoryUsage().rss / 2 ** 10;
}

beforeAll(async () => {
  await useEngine("compiled", { threads: 1 });
});

it(`${SHAPES} shapes of a training step keep ${MOST_KEPT} sessions and leave less than ${LEFT_KB} kB an operation behind`, async () => {
  const blocks = new Blocks({ depth: 10, width: 16, rate: 0 });
  const step = compile((x) => blocks.step(x!));
  const run = vi.spyOn((engineState().engine as CompiledEngine).device, "run");
  const lossOf = async (rows: number): Promise<number> => {
    const loss = await step({ data: new Float32Array(rows * 16).fill(0.1), shape: [rows, 16], dtype: "float32" });
    const [number] = await loss.data();
    loss.dispose();
    return number!;
  };
  const first = await lossOf(1);
  // The runtime's own heaps have reached their size when the first sessions were let go.
  const settled = MOST_KEPT + 36;
  for (let rows = 2; rows <= settled; rows++) await lossOf(rows);
  const before = kilobytes();
  for (let rows = settled + 1; rows <= SHAPES; rows++) await lossOf(rows);
  const grown = kilobytes() - before;
  const operations = step.explain({ shape: [SHAPES, 16], dtype: "float32" }).stages[1].nodes.length;
  expect(grown / (SHAPES - settled) / operations).toBeLessThan(LEFT_KB);
  expect(new Set(run.mock.calls.map(([key]) => key)).size, "graphs").toBe(SHAPES);
  expect(await lossOf(1), "of a shape that was let go").toBe(first);
});
