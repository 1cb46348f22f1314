// `peft inspect`: what an adapter or a checkpoint holds, from its config and the header of its weights.

import { stat } from "node:fs/promises";
import { join } from "node:path";
import { isThere } from "../files/folder.js";
import { openCheckpoint, readJson, type TensorSource } from "../files/index.js";
import { findFolder } from "../models/folder.js";
import { type Command, columns, parse, UsageError } from "./command.js";

/** Of a config only what is one value a line. */
const MAX_VALUE_LENGTH = 100;

export const inspect: Command = {
  summary: "what an adapter or a checkpoint holds",
  usage: `peft inspect PATH [--tensors] [--json]

PATH is an adapter's folder, a model's folder, or a .safetensors file.
  --tensors  list every tensor
  --json     one JSON document`,
  async run(args) {
    const options = { tensors: { type: "boolean" }, json: { type: "boolean" } } as const;
    const { values, positionals } = parse(args, options, 1);
    const [path] = positionals;
    if (!path) throw new UsageError("name a folder or a file");
    const { kind, config, tensors } = await read(path);
    if (values.json) return JSON.stringify({ kind, config, tensors: Object.fromEntries(tensors) });
    const sizes = [...tensors.values()].map(({ shape }) => shape.reduce((product, d) => product * d, 1));
    const total = sizes.reduce((sum, size) => sum + size, 0);
    const dtypes = [...new Set([...tensors.values()].map(({ dtype }) => dtype))].join(", ");
    const count = `${tensors.size} tensors, ${total.toLocaleString("en-US")} numbers (${dtypes})`;
    const rows = [...tensors].map(([name, { dtype, shape }]) => [name, dtype, `[${shape.join(", ")}]`]);
    return [
      `${kind}: ${path}`,
      ...(config ? [columns(fields(config))] : []),
      count,
      ...(values.tensors ? [columns([["tensor", "type", "shape"], ...rows])] : []),
    ].join("\n\n");
  },
};

interface Contents {
  readonly kind: "adapter" | "model" | "weights";
  readonly config?: Readonly<Record<string, unknown>>;
  readonly tensors: TensorSource["tensors"];
}

async function read(path: string): Promise<Contents> {
  const isFile = await stat(path).then(
    (info) => info.isFile(),
    () => false,
  );
  if (isFile) return { kind: "weights", tensors: await tensorsOf(path) };
  const folder = await findFolder(path);
  const isAdapter = await isThere(join(folder, "adapter_config.json"));
  const config = await readJson(join(folder, isAdapter ? "adapter_config.json" : "config.json"));
  const weights = isAdapter ? join(folder, "adapter_model.safetensors") : folder;
  const kind = isAdapter ? "adapter" : "model";
  return { kind, config: config as Record<string, unknown>, tensors: await tensorsOf(weights) };
}

async function tensorsOf(path: string): Promise<TensorSource["tensors"]> {
  const source = await openCheckpoint(path);
  await source.close();
  return source.tensors;
}

/** Fields that say something: not null, not empty, short enough for a line. */
function fields(config: Readonly<Record<string, unknown>>): string[][] {
  const rows = Object.entries(config).flatMap(([name, value]) => {
    const text = typeof value === "string" ? value : (JSON.stringify(value) ?? "");
    const isEmpty = value === null || text === "" || text === "[]" || text === "{}";
    return isEmpty || text.length > MAX_VALUE_LENGTH ? [] : [[name, text]];
  });
  return rows.length > 0 ? rows : [["", ""]];
}
