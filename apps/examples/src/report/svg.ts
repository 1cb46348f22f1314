// From SVG to PNG with a font of our own, so that text is there on a machine without fonts.
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { Resvg } from "@resvg/resvg-js";

/** The family that pictures of this folder use: Source Sans 3, SIL Open Font License. */
export const FONT_FAMILY = "Source Sans 3";

const fontFiles = ["400Regular/SourceSans3_400Regular.ttf", "600SemiBold/SourceSans3_600SemiBold.ttf"].map((file) =>
  createRequire(import.meta.url).resolve(`@expo-google-fonts/source-sans-3/${file}`),
);

/** Draws an SVG document, `scale` pixels to its unit. */
export function svgToPng(svg: string, scale = 1): Buffer {
  return open(svg, scale).render().asPng();
}

/** The width of a line of text in this font, in the units of its font size. */
export function textWidth(text: string, fontSize: number, fontWeight = 400): number {
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="9999" height="99"><text y="50" font-family="${FONT_FAMILY}" font-size="${fontSize}" font-weight="${fontWeight}">${escapeXml(text)}</text></svg>`;
  return open(svg, 1).getBBox()?.width ?? 0;
}

function open(svg: string, scale: number): Resvg {
  // The renderer leaves text out without a word if a font file is not there.
  for (const file of fontFiles) if (!existsSync(file)) throw new Error(`font file missing: ${file}`);
  return new Resvg(svg, {
    fitTo: { mode: "zoom", value: scale },
    font: { loadSystemFonts: false, fontFiles, defaultFontFamily: FONT_FAMILY },
  });
}

/** Text as it may stand in an element or an attribute. */
export function escapeXml(text: string): string {
  const entities: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;" };
  // XML allows no control characters but tab and line ends, not even escaped.
  return text.replace(/[^\P{Cc}\t\n\r]/gu, "").replace(/[&<>"']/g, (character) => entities[character]!);
}
