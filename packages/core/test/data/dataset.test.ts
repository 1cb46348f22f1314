import { mkdir, mkdtemp, readFile, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { ContainerDataset } from "../../src/data/containerDataset.js";
import {
  cached,
  filterClasses,
  type ImageDataset,
  InMemoryDataset,
  subset,
  takePerClass,
} from "../../src/data/dataset.js";
import { decodeImage } from "../../src/data/image.js";
import { ImageFolder } from "../../src/data/imageFolder.js";
import { fixturePath, plain } from "./fixtures.js";

const PICTURE = fixturePath("decode/rgb.png");
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "peft-dataset-"));
});

async function addPictures(...paths: string[]): Promise<void> {
  const bytes = await readFile(PICTURE);
  for (const path of paths) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), bytes);
  }
}

/** Examples of three classes, the class of position i being i % 3. */
function threeClasses(n: number): InMemoryDataset {
  const examples = Array.from({ length: n }, (_, i) => ({ image: plain(2, 2, i), label: i % 3, id: `example ${i}` }));
  return new InMemoryDataset(examples, ["ant", "bee", "cat"]);
}

async function idsOf(dataset: ImageDataset): Promise<string[]> {
  return Promise.all(Array.from({ length: dataset.length }, async (_, i) => (await dataset.get(i)).id));
}

describe("ImageFolder", () => {
  it("sorts class folders by code point, looks into deeper folders, and passes over other files", async () => {
    await addPictures("bee/1.PNG", "Zebra/1.jpg", "ant/deep/er/2.png", "ant/1.png", "ant/.hidden.png", ".git/1.png");
    await writeFile(join(folder, "ant", "notes.txt"), "");
    await writeFile(join(folder, "readme.md"), "");
    await symlink(join(folder, "bee"), join(folder, "cat"));
    const opened = await ImageFolder.open(folder, { shares: { train: 1, validation: 0, test: 0 } });
    expect(opened.classes).toEqual(["Zebra", "ant", "bee", "cat"]);
    const ids = ["Zebra/1.jpg", "ant/1.png", "ant/deep/er/2.png", "bee/1.PNG", "cat/1.PNG"];
    expect(await idsOf(opened.all)).toEqual(ids);
    expect(ids.map((_, i) => opened.all.labelAt(i))).toEqual([0, 1, 1, 2, 3]);
    expect(await opened.train.get(2)).toEqual({ image: await decodeImage(PICTURE), label: 1, id: "ant/deep/er/2.png" });
  });

  it("divides by path, so that a file stays in its part when others come and go", async () => {
    const names = (count: number) => Array.from({ length: count }, (_, i) => `ant/${i}.png`);
    await addPictures(...names(200));
    const parts = async () => {
      const { train, validation, test } = await ImageFolder.open(folder);
      return { train: await idsOf(train), validation: await idsOf(validation), test: await idsOf(test) };
    };
    const before = await parts();
    const sizes = Object.values(before).map((ids) => ids.length);
    expect(sizes.reduce((a, b) => a + b)).toBe(200);
    expect(sizes[0]).toBeGreaterThan(120);
    expect(sizes[0]).toBeLessThan(160);
    expect(Math.min(sizes[1]!, sizes[2]!)).toBeGreaterThan(15);
    await addPictures(...names(300), "bee/1.png");
    const after = await parts();
    for (const split of ["train", "validation", "test"] as const) {
      expect(after[split]).toEqual(expect.arrayContaining(before[split]));
    }
    expect(before.validation.slice(0, 5)).toEqual(FROZEN_VALIDATION_FILES);
  });

  it("takes folders train, val and test for the parts", async () => {
    await addPictures("train/ant/1.png", "train/bee/2.png", "val/bee/3.png", "test/ant/4.png");
    const { classes, train, validation, test } = await ImageFolder.open(folder);
    expect(classes).toEqual(["ant", "bee"]);
    expect(await idsOf(train)).toEqual(["train/ant/1.png", "train/bee/2.png"]);
    expect(await validation.get(0)).toMatchObject({ id: "val/bee/3.png", label: 1 });
    expect(await idsOf(test)).toEqual(["test/ant/4.png"]);
  });

  it("takes a folder train with pictures in it for a class", async () => {
    await addPictures("train/1.png", "bus/1.png", "bus/2.png");
    expect((await ImageFolder.open(folder, { shares: { train: 1, validation: 0, test: 0 } })).classes).toEqual([
      "bus",
      "train",
    ]);
  });

  it("says what is wrong with a folder, and where", async () => {
    await expect(ImageFolder.open(join(folder, "none"))).rejects.toMatchObject({ code: "FILE_MISSING" });
    await expect(ImageFolder.open(folder)).rejects.toMatchObject({ code: "DATA_EMPTY", hint: expect.any(String) });
    await addPictures("ant/1.png");
    await mkdir(join(folder, "bee"));
    await expect(ImageFolder.open(folder)).rejects.toMatchObject({ code: "DATA_EMPTY", place: join(folder, "bee") });
    await addPictures("bee/1.png");
    await expect(ImageFolder.open(folder, { shares: { train: 0, validation: 1, test: 0 } })).rejects.toMatchObject({
      code: "DATA_EMPTY",
    });
    await expect(ImageFolder.open(folder, { shares: { train: 0.9, validation: 0.2, test: 0 } })).rejects.toMatchObject({
      code: "ARGUMENT_INVALID",
    });
    await addPictures("train/ant/1.png");
    await expect(ImageFolder.open(folder)).rejects.toMatchObject({ code: "DATA_INVALID", place: folder });
  });

  it("refuses a class that only the validation part has", async () => {
    await addPictures("train/ant/1.png", "validation/bee/1.png");
    await expect(ImageFolder.open(folder)).rejects.toMatchObject({
      code: "DATA_INVALID",
      place: join(folder, "validation/bee"),
    });
  });

  it("names the file that is no picture when it is read", async () => {
    await addPictures("ant/1.png");
    await writeFile(join(folder, "ant", "2.png"), "no picture");
    const { all } = await ImageFolder.open(folder, { shares: { train: 1, validation: 0, test: 0 } });
    await expect(all.get(1)).rejects.toMatchObject({ code: "IMAGE_INVALID", place: join(folder, "ant/2.png") });
    await expect(async () => all.get(2)).rejects.toMatchObject({ code: "ARGUMENT_INVALID" });
  });
});

describe("ContainerDataset", () => {
  async function writeContainer(index: unknown): Promise<string> {
    const path = join(folder, "set.json");
    await writeFile(path, JSON.stringify(index));
    return path;
  }

  it("reads pictures by byte range", async () => {
    const [png, jpeg] = await Promise.all([PICTURE, fixturePath("decode/colour.jpg")].map((path) => readFile(path)));
    await writeFile(join(folder, "set.bin"), Buffer.concat([Buffer.alloc(5), png!, jpeg!]));
    const index = [
      [5 + png!.length, jpeg!.length, 1],
      [5, png!.length, 0],
    ];
    const dataset = await ContainerDataset.open(await writeContainer({ classes: ["ant", "bee"], index }));
    expect(dataset).toHaveLength(2);
    expect(await dataset.get(0)).toEqual({ image: await decodeImage(jpeg!), label: 1, id: "0" });
    expect(await dataset.get(1)).toEqual({ image: await decodeImage(png!), label: 0, id: "1" });
  });

  it("refuses an index that does not fit its container", async () => {
    await writeFile(join(folder, "set.bin"), Buffer.alloc(100));
    const classes = ["ant", "bee"];
    for (const index of [
      [],
      null,
      { classes, index: {} },
      { classes: [1], index: [[0, 1, 0]] },
      { classes, index: [[0, 1]] },
      { classes, index: [[0, 10, 0], "row"] },
      { classes, index: [[-1, 10, 0]] },
      { classes, index: [[0, 0, 0]] },
      { classes, index: [[0.5, 10, 0]] },
      { classes, index: [[91, 10, 0]] },
      { classes, index: [[2 ** 53 - 1, 10, 0]] },
      { classes, index: [[0, 10, 2]] },
      { classes, index: [[0, 10, "ant"]] },
    ]) {
      await expect(ContainerDataset.open(await writeContainer(index))).rejects.toMatchObject({ code: "DATA_INVALID" });
    }
    await expect(ContainerDataset.open(await writeContainer({ classes, index: [] }))).rejects.toMatchObject({
      code: "DATA_EMPTY",
    });
    await expect(ContainerDataset.open(join(folder, "other.json"))).rejects.toMatchObject({ code: "FILE_MISSING" });
  });

  it("says which row is no picture", async () => {
    await writeFile(join(folder, "set.bin"), Buffer.alloc(100));
    const dataset = await ContainerDataset.open(await writeContainer({ classes: ["ant"], index: [[0, 100, 0]] }));
    await expect(dataset.get(0)).rejects.toMatchObject({
      code: "IMAGE_INVALID",
      place: expect.stringContaining("row 0"),
    });
  });

  const data = process.env.PEFT_DATA;
  it.skipIf(!data)("opens CIFAR-10 (needs PEFT_DATA)", async () => {
    const dataset = await ContainerDataset.open(join(data!, "cifar10", "dev.json"));
    expect(dataset).toHaveLength(5000);
    const { image, label } = await dataset.get(3);
    expect([image.width, image.height, dataset.classes[label]]).toEqual([32, 32, "cat"]);
  });
});

describe("views of a data set", () => {
  it("subset takes positions in their order, and refuses those that do not exist", async () => {
    const view = subset(threeClasses(9), [7, 0, 7]);
    expect(await idsOf(view)).toEqual(["example 7", "example 0", "example 7"]);
    expect([0, 1, 2].map((i) => view.labelAt(i))).toEqual([1, 0, 1]);
    expect(() => subset(threeClasses(9), [9])).toThrow(expect.objectContaining({ code: "ARGUMENT_INVALID" }));
    expect(() => subset(threeClasses(9), [-1])).toThrow(expect.objectContaining({ code: "ARGUMENT_INVALID" }));
  });

  it("takePerClass takes as many of each class, the same for one seed, others for another", async () => {
    const dataset = threeClasses(60);
    const view = takePerClass(dataset, 5, 1);
    const labels = Array.from({ length: view.length }, (_, i) => view.labelAt(i));
    expect([0, 1, 2].map((label) => labels.filter((other) => other === label).length)).toEqual([5, 5, 5]);
    const ids = await idsOf(view);
    expect(new Set(ids).size).toBe(15);
    expect(await idsOf(takePerClass(dataset, 5, 1))).toEqual(ids);
    expect(await idsOf(takePerClass(dataset, 5, 2))).not.toEqual(ids);
    expect(() => takePerClass(dataset, 21, 1)).toThrow(expect.objectContaining({ code: "DATA_EMPTY" }));
  });

  it("filterClasses numbers the kept classes anew", async () => {
    const view = filterClasses(threeClasses(6), ["cat", "ant"]);
    expect(view.classes).toEqual(["cat", "ant"]);
    expect(await idsOf(view)).toEqual(["example 0", "example 2", "example 3", "example 5"]);
    expect([0, 1, 2, 3].map((i) => view.labelAt(i))).toEqual([1, 0, 1, 0]);
    expect((await view.get(1)).label).toBe(0);
    for (const names of [["dog"], ["ant", "ant"]]) {
      expect(() => filterClasses(threeClasses(6), names)).toThrow(
        expect.objectContaining({ code: "ARGUMENT_INVALID" }),
      );
    }
  });

  it("cached reads each example once", async () => {
    let reads = 0;
    const dataset = threeClasses(3);
    const counting: ImageDataset = {
      length: 3,
      classes: dataset.classes,
      labelAt: (i) => dataset.labelAt(i),
      fingerprint: () => dataset.fingerprint(),
      get: (i) => {
        reads++;
        return dataset.get(i);
      },
    };
    const view = cached(counting);
    const first = await idsOf(view);
    expect(await idsOf(view)).toEqual(first);
    expect(reads).toBe(3);
  });

  it("a data set in memory refuses a label without a class", () => {
    expect(() => new InMemoryDataset([{ image: plain(1, 1), label: 2, id: "odd" }], ["ant", "bee"])).toThrow(
      expect.objectContaining({ code: "DATA_INVALID", place: "odd" }),
    );
  });
});

describe("a fingerprint", () => {
  const example = (id: string, width = 2, label = 0) => ({ image: plain(width, 2), label, id });
  const inMemory = (examples: Parameters<typeof example>[], classes = ["ant", "bee"]) =>
    new InMemoryDataset(
      examples.map((one) => example(...one)),
      classes,
    ).fingerprint();

  it("of pictures in memory tells their number, names, sizes, labels and classes", async () => {
    const fingerprints = await Promise.all([
      inMemory([["a"], ["b"]]),
      inMemory([["a"], ["b"], ["c"]]),
      inMemory([["b"], ["a"]]),
      inMemory([["a"], ["c"]]),
      inMemory([["a", 3], ["b"]]),
      inMemory([["a", 2, 1], ["b"]]),
      inMemory([["a"], ["b"]], ["ant", "cat"]),
    ]);
    expect(new Set(fingerprints).size).toBe(7);
    expect(await inMemory([["a"], ["b"]])).toBe(fingerprints[0]);
  });

  it("of a view tells which examples it holds, and not whether they are cached", async () => {
    const dataset = threeClasses(30);
    const fingerprints = await Promise.all([
      dataset.fingerprint(),
      subset(dataset, [0, 3]).fingerprint(),
      subset(dataset, [3, 0]).fingerprint(),
      filterClasses(dataset, ["ant", "bee"]).fingerprint(),
      filterClasses(dataset, ["bee", "ant"]).fingerprint(),
      takePerClass(dataset, 3, 1).fingerprint(),
      takePerClass(dataset, 3, 2).fingerprint(),
    ]);
    expect(new Set(fingerprints).size).toBe(7);
    expect(await cached(dataset).fingerprint()).toBe(fingerprints[0]);
  });

  it("of a folder tells names and sizes of a part's files, wherever it lies, and no other part's", async () => {
    const paths = ["train/ant/1.png", "train/bee/1.png", "test/ant/2.png"];
    await addPictures(...paths);
    const before = await ImageFolder.open(folder);
    const train = await before.train.fingerprint();
    const all = await before.all.fingerprint();
    folder = await mkdtemp(join(tmpdir(), "peft-dataset-"));
    await addPictures(...paths);
    expect(await (await ImageFolder.open(folder)).all.fingerprint()).toBe(all);
    await addPictures("test/ant/3.png");
    const grown = await ImageFolder.open(folder);
    expect(await grown.train.fingerprint()).toBe(train);
    expect(await grown.all.fingerprint()).not.toBe(all);
    await writeFile(join(folder, "train/ant/1.png"), "shorter");
    expect(await grown.train.fingerprint()).not.toBe(train);
  });

  it("of a container tells its index", async () => {
    const bytes = await readFile(PICTURE);
    const open = async (name: string, index: number[][]) => {
      await writeFile(join(folder, `${name}.bin`), Buffer.concat([bytes, bytes]));
      await writeFile(join(folder, `${name}.json`), JSON.stringify({ classes: ["ant", "bee"], index }));
      return (await ContainerDataset.open(join(folder, `${name}.json`))).fingerprint();
    };
    const first = await open("first", [[0, bytes.length, 0]]);
    expect(await open("second", [[0, bytes.length, 0]])).toBe(first);
    expect(await open("third", [[0, bytes.length, 1]])).not.toBe(first);
  });
});

/** Never to be changed: users' splits depend on it. */
const FROZEN_VALIDATION_FILES = ["ant/106.png", "ant/107.png", "ant/11.png", "ant/126.png", "ant/128.png"];
