// A side that does nothing: each argument "key=value" sets what it claims. It writes "NAME line" to the file `log`, so
// that a test sees in which order the sides were asked.
import { appendFileSync } from "node:fs";
import { createInterface } from "node:readline";

const settings = Object.fromEntries(process.argv.slice(2).map((pair) => pair.split("=")));
const say = (message) => console.log(JSON.stringify(message));
const log = (line) => appendFileSync(settings.log, `${settings.name} ${line}\n`);

log("start");
console.log("a library's greeting");
if (settings.fail === "start") {
  console.error("ModuleNotFoundError: No module named 'torch'");
  process.exit(1);
}
say({ ready: true, load_s: Number(settings.load), first_step_s: Number(settings.first) });
let steps = 0;
for await (const line of createInterface({ input: process.stdin })) {
  log(line);
  if (line === "quit") break;
  if (settings.fail === "step") process.exit(3);
  // The warm-up step is slow, as it is on a real side.
  say({ time_s: steps++ === 0 ? 100 : Number(settings.time) });
}
say({ peak_mb: Number(settings.peak), tunables: process.env.GLIBC_TUNABLES });
log(`tunables=${process.env.GLIBC_TUNABLES}`);
