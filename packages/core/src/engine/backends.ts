// TensorFlow.js backends that are packages of their own, asked for when they are wanted.

import { createRequire } from "node:module";
import util from "node:util";
import * as tf from "@tensorflow/tfjs";
import { PeftError } from "../errors.js";

/** In the order in which they are looked for. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  tensorflow: ["@tensorflow/tfjs-node-gpu", "@tensorflow/tfjs-node"],
  wasm: ["@tensorflow/tfjs-backend-wasm"],
  webgpu: ["@tensorflow/tfjs-backend-webgpu"],
};

/**
 * Makes a backend the current one, loading its package if nobody has.
 *
 * @throws PeftError ENGINE_BINDING_MISSING if the package is not installed, or does not work here
 */
export async function useBackend(backend: string): Promise<void> {
  const packages = PACKAGES[backend] ?? [];
  const failures: string[] = [];
  if (!tf.findBackendFactory(backend)) for (const name of packages) if (load(name, failures)) break;
  if (tf.findBackendFactory(backend) && (await tf.setBackend(backend))) return;
  const found = failures.length > 0 ? `: ${failures.join("; ")}` : "";
  throw new PeftError("ENGINE_BINDING_MISSING", `the TensorFlow.js backend "${backend}" is not there${found}`, {
    place: backend,
    hint:
      packages.length > 0
        ? `npm install ${[...packages]
            .reverse()
            .map((name) => `${name}@${tf.version.tfjs}`)
            .join(" or ")}`
        : "import the package that registers it before useEngine",
  });
}

function load(name: string, failures: string[]): boolean {
  restoreUtil();
  try {
    // As CommonJS, which these packages are, and which looks along NODE_PATH too.
    createRequire(import.meta.url)(name);
    return true;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const isAbsent = code === "MODULE_NOT_FOUND" && message.includes(`'${name}'`);
    if (!isAbsent) failures.push(`${name} is installed and does not load: ${message.split("\n")[0]}`);
    return false;
  }
}

/** Node 23 took away functions that @tensorflow/tfjs-node 4.22.0 calls; no release without them was made. */
function restoreUtil(): void {
  const target = util as unknown as Record<string, unknown>;
  target.isNullOrUndefined ??= (value: unknown) => value === null || value === undefined;
  target.isArray ??= Array.isArray;
}
