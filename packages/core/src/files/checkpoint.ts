// A checkpoint on disk: one .safetensors file, or several with an index, `{"weight_map": {name: file}}`, as
// huggingface_hub writes them. Both look the same to a reader.

import { readdir, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { PeftError } from "../errors.js";
import { unreadable } from "./fileErrors.js";
import type { HostTensor } from "./hostTensor.js";
import { readJson, writeJson } from "./json.js";
import { findTensor, openSafetensors, readAhead, type TensorSource } from "./safetensors.js";
import { entriesOf, type NamedTensors, PYTORCH_METADATA, writeSafetensors } from "./safetensorsWriter.js";

/** transformers' name for weights, and diffusers'. */
const STEMS = ["model", "diffusion_pytorch_model"];
const PICKLE = /\.(bin|pt|pth|ckpt)$/;
/** Every shard stays open while the checkpoint is; systems commonly allow 1,024 open files a process. */
export const MAX_SHARDS = 500;

/**
 * Opens a checkpoint: a folder with `model.safetensors` or `model.safetensors.index.json` and its shards (or
 * `diffusion_pytorch_model...`), or one such file. Only headers are read. Close it when done.
 *
 * @throws PeftError FILE_MISSING, FILE_UNREADABLE, SAFETENSORS_INVALID; CHECKPOINT_INVALID for a pickled checkpoint and
 *   for an index that does not fit its shards.
 */
export async function openCheckpoint(folderOrFile: string): Promise<TensorSource> {
  const info = await stat(folderOrFile).catch((cause) => {
    throw unreadable(folderOrFile, cause);
  });
  const path = info.isDirectory() ? await findWeights(folderOrFile) : folderOrFile;
  if (PICKLE.test(path)) throw pickled(path);
  return path.endsWith(".json") ? openShards(path) : openSafetensors(path);
}

async function findWeights(folder: string): Promise<string> {
  const files = await readdir(folder).catch((cause) => {
    throw unreadable(folder, cause);
  });
  for (const stem of STEMS) {
    for (const file of [`${stem}.safetensors`, `${stem}.safetensors.index.json`]) {
      if (files.includes(file)) return join(folder, file);
    }
  }
  const pickle = files.find((file) => PICKLE.test(file));
  if (pickle) throw pickled(join(folder, pickle));
  throw new PeftError("FILE_MISSING", "there is no model.safetensors and no model.safetensors.index.json", {
    place: folder,
    hint: "name the folder that holds the weights, or the .safetensors file itself",
  });
}

function pickled(path: string): PeftError {
  return new PeftError(
    "CHECKPOINT_INVALID",
    "this is a pickled PyTorch checkpoint, which can run code when it is read",
    {
      place: path,
      hint: "use the model's .safetensors files, or write them in Python: model.save_pretrained(folder)",
    },
  );
}

async function openShards(indexPath: string): Promise<TensorSource> {
  const fileOf = parseIndex(await readJson(indexPath), indexPath);
  const files = [...new Set(fileOf.values())].sort();
  if (files.length > MAX_SHARDS) throw badIndex(`${files.length} files (limit ${MAX_SHARDS})`, indexPath);
  const shards = new Map<string, TensorSource>();
  try {
    for (const file of files) shards.set(file, await openSafetensors(join(dirname(indexPath), file)));
    return new ShardedCheckpoint(indexPath, shards, fileOf);
  } catch (error) {
    await closeAll(shards);
    throw error;
  }
}

function parseIndex(index: unknown, place: string): Map<string, string> {
  const weightMap = (index as { weight_map?: unknown } | null)?.weight_map;
  if (typeof weightMap !== "object" || weightMap === null || Array.isArray(weightMap)) {
    throw badIndex("no weight_map", place);
  }
  const entries = Object.entries(weightMap as Record<string, unknown>);
  if (entries.length === 0) throw badIndex("an empty weight_map", place);
  for (const [name, file] of entries) {
    // A plain file name: an index must not lead out of its folder.
    if (typeof file !== "string" || !/^[^/\\]+\.safetensors$/.test(file)) {
      throw badIndex(`${JSON.stringify(file)?.slice(0, 200)} as the file of "${name.slice(0, 200)}"`, place);
    }
  }
  return new Map(entries as [string, string][]);
}

function badIndex(what: string, place: string): PeftError {
  return new PeftError("CHECKPOINT_INVALID", `the index of the checkpoint has ${what}`, {
    place,
    hint: "fetch the index and its shards again, all from one revision",
  });
}

class ShardedCheckpoint implements TensorSource {
  readonly tensors: TensorSource["tensors"];
  readonly metadata: TensorSource["metadata"];

  constructor(
    private readonly path: string,
    private readonly shards: ReadonlyMap<string, TensorSource>,
    private readonly fileOf: ReadonlyMap<string, string>,
  ) {
    const tensors = new Map(
      [...shards].flatMap(([file, shard]) => [...shard.tensors].filter(([name]) => fileOf.get(name) === file)),
    );
    const missing = [...fileOf.keys()].filter((name) => !tensors.has(name));
    if (missing.length > 0) {
      throw badIndex(`${missing.length} tensors that their files do not hold, such as "${missing[0]}"`, path);
    }
    this.tensors = tensors;
    this.metadata = [...shards.values()][0]!.metadata;
  }

  async read(name: string): Promise<HostTensor> {
    findTensor(this.tensors, name, this.path);
    return this.shards.get(this.fileOf.get(name)!)!.read(name);
  }

  lazily(name: string): () => Float32Array {
    findTensor(this.tensors, name, this.path);
    return this.shards.get(this.fileOf.get(name)!)!.lazily(name);
  }

  readAll(names: Iterable<string> = this.tensors.keys()): AsyncGenerator<[string, HostTensor]> {
    return readAhead(this, names);
  }

  async close(): Promise<void> {
    await closeAll(this.shards);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

async function closeAll(shards: ReadonlyMap<string, TensorSource>): Promise<void> {
  await Promise.all([...shards.values()].map((shard) => shard.close()));
}

export interface WriteCheckpointOptions {
  /** Most bytes of numbers in one file; a larger tensor gets a file of its own. @defaultValue no limit: one file */
  maxShardBytes?: number;
  /** The `__metadata__` of every file. @defaultValue `{ format: "pt" }` */
  metadata?: Readonly<Record<string, string>>;
}

/**
 * Writes `model.safetensors` into a folder or, if it would be larger than `maxShardBytes`, shards named
 * `model-00001-of-00003.safetensors` and their index, filled in the order of the tensors as huggingface_hub does. What
 * an earlier call left there under such names is removed afterwards, so that a reader never finds two models.
 *
 * @throws PeftError FILE_UNWRITABLE, ARGUMENT_INVALID
 */
export async function writeCheckpoint(
  folder: string,
  tensors: NamedTensors,
  options: WriteCheckpointOptions = {},
): Promise<void> {
  const { maxShardBytes = Number.POSITIVE_INFINITY, metadata = PYTORCH_METADATA } = options;
  const shards = splitIntoShards(entriesOf(tensors), maxShardBytes);
  const count = String(shards.length).padStart(5, "0");
  const files = shards.map((_, i) =>
    shards.length === 1 ? "model.safetensors" : `model-${String(i + 1).padStart(5, "0")}-of-${count}.safetensors`,
  );
  for (const [i, shard] of shards.entries()) await writeSafetensors(join(folder, files[i]!), new Map(shard), metadata);
  if (shards.length > 1) {
    const index = {
      metadata: { total_size: shards.flat().reduce((sum, [, { data }]) => sum + data.byteLength, 0) },
      weight_map: Object.fromEntries(shards.flatMap((shard, i) => shard.map(([name]) => [name, files[i]]))),
    };
    files.push("model.safetensors.index.json");
    await writeJson(join(folder, files.at(-1)!), index);
  }
  const ours = /^model(-\d{5}-of-\d{5})?\.safetensors(\.index\.json)?$/;
  const stale = (await readdir(folder)).filter((file) => ours.test(file) && !files.includes(file));
  await Promise.all(stale.map((file) => rm(join(folder, file), { force: true })));
}

/** huggingface_hub's rule: a tensor above the limit is a shard of its own, and the one being filled stays open. */
function splitIntoShards(entries: [string, HostTensor][], maxBytes: number): [string, HostTensor][][] {
  const shards: [string, HostTensor][][] = [];
  let current: [string, HostTensor][] = [];
  let filled = 0;
  for (const entry of entries) {
    const bytes = entry[1].data.byteLength;
    if (bytes > maxBytes) {
      shards.push([entry]);
      continue;
    }
    if (filled + bytes > maxBytes) {
      shards.push(current);
      current = [];
      filled = 0;
    }
    current.push(entry);
    filled += bytes;
  }
  if (current.length > 0 || shards.length === 0) shards.push(current);
  return shards;
}
