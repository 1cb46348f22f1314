// `peft doctor`: which engines run here, which optional packages are there, and what to install for the others.

import { createRequire } from "node:module";
import os from "node:os";
import { useEngine } from "../engine/index.js";
import { ROADS, takeRoad } from "../engine/roads.js";
import { PeftError } from "../errors.js";
import { type Command, columns, parse } from "./command.js";

interface EngineState {
  readonly engine: string;
  readonly ready: boolean;
  /** Threads, or why it does not run. */
  readonly detail: string;
  readonly hint?: string;
}

interface PackageState {
  readonly package: string;
  readonly version: string | null;
  readonly use: string;
}

/** All that could be; CUDA is none of the roads that the conformance suite takes by itself. */
const ENGINES = [...ROADS, "compiled:cuda"] as const;

const PACKAGES: Readonly<Record<string, string>> = {
  "onnxruntime-node": "the compiled engine",
  "@tensorflow/tfjs": "models are written with it; the eager engine",
  "@tensorflow/tfjs-node": "the eager engine on TensorFlow's library",
  "@tensorflow/tfjs-node-gpu": "the same on CUDA",
  sharp: "decoding pictures",
  "@huggingface/tokenizers": "tokenizers of text models",
  "@huggingface/hub": "downloads from the Hugging Face hub, and uploads",
};

export const doctor: Command = {
  summary: "which engines and devices work here, and what to install for the others",
  usage: "peft doctor [--json]",
  async run(args) {
    const { values } = parse(args, { json: { type: "boolean" } });
    const engines: EngineState[] = [];
    for (const engine of ENGINES) engines.push(await tryEngine(engine));
    await useEngine("compiled");
    const packages = Object.entries(PACKAGES).map(([name, use]) => ({ package: name, version: versionOf(name), use }));
    const machine = `Node.js ${process.versions.node}, ${process.platform} ${process.arch}, ${os.cpus()[0]?.model.trim()}, ${os.availableParallelism()} logical processors`;
    return values.json ? JSON.stringify({ machine, engines, packages }) : report(machine, engines, packages);
  },
};

async function tryEngine(engine: (typeof ENGINES)[number]): Promise<EngineState> {
  try {
    const { threads } = await takeRoad(engine);
    return { engine, ready: true, detail: threads ? `${threads} thread${threads === 1 ? "" : "s"}` : "" };
  } catch (error) {
    const { message, hint } = error as Partial<PeftError>;
    const [first] = (error instanceof PeftError ? message! : String(message)).split("\n");
    return { engine, ready: false, detail: first!, hint };
  }
}

function versionOf(name: string): string | null {
  const require = createRequire(import.meta.url);
  // Not every package lets its package.json be required.
  for (const folder of require.resolve.paths(name) ?? []) {
    try {
      return (require(`${folder}/${name}/package.json`) as { version: string }).version;
    } catch {}
  }
  return null;
}

function report(machine: string, engines: readonly EngineState[], packages: readonly PackageState[]): string {
  const shown = columns([
    ["engine", "state", ""],
    // The runtime's own words for a missing device are long; the hint below says what they mean.
    ...engines.map(({ engine, ready, detail, hint }) => [engine, ready ? "ready" : "no", hint ? "" : detail]),
  ]);
  const hints = engines.flatMap(({ engine, hint }) => (hint ? [`${engine}: ${hint}`] : []));
  const installed = columns([
    ["package", "version", "for"],
    ...packages.map(({ package: name, version, use }) => [name, version ?? "not installed", use]),
  ]);
  return [machine, shown, ...(hints.length > 0 ? [hints.join("\n")] : []), installed].join("\n\n");
}
