// Loading a model from its folder, and writing one: a strict walk over names. Nothing is loaded by halves, and nothing is
// initialised silently.

import { join } from "node:path";
import {
  castFloat32,
  type FloatType,
  type HostTensor,
  openCheckpoint,
  readJson,
  type TensorSource,
  writeCheckpoint,
  writeJson,
} from "../files/index.js";
import { type Module, namedParameters } from "../nn/index.js";
import { findFolder, writeTogether } from "./folder.js";
import { checkTensors, type ExpectedTensor } from "./mismatch.js";

/** Buffers of other implementations, which hold nothing that was learnt, and what trainers leave behind. */
const IGNORED = [
  /(^|\.)embeddings\.(position_ids|token_type_ids)$/,
  /(^|\.)relative_position_index$/,
  /attn_mask$/,
  /^optimizer\./,
  /(^|\.)(encoder|decoder)\.version$/,
];

/** A model's folder, opened: its config, and its weights by name. */
export interface OpenModel {
  readonly folder: string;
  readonly config: unknown;
  readonly configPath: string;
  readonly weights: TensorSource;
}

/**
 * Opens the folder of a model, for as long as `load` takes. Of the weights only the header is read.
 *
 * @throws PeftError HUB_ID, FILE_MISSING, JSON_INVALID, SAFETENSORS_INVALID, CHECKPOINT_INVALID; what `load` throws
 */
export async function withModel<M>(directory: string, load: (opened: OpenModel) => M | Promise<M>): Promise<M> {
  const folder = await findFolder(directory);
  const configPath = join(folder, "config.json");
  const opened = { folder, config: await readJson(configPath), configPath, weights: await openCheckpoint(folder) };
  try {
    return await load(opened);
  } finally {
    await opened.weights.close();
  }
}

/**
 * The model's names for a tensor of the file: one; several where the tensor is their equal blocks of rows, one above the
 * other; none where it is to be left out; undefined where it has no place in the model.
 */
export type Translate = (fileName: string) => readonly string[] | undefined;

export interface LoadParametersOptions {
  /** The beginnings of the names of parameters that keep their first values. */
  readonly except?: readonly string[];
  /** What to say where the tensors do not fit. */
  readonly hint?: string;
}

/**
 * Gives a model's parameters the numbers of a file. Each is read when it is first used, so that the weights of a model are
 * in memory once: where the engine computes. Numbers in half precision are widened then.
 *
 * @throws PeftError KEY_MISMATCH with `{ missing, unexpected, misshapen }` before anything is read
 */
export function loadParameters(
  model: Module,
  { weights, folder }: Pick<OpenModel, "weights" | "folder">,
  translate: Translate,
  { except = [], hint }: LoadParametersOptions = {},
): void {
  const parameters = namedParameters(model);
  const expected = new Map<string, ExpectedTensor>();
  for (const [name, { shape }] of parameters) {
    if (!except.some((beginning) => name.startsWith(beginning))) {
      expected.set(name, { shape, dtype: "float32", source: undefined });
    }
  }
  const blocks = new Map<string, readonly string[]>();
  const unexpected: string[] = [];
  for (const fileName of weights.tensors.keys()) {
    if (IGNORED.some((pattern) => pattern.test(fileName))) continue;
    const names = translate(fileName);
    if (names?.length === 0) continue;
    if (!names?.every((name) => expected.has(name) && expected.get(name)!.source === undefined)) {
      unexpected.push(fileName);
      continue;
    }
    blocks.set(fileName, names);
    for (const name of names) {
      const [rows, ...rest] = parameters.get(name)!.shape;
      const shape = rows === undefined ? [] : [rows * names.length, ...rest];
      expected.set(name, { shape, dtype: "float32", source: fileName });
    }
  }
  checkTensors(weights, expected, unexpected, folder, hint);
  for (const [fileName, names] of blocks) {
    const read = weights.lazily(fileName);
    for (const [i, name] of names.entries()) {
      parameters.get(name)!.adopt(() => {
        const numbers = read();
        const size = numbers.length / names.length;
        return names.length === 1 ? numbers : numbers.slice(i * size, (i + 1) * size);
      });
    }
  }
}

export interface SaveOptions {
  /** What the file keeps the numbers in: half precision is half the file, rounded to nearest even. @defaultValue "float32" */
  readonly dtype?: FloatType;
}

/**
 * Writes `config.json` and `model.safetensors`, both or neither.
 *
 * @throws PeftError FILE_UNWRITABLE
 */
export async function saveModel(
  directory: string,
  model: Module,
  config: Record<string, unknown>,
  { dtype = "float32" }: SaveOptions = {},
): Promise<void> {
  const tensors = new Map<string, HostTensor>();
  for (const [name, parameter] of namedParameters(model)) {
    const data = (await parameter.read()) as Float32Array;
    tensors.set(name, castFloat32({ dtype: "float32", shape: parameter.shape, data }, dtype));
  }
  await writeTogether(directory, "config.json", async (folder) => {
    await writeCheckpoint(folder, tensors);
    // The older of the two names that transformers reads; without one it takes the file's own type.
    await writeJson(join(folder, "config.json"), dtype === "float32" ? config : { ...config, torch_dtype: dtype });
  });
}
