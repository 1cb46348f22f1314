// Builds @tensorflow/tfjs-node from its npm tarball against a libtensorflow of today, in reference/.tfjs-node: no archive from
// outside the registries is needed, and the published binding's own libtensorflow (2.9.1) is years old. Plain Node.
//
//   node reference/tfjsNode.mjs [TENSORFLOW]
//
// TENSORFLOW is the folder of Python's package `tensorflow` (or `tensorflow-cpu`, or what a C archive unpacks to), with
// `include/` in it; left out, the wheel of tensorflow-cpu is fetched with pip. Wants gcc, make, Python and Node's headers.
// Standard output is the line of the environment under which `useEngine("eager", { backend: "tensorflow" })` finds it.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const TFJS_NODE = "4.22.0";
const TENSORFLOW = "2.21.0";

const folder = join(dirname(fileURLToPath(import.meta.url)), ".tfjs-node");
const packageFolder = join(folder, "node_modules/@tensorflow/tfjs-node");

mkdirSync(folder, { recursive: true });
installPackage();
linkLibrary(process.argv[2] ? resolve(process.argv[2]) : fetchWheel());
build();
check();

/** Runs a command with its output on standard error; ends the process with a reason when it fails. */
function run(command, args, options = {}) {
  const result = spawnSync(command, args, { stdio: ["ignore", 2, 2], cwd: folder, ...options });
  if (!result.error && result.status === 0) return;
  fail(`${command} ${args.join(" ")}: ${result.error?.message ?? `exit ${result.status ?? result.signal}`}`);
}

function fail(message) {
  console.error(`tfjsNode: ${message}`);
  process.exit(1);
}

/** Without its install script, which downloads the published binding. */
function installPackage() {
  const manifest = { name: "tfjs-node-build", private: true, dependencies: { "@tensorflow/tfjs-node": TFJS_NODE } };
  writeFileSync(join(folder, "package.json"), JSON.stringify(manifest));
  run("npm", ["install", "--ignore-scripts", "--no-audit", "--no-fund"]);
}

function fetchWheel() {
  const target = join(folder, "python");
  const found = join(target, "tensorflow");
  if (existsSync(found)) return found;
  // Its own dependencies are Python's business: the library and the headers are all that is wanted.
  run("python3", ["-m", "pip", "install", "--no-deps", "--target", target, `tensorflow-cpu==${TENSORFLOW}`]);
  return found;
}

/** What binding.gyp expects under deps/: include/, lib/libtensorflow.so and lib/libtensorflow_framework.so. */
function linkLibrary(tensorflow) {
  const libraries = ["", "lib"].map((name) => join(tensorflow, name)).filter(existsSync);
  const find = (pattern) => {
    for (const path of libraries) for (const name of readdirSync(path)) if (pattern.test(name)) return join(path, name);
    return fail(`${tensorflow} holds no ${pattern}`);
  };
  const core = find(/^libtensorflow(_cc)?\.so\.2$/);
  const framework = find(/^libtensorflow_framework\.so\.2$/);
  const deps = join(packageFolder, "deps");
  rmSync(deps, { recursive: true, force: true });
  mkdirSync(join(deps, "lib"), { recursive: true });
  symlinkSync(join(tensorflow, "include"), join(deps, "include"));
  // By the names that the linker asks for, and by those that the binding will ask for.
  for (const name of ["libtensorflow.so", "libtensorflow.so.2", "libtensorflow_cc.so.2"]) {
    symlinkSync(core, join(deps, "lib", name));
  }
  for (const name of ["libtensorflow_framework.so", "libtensorflow_framework.so.2"]) {
    symlinkSync(framework, join(deps, "lib", name));
  }
}

function build() {
  // The headers that came with this Node; without them node-gyp downloads some.
  const nodeFolder = dirname(dirname(process.execPath));
  const headers = existsSync(join(nodeFolder, "include/node/node_api.h")) ? [`--nodedir=${nodeFolder}`] : [];
  const tool = join(folder, "node_modules/.bin/node-pre-gyp");
  run(tool, ["install", "--build-from-source", ...headers], { cwd: packageFolder });
}

function check() {
  const code = `const tf = require("@tensorflow/tfjs-node"); console.error("tfjsNode: on TensorFlow", tf.version.tensorflow ?? tf.backend().binding.TF_Version, "1 + 1 =", tf.add(1, 1).dataSync()[0]);`;
  run(process.execPath, ["-e", code]);
  console.log(`NODE_PATH=${join(folder, "node_modules")}`);
}
