// `node everyOperation.mjs FOLDER`: a run dies before its first operation on files, then goes on; another before its second,
// and so on. A death is played: from that operation on nothing changes a file any more. Prints what ends with other bits
// than a run that was left alone.

import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { useEngine } from "@peft/core";
import { optionsOf, train, watchFiles } from "./tinyRun.mjs";

const [folder] = process.argv.slice(2);
const SETTINGS = { epochs: undefined, steps: 2, resume: true };

async function ends(outputDir) {
  const files = [];
  for (const checkpoint of ["checkpoint-last", "checkpoint-best"]) {
    for (const file of ["training.safetensors", "trainer_state.json"]) {
      files.push((await readFile(join(outputDir, checkpoint, file))).toString("base64"));
    }
  }
  return files.join();
}

await useEngine("eager");
const alone = join(folder, "alone");
let operations = 0;
const stopCounting = watchFiles(() => {
  operations++;
});
await train(optionsOf({ ...SETTINGS, outputDir: alone }));
stopCounting();
const wanted = await ends(alone);

const differing = [];
for (let last = 0; last < operations; last++) {
  const outputDir = join(folder, `operation-${last}`);
  let done = 0;
  let at = "";
  const stop = watchFiles((name, args) => {
    if (done++ < last) return;
    at ||= `${name} ${args[0]}`;
    throw new Error("dead");
  });
  const died = await train(optionsOf({ ...SETTINGS, outputDir })).then(
    () => false,
    () => true,
  );
  stop();
  // The processes that die for true leave the lock of a dead process; this one lives.
  await rm(join(outputDir, "run.lock"), { force: true });
  try {
    await train(optionsOf({ ...SETTINGS, outputDir }));
    if ((await ends(outputDir)) !== wanted) differing.push({ last, at, died, how: "other bits" });
  } catch (error) {
    differing.push({ last, at, died, how: String(error) });
  }
  await rm(outputDir, { recursive: true, force: true });
}
console.log(JSON.stringify({ operations, differing }));
process.exit(0);
