// Making the runs that are missing: two methods for one epoch on pictures of one colour.

import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { results } from "../../src/results/index.js";
import { rerun } from "../../src/results/rerun.js";
import { readResults } from "../../src/results/rows.js";
import type { Group } from "../../src/results/study.js";
import { groupOf } from "./madeUp.js";

let folder: string;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "rerun-"));
  await writeContainer("train", 52);
  await writeContainer("dev", 2);
});
afterEach(() => rmSync(folder, { recursive: true }));

const CLASSES = "airplane automobile bird cat deer dog frog horse ship truck".split(" ");

/** Pictures of one colour for each of the four classes that the host has not seen: red frogs, blue horses. */
async function writeContainer(name: string, perClass: number, classes = CLASSES): Promise<void> {
  const create = (background: string) => ({ create: { width: 32, height: 32, channels: 3 as const, background } });
  const colours = ["#c04040", "#4040c0", "#40c040", "#c0c040"];
  const pictures = await Promise.all(colours.map((colour) => sharp(create(colour)).png().toBuffer()));
  const places = pictures.map((_, i) => pictures.slice(0, i).reduce((sum, { length }) => sum + length, 0));
  const index = Array.from({ length: 4 * perClass }, (_, i) => [
    places[i % 4],
    pictures[i % 4]!.length,
    classes.length - 4 + (i % 4),
  ]);
  mkdirSync(join(folder, "data"), { recursive: true });
  writeFileSync(join(folder, "data", `${name}.json`), JSON.stringify({ classes, index }));
  writeFileSync(join(folder, "data", `${name}.bin`), Buffer.concat(pictures));
}

const host = join(import.meta.dirname, "../../assets/vit-cifar6");
const group: Group = { ...groupOf("sparse-32", "mosa-32"), host, perClass: 2, epochs: 1 };

function make(only: RegExp, said: string[] = [], signal = new AbortController().signal): Promise<void> {
  return rerun({
    data: join(folder, "data"),
    results: join(folder, "out"),
    work: join(folder, "work"),
    only,
    groups: [group],
    signal,
    say: (line) => said.push(line),
  });
}

const resultPath = (run: string) => join(folder, "out", "vit-cifar6-100", run, "result.json");

describe("a rerun", () => {
  it("makes the runs that are missing and fit, stops between or within them, and leaves what is there", async () => {
    const interrupt = new AbortController();
    const said: string[] = [];
    said.push = (line) => {
      interrupt.abort();
      return line.length;
    };
    await expect(make(/-0$/, said, interrupt.signal)).rejects.toMatchObject({ name: "AbortError" });
    expect(existsSync(resultPath("sparse-32-0"))).toBe(true);
    expect(existsSync(resultPath("mosa-32-0"))).toBe(false);

    const first = statSync(resultPath("sparse-32-0")).mtimeMs;
    const lines: string[] = [];
    await make(/-0$/, lines);
    expect(lines).toEqual([expect.stringMatching(/^2 of 2, vit-cifar6-100\/mosa-32-0: [\d.]+ %$/)]);
    expect(statSync(resultPath("sparse-32-0")).mtimeMs).toBe(first);

    const { missing, groups } = await readResults(join(folder, "out"), [group]);
    expect(missing).toEqual(
      [1, 2]
        .flatMap((seed) => [`vit-cifar6-100/sparse-32-${seed}`])
        .concat([1, 2].map((seed) => `vit-cifar6-100/mosa-32-${seed}`)),
    );
    // 4 blocks: a norm, 128 to 32 and back, with biases; the head has 4 classes.
    const [norm, down, up, head] = [2 * 128, 32 * 128 + 32, 128 * 32 + 128, 4 * 129];
    const deployed = 4 * (norm + down + up) + head;
    expect(
      groups[0]!.rows.map(({ key, parametersTrained, parametersDeployed }) => ({
        key,
        parametersTrained,
        parametersDeployed,
      })),
    ).toEqual([
      { key: "sparse-32", parametersTrained: (deployed - head) / 4 + head, parametersDeployed: deployed },
      { key: "mosa-32", parametersTrained: deployed + 4 * 3 * 128, parametersDeployed: deployed },
      { key: "mosa-32-random", parametersTrained: deployed + 4 * 3 * 128, parametersDeployed: null },
      { key: "mosa-32-ensemble", parametersTrained: deployed + 4 * 3 * 128, parametersDeployed: null },
    ]);
    expect(JSON.parse(readFileSync(resultPath("mosa-32-0"), "utf8")).validation).toHaveLength(1);
  });

  it("takes CIFAR-10's container and no other pictures, and writes nothing then", async () => {
    for (const part of ["dev", "train"]) {
      await writeContainer(part, 52, ["frog", "horse", "sheep", "tree"]);
      await expect(make(/-0$/)).rejects.toMatchObject({
        code: "DATA_INVALID",
        place: join(folder, "data", `${part}.json`),
      });
    }
    rmSync(join(folder, "data", "train.json"));
    mkdirSync(join(folder, "data/train/frog"), { recursive: true });
    await expect(make(/-0$/)).rejects.toMatchObject({ code: "FILE_MISSING" });
    expect(existsSync(join(folder, "out"))).toBe(false);
    expect(existsSync(join(folder, "work"))).toBe(false);
  });

  it("leaves a run to the process that is at work on it", async () => {
    const lock = join(folder, "work/vit-cifar6-100/sparse-32-0");
    mkdirSync(lock, { recursive: true });
    writeFileSync(join(lock, "run.lock"), "another");
    const lines: string[] = [];
    await make(/sparse-32-0/, lines);
    expect(lines).toEqual(["1 of 1, vit-cifar6-100/sparse-32-0: another process is at work on it"]);
    expect(existsSync(resultPath("sparse-32-0"))).toBe(false);
  });

  it.each([{ data: "pictures" }, { only: /mosa/ }])("is what %o is for, and is not to be left out", async (given) => {
    await expect(results({ rerun: false, json: false, ...given })).rejects.toMatchObject({
      code: "ARGUMENT_INVALID",
      place: `--${Object.keys(given)[0]}`,
    });
  });

  it("needs pictures", async () => {
    await expect(results({ rerun: true, json: false })).rejects.toMatchObject({
      code: "ARGUMENT_INVALID",
      place: "--data",
    });
  });
});
