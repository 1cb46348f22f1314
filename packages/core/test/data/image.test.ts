import { readFileSync } from "node:fs";
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { decodeImage } from "../../src/data/image.js";
import { differences, fixturePath, pictureOf, readFixture } from "./fixtures.js";

const fixture = readFixture("decode.safetensors");

describe("decodeImage", () => {
  it.each([...fixture.tensors.keys()])("equals Pillow's convert('RGB') of %s", async (name) => {
    const image = await decodeImage(fixturePath(`decode/${name}`));
    const expected = pictureOf(fixture, name);
    expect([image.width, image.height]).toEqual([expected.width, expected.height]);
    expect(differences(image.data, expected.data)).toBe("");
  });

  it("decodes bytes as it decodes a file", async () => {
    const path = fixturePath("decode/colour.jpg");
    expect(await decodeImage(readFileSync(path))).toEqual(await decodeImage(path));
  });

  it.each([
    [
      1,
      [
        [10, 20, 30],
        [40, 50, 60],
      ],
    ],
    [
      2,
      [
        [30, 20, 10],
        [60, 50, 40],
      ],
    ],
    [
      3,
      [
        [60, 50, 40],
        [30, 20, 10],
      ],
    ],
    [
      4,
      [
        [40, 50, 60],
        [10, 20, 30],
      ],
    ],
    [
      5,
      [
        [10, 40],
        [20, 50],
        [30, 60],
      ],
    ],
    [
      6,
      [
        [40, 10],
        [50, 20],
        [60, 30],
      ],
    ],
    [
      7,
      [
        [60, 30],
        [50, 20],
        [40, 10],
      ],
    ],
    [
      8,
      [
        [30, 60],
        [20, 50],
        [10, 40],
      ],
    ],
  ])("turns a TIFF by its orientation, as Pillow does, and no PNG: %d", async (orientation, wanted) => {
    const pixels = Uint8Array.from([10, 20, 30, 40, 50, 60].flatMap((level) => [level, level, level]));
    const picture = sharp(pixels, { raw: { width: 3, height: 2, channels: 3 } }).withMetadata({ orientation });
    const rowsOf = async (bytes: Uint8Array) => {
      const { data, width, height } = await decodeImage(bytes);
      return Array.from({ length: height }, (_, y) =>
        Array.from({ length: width }, (_, x) => data[3 * (y * width + x)]),
      );
    };
    expect(await rowsOf(await picture.clone().tiff({ compression: "lzw" }).toBuffer())).toEqual(wanted);
    expect(await rowsOf(await picture.clone().png().toBuffer())).toEqual([
      [10, 20, 30],
      [40, 50, 60],
    ]);
  });

  it("names the file that is no picture, is cut off, or is vector graphics", async () => {
    const folder = await mkdtemp(join(tmpdir(), "peft-image-"));
    const contents = {
      "text.jpg": "not a picture",
      "empty.png": "",
      "cut.jpg": readFileSync(fixturePath("decode/colour.jpg")).subarray(0, 500),
      "cut.png": readFileSync(fixturePath("decode/rgb.png")).subarray(0, 500),
      "drawing.svg": '<svg xmlns="http://www.w3.org/2000/svg" width="4" height="4"><rect width="4" height="4"/></svg>',
    };
    for (const [name, content] of Object.entries(contents)) {
      const path = join(folder, name);
      await writeFile(path, content);
      await expect(decodeImage(path)).rejects.toMatchObject({ code: "IMAGE_INVALID", place: path });
    }
  });

  it("refuses CMYK, which no two libraries convert alike", async () => {
    await expect(decodeImage(fixturePath("decode/cmyk.jpg"))).rejects.toMatchObject({ code: "IMAGE_INVALID" });
  });

  it("refuses a picture of more pixels than the limit before decoding it", async () => {
    const bomb = await sharp({ create: { width: 10_000, height: 9_000, channels: 3, background: "black" } })
      .png()
      .toBuffer();
    await expect(decodeImage(bomb, "bomb.png")).rejects.toMatchObject({ code: "IMAGE_INVALID", place: "bomb.png" });
  });

  it("says that a file is missing", async () => {
    await expect(decodeImage("/nowhere/at-all.png")).rejects.toMatchObject({ code: "FILE_MISSING" });
  });
});
