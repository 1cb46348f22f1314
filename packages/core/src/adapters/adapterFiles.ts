// Adapters on disk as PEFT has them: `adapter_config.json`, `adapter_model.safetensors` and a model card.

import { join } from "node:path";
import type { Parameter } from "../engine/index.js";
import { PeftError } from "../errors.js";
import { isThere } from "../files/folder.js";
import {
  castFloat32,
  type FloatType,
  type HostTensor,
  openCheckpoint,
  readJson,
  type TensorSource,
  toFloat32,
  writeFileAtomic,
  writeJson,
  writeSafetensors,
} from "../files/index.js";
import { findFolder, writeTogether } from "../models/folder.js";
import type { HostModel, Naming } from "../models/index.js";
import { checkTensors, type ExpectedTensor } from "../models/mismatch.js";
import { addCopies } from "./attachment.js";
import { isObject, type PeftConfig } from "./config.js";
import type { Attachment } from "./method.js";
import { modelCard } from "./modelCard.js";
import { methodOf } from "./registry.js";
import { savedModules, savedModulesIn } from "./savedModules.js";
import { TrainedCopies } from "./trainedCopies.js";

const CONFIG_FILE = "adapter_config.json";
const WEIGHTS_FILE = "adapter_model.safetensors";
const CARD_FILE = "README.md";
/** PEFT's wrapper around the host is part of every key. */
const PREFIX = "base_model.model.";
/** That of PEFT's methods which leave the host's modules alone. */
const PREFIX_BESIDE = "base_model.";
/** PEFT repeats the weight of some adapted embeddings in the adapter's file. */
const REPEATED = ".base_layer.weight";
/** With `bias="all"` PEFT also saves the biases in its wrapper around a copied module: the host's, and the copy's once more. */
const WRAPPED = /\.(original_module|modules_to_save)(?=\.)/;

/** PEFT's name for the adapter that is there when nobody names one. */
export const DEFAULT_ADAPTER = "default";

/** Writes an adapter into a folder: all of its files, or none. */
export async function writeAdapter(
  directory: string,
  adapter: { host: HostModel; config: PeftConfig; attachment: Attachment; naming: Naming; dtype: FloatType },
): Promise<void> {
  const { host, config, attachment, naming, dtype } = adapter;
  const tensors = new Map<string, HostTensor>();
  for (const [key, parameter] of attachment.parameters) {
    if (attachment.folded && attachment.beside?.has(key)) continue;
    const inFile = keyInFile(attachment, key, host.names.to(naming, key));
    tensors.set(inFile, castFloat32(await toFile(parameter, attachment.bytes?.has(key) ?? false), dtype));
  }
  for (const [key, tensor] of (await attachment.folded?.()) ?? []) tensors.set(key, castFloat32(tensor, dtype));
  const json = describe(host, config, attachment, naming);
  const hasCard = await isThere(join(directory, CARD_FILE));
  await writeTogether(directory, CONFIG_FILE, async (folder) => {
    await writeSafetensors(join(folder, WEIGHTS_FILE), tensors, { format: "pt" });
    await writeJson(join(folder, CONFIG_FILE), json, { sortKeys: true });
    // A card that is there may have been written by hand.
    if (!hasCard) await writeFileAtomic(join(folder, CARD_FILE), modelCard(json));
  });
}

/** @param spelt the key in the file's spelling */
function keyInFile({ beside }: Attachment, key: string, spelt: string): string {
  if (!beside) return PREFIX + spelt;
  return beside.has(key) ? key : PREFIX_BESIDE + spelt;
}

/**
 * The key of a tensor in a file, in the host's spelling; undefined for a name that no key has. PEFT takes names with the
 * adapter's own in them, as its models have it in memory: `lora_A.default.weight`.
 */
function keyOf(
  { beside, parameters }: Attachment,
  host: HostModel,
  name: string,
  adapterName: string,
): string | undefined {
  if (beside?.has(name)) return name;
  const prefix = beside ? PREFIX_BESIDE : PREFIX;
  if (!name.startsWith(prefix)) return undefined;
  const key = host.names.toHost(name.slice(prefix.length));
  const shorter = [adapterName, DEFAULT_ADAPTER].map((own) => `${key}.`.replace(`.${own}.`, ".").slice(0, -1));
  const tied = host.tiedWeights.find(({ copies }) => copies.includes(key));
  return tied?.parameter ?? [key, ...shorter].find((one) => parameters.has(one)) ?? key;
}

function describe(
  host: HostModel,
  config: PeftConfig,
  attachment: Attachment,
  naming: Naming,
): Record<string, unknown> {
  const json: Record<string, unknown> = attachment.describe?.(naming) ?? config.toJSON();
  const { base_model_name_or_path: base, task_type: task, modules_to_save: saved, revision, ...rest } = json;
  const modules = saved === undefined ? savedModules(host, undefined) : (saved as string[] | null);
  return {
    ...rest,
    auto_mapping: null,
    base_model_name_or_path: base ?? host.nameOrPath ?? null,
    inference_mode: true,
    modules_to_save: modules?.length ? savedModulesIn(host, modules, naming) : null,
    revision: revision ?? null,
    task_type: task ?? null,
  };
}

async function toFile(parameter: Parameter, asBytes: boolean): Promise<HostTensor> {
  const { shape } = parameter;
  const data = await parameter.read();
  if (data instanceof Float32Array) return { dtype: "float32", shape, data };
  if (data instanceof Uint8Array) return { dtype: "bool", shape, data };
  return asBytes ? { dtype: "uint8", shape, data: Uint8Array.from(data) } : { dtype: "int32", shape, data };
}

/** An adapter's config, and its opened weights. Close them when done. */
export interface OpenAdapter {
  readonly config: PeftConfig;
  readonly weights: TensorSource;
  readonly place: string;
}

/**
 * Opens an adapter's folder. Of the weights only the header is read.
 *
 * @throws PeftError HUB_ID, FILE_MISSING, CONFIG_INVALID, JSON_INVALID, SAFETENSORS_INVALID, CHECKPOINT_INVALID
 */
export async function openAdapter(directory: string): Promise<OpenAdapter> {
  const folder = await findFolder(directory);
  const configPath = join(folder, CONFIG_FILE);
  const json = await readJson(configPath);
  const config = methodOf(isObject(json) ? json.peft_type : undefined, configPath).fromJSON(json, configPath);
  const weightsPath = join(folder, WEIGHTS_FILE);
  const pickled = join(folder, "adapter_model.bin");
  const path = !(await isThere(weightsPath)) && (await isThere(pickled)) ? pickled : weightsPath;
  return { config, weights: await openCheckpoint(path), place: path };
}

/**
 * Attaches an adapter's method to a host. Where the vocabulary was enlarged, PEFT's file has the tables of tokens too: the
 * adapter then holds copies of the host's, for the file's to go to.
 *
 * @throws PeftError what attaching the method throws; the host is then as it was
 */
export function attachOpened({ config, weights }: OpenAdapter, host: HostModel, adapterName: string): Attachment {
  const attachment = config.attach(host, adapterName);
  const keys = new Set([...weights.tensors.keys()].map((name) => keyOf(attachment, host, name, adapterName)));
  const tables = host.vocabularyTables.filter((name) => keys.has(name) && !attachment.parameters.has(name));
  return tables.length === 0 ? attachment : addCopies(attachment, new TrainedCopies(host, tables));
}

/**
 * Fills an attachment with the numbers of a file, whose keys may be in either spelling. Nothing is changed unless every
 * tensor is there, none is left over, and all have been read.
 *
 * @throws PeftError KEY_MISMATCH with `{ missing, unexpected, misshapen }`; CHECKPOINT_MISMATCH for another host's embedding;
 *   CHECKPOINT_INVALID for a value that the config does not know
 */
export async function readAdapter(
  { weights, place }: OpenAdapter,
  host: HostModel,
  attachment: Attachment,
  adapterName: string,
): Promise<void> {
  const found = new Map<string, string>();
  const strangers: string[] = [];
  const repeats = new Map<string, Parameter>();
  const hostParameters = host.parameters();
  for (const name of weights.tensors.keys()) {
    const key = keyOf(attachment, host, name, adapterName);
    const repeated = key?.endsWith(REPEATED) ? hostParameters.get(key.replace(REPEATED, ".weight")) : undefined;
    if (repeated) repeats.set(name, repeated);
    else if (key !== undefined && isSpare(key, host, found, attachment)) continue;
    else if (key === undefined || !attachment.parameters.has(key) || found.has(key)) strangers.push(name);
    else found.set(key, name);
  }
  const expected = new Map<string, ExpectedTensor>(
    [...attachment.parameters].map(([key, { shape, dtype }]) => [key, { shape, dtype, source: found.get(key) }]),
  );
  checkTensors(weights, expected, strangers, place, vocabularyHint(host, expected, weights));
  for (const [name, parameter] of repeats) await assertRepeats(weights, name, parameter, place);
  const numbers = new Map<Parameter, HostTensor>();
  for (const [key, parameter] of attachment.parameters) numbers.set(parameter, await weights.read(found.get(key)!));
  for (const [key, count] of attachment.bytes ?? []) {
    assertBelow(count, numbers.get(attachment.parameters.get(key)!)!, found.get(key)!, place);
  }
  for (const [parameter, tensor] of numbers) parameter.adopt(toParameter(parameter, tensor));
}

/** @throws PeftError CHECKPOINT_INVALID */
function assertBelow(count: number, { data }: HostTensor, name: string, place: string): void {
  const wrong = Array.from(data as ArrayLike<number>, Number).find((value) => !(value >= 0 && value < count));
  if (wrong === undefined) return;
  throw new PeftError("CHECKPOINT_INVALID", `${name} has a ${wrong}, and the config knows 0 to ${count - 1}`, {
    place,
    hint: `${CONFIG_FILE} is that of another adapter, or was changed`,
  });
}

/** Whether the file may have a tensor of this key beside another of the same numbers, or of none that are needed. */
function isSpare(key: string, host: HostModel, found: ReadonlyMap<string, string>, { replaces }: Attachment): boolean {
  if (found.has(key)) return host.tiedWeights.some(({ parameter }) => parameter === key);
  return WRAPPED.test(key) && replaces?.has(key.replace(WRAPPED, "")) === true;
}

/** What to do where the adapter was trained with another number of tokens than the host has. */
function vocabularyHint(
  host: HostModel,
  expected: ReadonlyMap<string, ExpectedTensor>,
  weights: TensorSource,
): string | undefined {
  for (const table of host.vocabularyTables) {
    const { shape, source = "" } = expected.get(table) ?? {};
    const tokens = weights.tensors.get(source)?.shape[0];
    if (tokens === undefined || tokens === shape![0]) continue;
    const how =
      "resizeTokenEmbeddings" in host ? `call resizeTokenEmbeddings(${tokens}) on it first` : "load one that has them";
    return `the adapter was trained with ${tokens} tokens, and the host has ${shape![0]}: ${how}`;
  }
  return undefined;
}

/** @throws PeftError CHECKPOINT_MISMATCH if the adapter's file has a weight of the host with other numbers */
async function assertRepeats(weights: TensorSource, name: string, parameter: Parameter, place: string): Promise<void> {
  const own = await parameter.read();
  const { shape } = weights.tensors.get(name)!;
  const isSameShape = String(shape) === String(parameter.shape);
  const there = isSameShape ? toFloat32(await weights.read(name)) : undefined;
  if (there?.every((x, i) => x === own[i])) return;
  throw new PeftError("CHECKPOINT_MISMATCH", `the adapter was trained on another ${parameter.name} than the host's`, {
    place,
    hint: "load the host that the adapter was trained on, with its vocabulary if that was enlarged",
    details: { shape, host: parameter.shape },
  });
}

function toParameter({ dtype }: Parameter, tensor: HostTensor): Float32Array | Int32Array | Uint8Array {
  if (dtype === "float32") return toFloat32(tensor);
  if (dtype === "int32") return Int32Array.from(tensor.data as ArrayLike<number>, Number);
  return Uint8Array.from(tensor.data as ArrayLike<number>, Number);
}
