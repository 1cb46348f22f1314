import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { type CurvePoint, renderCurves, renderSheet, svgToPng, type Tile } from "../../src/report/index.js";

const fashion = join(import.meta.dirname, "../../assets/fashion");
// Looked at by people after a change: the pictures of these tests are kept where PEFT_PICTURES says.
const keep = process.env.PEFT_PICTURES;
function show(name: string, content: string | Buffer): void {
  if (!keep) return;
  mkdirSync(keep, { recursive: true });
  writeFileSync(join(keep, name), content);
}

async function darkPixels(
  png: Buffer,
  area?: { left: number; top: number; width: number; height: number },
): Promise<number> {
  const picture = area ? sharp(png).extract(area) : sharp(png);
  const pixels = await picture.flatten({ background: "#fff" }).grayscale().raw().toBuffer();
  return pixels.filter((value) => value < 128).length;
}

describe("text in a picture", () => {
  it("is drawn with the font that comes along, whatever fonts the machine has", async () => {
    const svg = (text: string) =>
      `<svg xmlns="http://www.w3.org/2000/svg" width="200" height="40" font-family="'Source Sans 3', sans-serif"><text x="5" y="28" font-size="24">${text}</text></svg>`;
    expect(await darkPixels(svgToPng(svg("")))).toBe(0);
    expect(await darkPixels(svgToPng(svg("ankle boot")))).toBeGreaterThan(200);
    // Two glyphs that a missing font would draw as the same box.
    expect(svgToPng(svg("±"))).not.toEqual(svgToPng(svg("%")));
  });
});

const points: CurvePoint[] = ["linear probe", "LoRA", "AdaptFormer", "MoSA", "full fine-tuning"].flatMap((method, m) =>
  [0, 1, 2].flatMap((seed) =>
    Array.from({ length: 300 }, (_, i): CurvePoint[] => {
      const step = i + 1;
      const noise = Math.sin(step * 12.9898 + seed * 78.233 + m) * 0.15;
      const train: CurvePoint = {
        method,
        seed,
        step,
        split: "train",
        loss: 0.35 - m * 0.05 + 2 * Math.exp(-step / (60 - m * 8)) + noise,
      };
      const accuracy = 0.62 + m * 0.05 - 0.5 * Math.exp(-step / 50) + noise * 0.1;
      return step % 30 === 0 ? [train, { method, seed, step, split: "validation", loss: 0.5, accuracy }] : [train];
    }).flat(),
  ),
);

describe("the curves", () => {
  it("are one SVG document with both panels, axis labels and every method in the legend", async () => {
    const svg = renderCurves({ title: "MoSA on Fashion-MNIST <& friends>", points });
    show("curves.svg", svg);
    for (const text of [
      "training loss",
      "validation accuracy",
      "step",
      "linear probe",
      "full fine-tuning",
      "&lt;&amp; friends&gt;",
    ]) {
      expect(svg).toContain(text);
    }
    expect(svg).not.toContain("NaN");
    const png = svgToPng(svg, 2);
    show("curves.png", png);
    const { width, height } = await sharp(png).metadata();
    expect([width, height]).toEqual([1984, 836]);
    // The title, drawn.
    expect(await darkPixels(png, { left: 40, top: 30, width: 700, height: 50 })).toBeGreaterThan(1000);
  });

  it("leave out a panel that has nothing to show, and average what is more than a panel can hold", () => {
    const svg = renderCurves({ title: "loss only", points: points.filter((point) => point.split === "train") });
    expect(svg).toContain("training loss");
    expect(svg).not.toContain("accuracy");
    // A line is a path that begins with M and has a C a point after it; nothing else here has a stroke of two.
    const paths = /stroke-width="2"[^>]*>(.*?)<\/g>/s.exec(svg)![1]!.match(/ d="[^"]+"/g)!;
    expect(paths).toHaveLength(5);
    for (const path of paths) {
      const drawn = path.split("C").length;
      expect(drawn).toBeGreaterThan(40);
      expect(drawn).toBeLessThanOrEqual(60);
    }
  });

  it("of a single point are a picture too", () => {
    const svg = renderCurves({ title: "one", points: [{ method: "MoSA", seed: 0, step: 1, split: "train", loss: 1 }] });
    expect(svg).toContain("training loss");
    expect(svg).not.toContain("NaN");
  });

  it("of no points are a coded error", () => {
    expect(() => renderCurves({ title: "none", points: [] })).toThrow("no points");
  });
});

describe("the contact sheet", () => {
  const tiles: Tile[] = readdirSync(fashion).flatMap((label, i) =>
    readdirSync(join(fashion, label))
      .slice(0, 2)
      .map((file, j) => ({
        picture: join(fashion, label, file),
        label,
        predicted: (i + j) % 4 === 0 ? "a-class-with-a-long-name" : label,
        score: 0.995 - i * 0.06,
      })),
  );

  it("shows every picture with what was predicted, right and wrong in their colours", async () => {
    const png = await renderSheet({ title: "MoSA on Fashion-MNIST: test pictures", tiles });
    show("sheet.png", png);
    const { data, info } = await sharp(png).removeAlpha().raw().toBuffer({ resolveWithObject: true });
    const count = (red: number, green: number, blue: number) => {
      let pixels = 0;
      for (let i = 0; i < data.length; i += 3)
        if (data[i] === red && data[i + 1] === green && data[i + 2] === blue) pixels++;
      return pixels;
    };
    expect(info.width).toBe(2 * (2 * 24 + 8 * (96 + 14) - 14));
    expect(count(0x1a, 0x7f, 0x37)).toBeGreaterThan(5000);
    expect(count(0xcf, 0x22, 0x2e)).toBeGreaterThan(2000);
  });

  it("takes bytes of pictures as well as files", async () => {
    const picture = await sharp({ create: { width: 300, height: 200, channels: 3, background: "#3366cc" } })
      .jpeg()
      .toBuffer();
    const png = await renderSheet({ title: "bytes", tiles: [{ picture, label: "blue", predicted: "blue", score: 1 }] });
    expect((await sharp(png).metadata()).format).toBe("png");
  });

  it("names a picture that is not one", async () => {
    const tile = { picture: join(import.meta.dirname, "pictures.test.ts"), label: "a", predicted: "a", score: 1 };
    await expect(renderSheet({ title: "t", tiles: [tile] })).rejects.toMatchObject({
      code: "IMAGE_INVALID",
      place: tile.picture,
    });
    await expect(renderSheet({ title: "t", tiles: [] })).rejects.toMatchObject({ code: "ARGUMENT_INVALID" });
  });
});

describe("the pictures that come with the repository", () => {
  it("are ten classes of a hundred 28x28 grayscale PNG files, within 3 MB", async () => {
    expect(existsSync(fashion)).toBe(true);
    const classes = readdirSync(fashion).sort();
    expect(classes).toEqual([
      "ankle-boot",
      "bag",
      "coat",
      "dress",
      "pullover",
      "sandal",
      "shirt",
      "sneaker",
      "trouser",
      "tshirt",
    ]);
    let bytes = 0;
    for (const name of classes) {
      const files = readdirSync(join(fashion, name));
      expect(files).toHaveLength(100);
      for (const file of files) {
        const path = join(fashion, name, file);
        const { width, height, channels, format } = await sharp(path).metadata();
        expect({ file, width, height, channels, format }).toEqual({
          file,
          width: 28,
          height: 28,
          channels: 1,
          format: "png",
        });
        bytes += statSync(path).size;
      }
    }
    expect(bytes).toBeGreaterThan(100_000);
    expect(bytes).toBeLessThan(3e6);
  });
});
