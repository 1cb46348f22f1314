// What `npm start`, `npm test` and the other root commands share: bring pnpm, install once per lockfile, build through
// turbo, run a program of the workspace. Plain Node and npm only, since nothing is installed yet when this runs.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const stamp = join(root, "node_modules", ".installed-lockfile");
// Both decide what node_modules holds.
const installInputs = ["pnpm-lock.yaml", "pnpm-workspace.yaml"];

/** Ends the process with a clear message on a Node older than the workspace supports. */
export function requireNode() {
  const wanted = manifest.engines.node.replace(">=", "");
  const [major, minor] = process.versions.node.split(".").map(Number);
  const [wantedMajor, wantedMinor] = wanted.split(".").map(Number);
  if (major > wantedMajor || (major === wantedMajor && minor >= wantedMinor)) return;
  console.error(
    `This project needs Node.js ${wanted} or later; this is ${process.versions.node}. Install a newer one from https://nodejs.org and run the command again.`,
  );
  process.exit(1);
}

/** Installs with the frozen lockfile, unless node_modules already holds what this lockfile asks for. */
export async function install() {
  const wanted = lockfileHash();
  if (readStamp() === wanted && linked()) return;
  note("installing the packages of the lockfile (the first time only) …");
  await must(pnpm(["install", "--frozen-lockfile"]), "The installation failed");
  writeFileSync(stamp, wanted);
}

/** Builds the packages that `filter` selects, all by default; prints only what went wrong. */
export async function build(filter = []) {
  const filters = filter.map((name) => `--filter=${name}`);
  const run = pnpm(["exec", "turbo", "run", "build", "--output-logs=errors-only", ...filters]);
  const result = await runQuietly(run);
  if (result.code === 0) return;
  process.stderr.write(result.output);
  console.error("The build failed.");
  process.exit(result.code);
}

/** `npx` bringing the pnpm that package.json names: the command line of a pnpm call. */
export function pnpm(args) {
  return ["npx", ["--yes", manifest.packageManager, "-s", ...args]];
}

/**
 * Runs a program in the foreground and resolves with its exit code. Signals sent to this process reach the program; a
 * Ctrl-C at the terminal reaches it anyway (the terminal signals the whole group), so it is not sent a second time.
 */
export function runForeground([command, args], options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: "inherit", shell: needsShell(command), ...options });
    const passOn = (signal) => {
      if (signal !== "SIGINT" || !process.stdin.isTTY) child.kill(signal);
    };
    const signals = ["SIGINT", "SIGTERM", "SIGHUP"];
    for (const signal of signals) process.on(signal, passOn);
    child.on("error", reject);
    child.on("close", (code, signal) => {
      for (const name of signals) process.off(name, passOn);
      // A shell's convention for a program that a signal ended.
      resolve(code ?? 128 + (constants.signals[signal] ?? 0));
    });
  });
}

/** Runs a program and resolves with its exit code and everything it printed. */
export function runQuietly([command, args], options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: root,
      stdio: ["ignore", "pipe", "pipe"],
      shell: needsShell(command),
      ...options,
    });
    let output = "";
    let stdout = "";
    child.stdout.on("data", (chunk) => {
      output += chunk;
      stdout += chunk;
    });
    child.stderr.on("data", (chunk) => {
      output += chunk;
    });
    child.on("error", reject);
    child.on("close", (code) => resolve({ code: code ?? 1, output, stdout }));
  });
}

/** The folders of the workspace's packages. */
export function packageFolders() {
  return ["packages", "apps"].flatMap((group) =>
    readdirSync(join(root, group))
      .map((name) => join(root, group, name))
      .filter((folder) => existsSync(join(folder, "package.json"))),
  );
}

/** A line for the person at the terminal; standard output belongs to the program that is run. */
export function note(text) {
  console.error(text);
}

// On Windows npx is a batch file, which Node starts only through a shell.
function needsShell(command) {
  return process.platform === "win32" && command === "npx";
}

async function must(run, complaint) {
  // An installer's report is progress, not a result.
  const code = await runForeground(run, { stdio: ["ignore", 2, 2] });
  if (code === 0) return;
  console.error(`${complaint} (exit code ${code}).`);
  process.exit(code);
}

function lockfileHash() {
  const hash = createHash("sha256");
  for (const name of installInputs) hash.update(readFileSync(join(root, name)));
  return hash.digest("hex");
}

// A package folder that was cleaned, or came with a branch, has lost its links to what it depends on.
function linked() {
  return packageFolders().every((folder) => {
    const { dependencies, devDependencies } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    return existsSync(join(folder, "node_modules")) || (!dependencies && !devDependencies);
  });
}

function readStamp() {
  return existsSync(stamp) ? readFileSync(stamp, "utf8") : undefined;
}
