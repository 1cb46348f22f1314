// Makes reference/.venv: the pinned Python packages that fixtures and benchmarks use. Plain Node, no dependencies.
// `PEFT_PYTHON` names another interpreter: then nothing is installed, the packages are only checked.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const venv = join(here, ".venv");
const requirements = readFileSync(join(here, "requirements.txt"), "utf8");
const stamp = join(venv, "requirements.sha256");

/** Runs a command with its output shown; ends the process with a reason when it fails. */
function run(command, args, reason, env = {}) {
  const result = spawnSync(command, args, { stdio: "inherit", env: { ...process.env, ...env } });
  if (result.error) fail(`${reason}: ${result.error.message}`);
  if (result.status !== 0) fail(`${reason} (exit ${result.status ?? result.signal})`);
}

function fail(message) {
  console.error(`reference:setup: ${message}`);
  process.exit(1);
}

/** Checks by importing. The two models are named because transformers loads its classes late: only touching one shows a broken torchvision. */
function verify(python) {
  const pins = ["torch", "transformers", "peft", "timm", "numpy", "safetensors", "pillow", "onnx"];
  const lines = Object.fromEntries(
    requirements
      .split("\n")
      .filter((line) => line.includes("==") && !line.startsWith("#"))
      .map((line) => line.trim().split("==")),
  );
  const wanted = JSON.stringify(Object.fromEntries(pins.map((name) => [name, lines[name]])));
  const script = `
import json, sys, importlib.metadata as metadata
wanted = json.loads(sys.argv[1])
wrong = []
for name, version in wanted.items():
    try:
        found = metadata.version(name)
    except metadata.PackageNotFoundError:
        found = None
    if found != version:
        wrong.append(f"{name} {version} wanted, {found or 'nothing'} found")
if wrong:
    sys.exit("; ".join(wrong))
import torch, peft, safetensors.torch, numpy, PIL, onnx
from transformers import ViTForImageClassification, ViTModel
print("reference:setup: " + ", ".join(f"{name} {version}" for name, version in wanted.items()))
`;
  run(python, ["-c", script, wanted], `the packages of ${python} do not import as pinned`);
}

const other = process.env.PEFT_PYTHON;
if (other) {
  verify(other);
  process.exit(0);
}

const python = join(venv, process.platform === "win32" ? "Scripts/python.exe" : "bin/python");
const hash = createHash("sha256").update(requirements).digest("hex");
if (existsSync(python) && existsSync(stamp) && readFileSync(stamp, "utf8").trim() === hash) {
  console.log("reference:setup: reference/.venv is up to date");
  process.exit(0);
}

// Another set of pins gets a fresh environment: upgrading in place would leave what the old set alone needed.
rmSync(venv, { recursive: true, force: true });
run("python3", ["-m", "venv", venv], "python3 -m venv failed (Python 3.11 with its venv module is needed)");
// Few retries: an index that cannot be reached should say so in seconds. PIP_* variables of the caller still decide where packages come from.
const pip = { PIP_DISABLE_PIP_VERSION_CHECK: "1", PIP_RETRIES: process.env.PIP_RETRIES ?? "1" };
run(
  python,
  ["-m", "pip", "install", "--quiet", "--no-deps", "-r", join(here, "requirements.txt")],
  "pip could not install reference/requirements.txt",
  pip,
);
// timm asks for torchvision, whose usual builds do not fit a CPU-only torch: with one of them there, transformers fails to import
// every vision model ("operator torchvision::nms does not exist"). --no-deps leaves it out; a site-wide one is taken out too.
if (spawnSync(python, ["-m", "pip", "show", "--quiet", "torchvision"], { stdio: "ignore" }).status === 0) {
  console.log("reference:setup: removing torchvision, it keeps transformers from importing its vision models");
  run(python, ["-m", "pip", "uninstall", "--quiet", "--yes", "torchvision"], "torchvision could not be removed");
}
verify(python);
writeFileSync(`${stamp}.part`, `${hash}\n`);
renameSync(`${stamp}.part`, stamp);
