// The contact sheet of a run: pictures with what the model said they are, right in green and wrong in red.
import { PeftError } from "@peft/core";
import sharp from "sharp";
import { escapeXml, FONT_FAMILY, svgToPng, textWidth } from "./svg.js";

export interface Tile {
  /** A picture file, or the bytes of one. */
  picture: string | Uint8Array;
  /** What it is. */
  label: string;
  /** What the model said, best first. */
  predicted: string;
  /** The probability of `predicted`, 0 to 1. */
  score: number;
}

export interface SheetOptions {
  title: string;
  tiles: readonly Tile[];
  /** Default 8. */
  columns?: number;
}

// Sizes in the sheet's units; it is drawn at twice that in pixels.
const PICTURE = 96;
const GAP = 14;
const CAPTION = 34;
const MARGIN = 24;
const TITLE = 44;
const SCALE = 2;
const FONT_SIZE = 12;
const BOLD = 600;

const RIGHT = "#1a7f37";
const WRONG = "#cf222e";

/**
 * The sheet as PNG bytes.
 * @throws PeftError `ARGUMENT_INVALID` without tiles, `IMAGE_INVALID` if a picture cannot be read
 */
export async function renderSheet({ title, tiles, columns = 8 }: SheetOptions): Promise<Buffer> {
  if (tiles.length === 0) throw new PeftError("ARGUMENT_INVALID", "A sheet needs at least one picture");
  const pictures = await Promise.all(tiles.map((tile) => thumbnail(tile.picture)));
  const across = Math.min(columns, tiles.length);
  const width = 2 * MARGIN + across * (PICTURE + GAP) - GAP;
  const height = MARGIN + TITLE + Math.ceil(tiles.length / across) * (PICTURE + CAPTION + GAP) - GAP + MARGIN;
  const right = tiles.filter((tile) => tile.predicted === tile.label).length;
  const body = tiles.map((tile, i) => {
    const x = MARGIN + (i % across) * (PICTURE + GAP);
    const y = MARGIN + TITLE + Math.floor(i / across) * (PICTURE + CAPTION + GAP);
    return drawTile(tile, pictures[i]!, x, y);
  });
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="${FONT_FAMILY}">
<rect width="100%" height="100%" fill="#fff"/>
<text x="${MARGIN}" y="${MARGIN + 14}" font-size="18" font-weight="600" fill="#1f2328">${escapeXml(title)}</text>
<text x="${MARGIN}" y="${MARGIN + 31}" font-size="12" fill="#59636e">${right} of ${tiles.length} right</text>
${body.join("\n")}
</svg>`;
  return svgToPng(svg, SCALE);
}

function drawTile(tile: Tile, png: Buffer, x: number, y: number): string {
  const correct = tile.predicted === tile.label;
  const color = correct ? RIGHT : WRONG;
  const score = `${Math.round(tile.score * 100)}%`;
  const said = fit(tile.predicted, PICTURE - textWidth(score, FONT_SIZE, BOLD) - 4, BOLD);
  const truth = correct ? "" : fit(`is ${tile.label}`, PICTURE, 400);
  return `<g transform="translate(${x} ${y})">
<image width="${PICTURE}" height="${PICTURE}" href="data:image/png;base64,${png.toString("base64")}"/>
<rect x="-1" y="-1" width="${PICTURE + 2}" height="${PICTURE + 2}" rx="3" fill="none" stroke="${color}" stroke-width="2"/>
<text y="${PICTURE + 15}" font-size="${FONT_SIZE}" font-weight="${BOLD}" fill="${color}">${escapeXml(said)}</text>
<text x="${PICTURE}" y="${PICTURE + 15}" font-size="${FONT_SIZE}" font-weight="${BOLD}" fill="${color}" text-anchor="end">${score}</text>
<text y="${PICTURE + 29}" font-size="${FONT_SIZE}" fill="#59636e">${escapeXml(truth)}</text>
</g>`;
}

// Small pictures keep their pixels visible instead of being blurred; large ones are made smaller smoothly.
async function thumbnail(picture: string | Uint8Array): Promise<Buffer> {
  const size = PICTURE * SCALE;
  try {
    const { width = size } = await sharp(picture).metadata();
    const kernel = width < size ? sharp.kernel.nearest : sharp.kernel.lanczos3;
    return await sharp(picture)
      .rotate()
      .resize(size, size, { fit: "cover", kernel })
      .toColorspace("srgb")
      .png()
      .toBuffer();
  } catch (cause) {
    const place = typeof picture === "string" ? picture : undefined;
    throw new PeftError("IMAGE_INVALID", "This picture cannot be read", { place, cause });
  }
}

// The text, or as much of its beginning as the width has room for.
function fit(text: string, width: number, weight: number): string {
  let length = text.length;
  const shown = () => (length === text.length ? text : `${text.slice(0, length)}…`);
  while (length > 1 && textWidth(shown(), FONT_SIZE, weight) > width) length--;
  return shown();
}
