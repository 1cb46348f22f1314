// The paper's tasks by name, and the data that they are learnt from.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InMemoryDataset, type RgbImage } from "@peft/core";
import { describe, expect, it } from "vitest";
import {
  annotatedImages,
  FGVC_TASKS,
  MOSA_PRESETS,
  MosaConfig,
  multiTask,
  type PresetName,
  pictures,
  vtabMean,
} from "../src/index.js";

const names = Object.keys(MOSA_PRESETS) as PresetName[];
const groups = (group: string) => names.filter((name) => MOSA_PRESETS[name].group === group);
const image = (width: number, height: number): RgbImage => ({
  width,
  height,
  data: Uint8Array.from({ length: width * height * 3 }, (_, i) => i % 251),
});

describe("the presets", () => {
  it("are 27 tasks, of five groups, and the five fine-grained ones as one", () => {
    const tasks = names.filter((name) => name !== "fgvcMultiTask");
    expect(tasks).toHaveLength(27);
    const sizes = ["fgvc", "general", "natural", "specialised", "structured"].map((group) => groups(group).length);
    expect(sizes).toEqual([6, 3, 7, 4, 8]);
    for (const name of names) expect(() => new MosaConfig(MOSA_PRESETS[name].adapter)).not.toThrow();
  });

  it("of the multi-task setting are the sum of its tasks", () => {
    const { classes, examples } = MOSA_PRESETS.fgvcMultiTask;
    const sum = (of: (name: (typeof FGVC_TASKS)[number]) => number) => FGVC_TASKS.reduce((a, name) => a + of(name), 0);
    expect(sum((name) => MOSA_PRESETS[name].classes)).toBe(classes);
    for (const part of ["train", "validation", "test"] as const) {
      expect(sum((name) => MOSA_PRESETS[name].examples![part]!)).toBe(examples![part]);
    }
  });

  it("average VTAB-1k within groups first", () => {
    const accuracies = Object.fromEntries(
      names.map((name) => {
        const { group } = MOSA_PRESETS[name];
        return [name, group === "natural" ? 79.9 : group === "specialised" ? 84 : 50.3];
      }),
    );
    expect(vtabMean(accuracies).mean).toBeCloseTo(71.4, 6);
    expect(vtabMean({}).mean).toBeNaN();
  });
});

describe("the data", () => {
  it("are pictures of 224 whatever they were: a part of them, or all squeezed", () => {
    for (const kind of ["crop", "square"] as const) {
      const { train, test } = pictures(kind);
      for (const transform of [train, test]) {
        const made = transform(image(300, 280), 1 as never);
        expect([made.width, made.height]).toEqual([224, 224]);
      }
    }
    const { test } = pictures("crop", 384);
    expect(test(image(440, 460), 1 as never).width).toBe(384);
  });

  it("of several tasks follow each other, and so do their labels", async () => {
    const of = (n: number, classes: string[]) =>
      new InMemoryDataset(
        Array.from({ length: n }, (_, i) => ({ image: image(1, 1), label: i % classes.length, id: String(i) })),
        classes,
      );
    const both = multiTask({ cars: of(3, ["a", "b"]), birds: of(2, ["a", "b", "c"]) });
    expect(both.classes).toEqual(["cars/a", "cars/b", "birds/a", "birds/b", "birds/c"]);
    expect(both).toHaveLength(5);
    expect([0, 1, 2, 3, 4].map((i) => both.labelAt(i))).toEqual([0, 1, 0, 2, 3]);
    expect(await both.get(4)).toMatchObject({ label: 3, id: "birds/1" });
    expect(() => both.labelAt(5)).toThrow(/no example 5/);
  });

  it("are listed by annotations, with ids made contiguous; the low-resource setting has lists of its own", async () => {
    const folder = await mkdtemp(join(tmpdir(), "fgvc-"));
    try {
      await writeFile(join(folder, "train.json"), JSON.stringify({ "x/1.jpg": 12, "x/2.jpg": 3, "x/3.jpg": 12 }));
      await writeFile(join(folder, "train_0.5.json"), JSON.stringify({ "x/1.jpg": 12 }));
      await writeFile(join(folder, "val.json"), JSON.stringify({ "x/4.jpg": 7 }));
      await writeFile(join(folder, "test.json"), "[1]");
      const whole = await annotatedImages(folder);
      expect(whole.classes).toEqual(["3", "12"]);
      expect([0, 1, 2].map((i) => whole.labelAt(i))).toEqual([1, 0, 1]);
      const half = await annotatedImages(folder, { share: 0.5, classes: whole.classes });
      expect([half.length, half.labelAt(0)]).toEqual([1, 1]);
      const refused = { code: "DATA_INVALID" };
      await expect(annotatedImages(folder, { part: "val", classes: whole.classes })).rejects.toMatchObject(refused);
      await expect(annotatedImages(folder, { part: "test" })).rejects.toMatchObject(refused);
      await expect(annotatedImages(folder, { part: "val", share: 0.5 })).rejects.toMatchObject(refused);
      await expect(annotatedImages(join(folder, "absent"))).rejects.toMatchObject(refused);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
