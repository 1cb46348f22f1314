// What `.ci/run` does: the README's test command, then lint, types, the packed packages as a user gets them, parity, and
// conformance. Ends with one line that adds up the tests, the rows of conformance and the other checks, each counting as one.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { useSoftwareDevice } from "./softwareDevice.mjs";
import { countTests, summaryLines } from "./tests.mjs";
import { packageFolders, pnpm, requireNode, root, runForeground, runQuietly } from "./workspace.mjs";

const total = { passed: 0, failed: 0, skips: [] };
const failures = [];

requireNode();
const noDevice = await useSoftwareDevice();
await runTests();
await check("lint", () => succeeds(pnpm(["lint"])));
await check("types", () => succeeds(pnpm(["types"])));
await checkPackages();
await checkParity();
for (const road of ["compiled:cpu", "eager:cpu", "compiled:webgpu"]) await checkConformance(road);
for (const name of failures) console.log(`failed: ${name}`);
for (const line of summaryLines(total)) console.log(line);
process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0;

async function runTests() {
  const report = join(root, ".reports", "tests.json");
  rmSync(report, { force: true });
  const code = await runForeground(["npm", ["test"]]);
  const count = countTests(existsSync(report) ? [JSON.parse(readFileSync(report, "utf8"))] : []);
  if (code !== 0 && count.failed === 0) count.failed = 1;
  if (count.failed > 0) failures.push("npm test");
  total.passed += count.passed;
  total.failed += count.failed;
  total.skips.push(...count.skips);
}

// The tarballs as npm would publish them: their manifests, their types, and whether plain npm can install and load them.
async function checkPackages() {
  const folder = mkdtempSync(join(tmpdir(), "packed-"));
  try {
    const packed = [];
    for (const path of packageFolders()) {
      const manifest = JSON.parse(readFileSync(join(path, "package.json"), "utf8"));
      if (manifest.private) continue;
      const tarball = join(folder, `${manifest.name.replace("@", "").replace("/", "-")}-${manifest.version}.tgz`);
      const isPacked = await check(`${manifest.name}: packs`, async () => {
        await succeeds(pnpm(["--dir", path, "pack", "--pack-destination", folder]));
        if (!existsSync(tarball)) throw new Error(`there is no ${tarball}`);
      });
      if (!isPacked) continue;
      packed.push({ manifest, tarball });
      await check(`${manifest.name}: publint`, () => succeeds(pnpm(["exec", "publint", "run", tarball, "--strict"])));
      await check(`${manifest.name}: are the types wrong`, () =>
        succeeds(pnpm(["exec", "attw", tarball, ...attwOptions(manifest)])),
      );
    }
    await checkInstall(packed, join(folder, "project"));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

// node16 leaves out the resolution of Node 10, which no supported Node uses. An entry without types is a worker's
// program, started by its URL and never imported, so there are no types to be wrong.
function attwOptions({ exports }) {
  const untyped = Object.entries(exports).filter(
    ([, target]) => typeof target === "string" && /\.[cm]?js$/.test(target),
  );
  const exclude = untyped.length > 0 ? ["--exclude-entrypoints", ...untyped.map(([entry]) => entry)] : [];
  return ["--profile", "node16", "--no-emoji", "--no-color", ...exclude];
}

async function checkInstall(packed, project) {
  const dependencies = {};
  for (const { manifest, tarball } of packed) {
    for (const [name, version] of Object.entries(manifest.peerDependencies ?? {})) {
      if (!manifest.peerDependenciesMeta?.[name]?.optional) dependencies[name] = version;
    }
    dependencies[manifest.name] = `file:../${basename(tarball)}`;
  }
  mkdirSync(project);
  writeFileSync(join(project, "package.json"), JSON.stringify({ name: "project", private: true, dependencies }));
  // Without this line onnxruntime-node's install script fetches CUDA libraries from outside the npm registry.
  writeFileSync(join(project, ".npmrc"), "onnxruntime-node-install=skip\n");
  const options = { cwd: project };
  const isInstalled = await check("plain npm installs the packages", () =>
    succeeds(["npm", ["install", "--no-audit", "--no-fund"]], options),
  );
  if (!isInstalled) return;
  for (const { manifest } of packed) {
    const entries = Object.entries(manifest.exports).filter(([, target]) => typeof target === "object");
    const names = JSON.stringify(entries.map(([entry]) => manifest.name + entry.slice(1)));
    const load = (how) => `(async () => { for (const name of ${names}) { ${how} } })()`;
    await check(`${manifest.name}: loads as an ES module`, () =>
      succeeds([process.execPath, ["--input-type=module", "-e", load("await import(name);")]], options),
    );
    await check(`${manifest.name}: loads as CommonJS`, () =>
      succeeds([process.execPath, ["--input-type=commonjs", "-e", load("require(name);")]], options),
    );
  }
}

async function checkParity() {
  const { code, stdout, output } = await runQuietly(pnpm(["parity", "--json"]));
  let rows;
  try {
    ({ rows } = JSON.parse(stdout));
  } catch {
    await check("parity", () => Promise.reject(new Error(output)));
    return;
  }
  if (rows.length === 0) {
    total.skips.push("parity (no row is defined yet)");
    return;
  }
  const missed = rows.filter((row) => !row.ok);
  await check(`parity: ${rows.length} rows`, async () => {
    if (missed.length > 0 || code !== 0) throw new Error(missed.map((row) => JSON.stringify(row)).join("\n") || output);
  });
}

async function checkConformance(road) {
  const name = `conformance on ${road}`;
  if (road === "compiled:webgpu" && noDevice) {
    total.skips.push(`${name} (${noDevice})`);
    return;
  }
  const start = performance.now();
  const { stdout, output } = await runQuietly(pnpm(["conformance", "--road", road, "--json"]));
  let report;
  try {
    report = JSON.parse(stdout);
  } catch {
    await check(name, () => Promise.reject(new Error(output)));
    return;
  }
  const { rows, skipped } = report;
  for (const { reason } of skipped) total.skips.push(`${name} (${reason})`);
  const missed = rows.filter((row) => !row.ok);
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  console.log(`${missed.length === 0 ? "ok     " : "FAILED "} ${name}: ${rows.length} rows (${seconds} s)`);
  for (const row of missed) console.log(JSON.stringify(row));
  failures.push(...missed.map((row) => `${name}: ${row.op}`));
  total.passed += rows.length - missed.length;
  total.failed += missed.length;
}

/** Runs a check, prints how it went, counts it; resolves with whether it passed. */
async function check(name, run) {
  const start = performance.now();
  try {
    await run();
    console.log(`ok      ${name} (${((performance.now() - start) / 1000).toFixed(1)} s)`);
    total.passed++;
    return true;
  } catch (error) {
    console.log(`FAILED  ${name}\n${error.message}`);
    failures.push(name);
    total.failed++;
    return false;
  }
}

async function succeeds(command, options) {
  const { code, output } = await runQuietly(command, options);
  if (code !== 0) throw new Error(output);
}
