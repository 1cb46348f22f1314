// The packages that decode sounds are ES modules, CommonJS, and CommonJS that says it is neither: both builds find them.

import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { expect, it } from "vitest";
import { soundPath } from "./fixtures.js";

const FILES = ["s16.wav", "s16.flac", "vorbis.ogg"].map(soundPath);
const DECODE = `
const lengths = [];
for (const file of ${JSON.stringify(FILES)}) lengths.push((await decodeAudio(file)).channels[0].length);
console.log(JSON.stringify(lengths));
process.exit(0);
`;

it.each([
  ["ES module", 'import { decodeAudio } from "@peft/core";'],
  [
    "CommonJS",
    'import { createRequire } from "node:module";\nconst { decodeAudio } = createRequire(import.meta.url)("@peft/core");',
  ],
])("the %s build decodes files of every kind", (_, load) => {
  const output = execFileSync(process.execPath, ["--input-type=module", "-e", load + DECODE], {
    cwd: join(import.meta.dirname, "../.."),
    encoding: "utf8",
  });
  expect(JSON.parse(output.trim().split("\n").at(-1)!)).toEqual([400, 400, 400]);
});
