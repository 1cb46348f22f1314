// A host with adapters: it runs and trains like the host, and knows which of its parameters are trained.

import { randomUUID } from "node:crypto";
import { join } from "node:path";
import type * as tf from "@tensorflow/tfjs";
import { inVariant, type Parameter, structureChanged, variants } from "../engine/index.js";
import { PeftError } from "../errors.js";
import type { HostArray } from "../hostArray.js";
import {
  HostModel,
  type ModelArguments,
  type ModelInputs,
  type ModelOutput,
  type NameTable,
  type Naming,
  type SaveOptions,
} from "../models/index.js";
import { HOST_NAMES } from "../models/loadHost.js";
import { attachOpened, DEFAULT_ADAPTER, openAdapter, readAdapter, writeAdapter } from "./adapterFiles.js";
import type { CombinationOptions } from "./combination.js";
import { combineAdapters } from "./combineAdapters.js";
import type { AttachOptions, PeftConfig } from "./config.js";
import { countParameters, trainableLine } from "./counts.js";
import { forExamples, positionsOf } from "./examples.js";
import { combineHooks } from "./hooks.js";
import { hotswap } from "./hotswap.js";
import type { Attachment, TrainingHooks } from "./method.js";
import { type AdapterState, type LayerStatus, layerStatus, type ModelStatus, modelStatus } from "./status.js";
import { factorsAt } from "./targets.js";

interface Adapter {
  readonly config: PeftConfig;
  readonly attachment: Attachment;
  readonly isTrainable: boolean;
}

export interface LoadAdapterOptions {
  /** @defaultValue "default" */
  readonly adapterName?: string;
  /** Whether it is to be trained further. @defaultValue false */
  readonly isTrainable?: boolean;
}

export interface SavePretrainedOptions extends SaveOptions {
  /** Which generation of transformers is to read the file. @defaultValue "hf5" */
  readonly naming?: Naming;
  /** @defaultValue all */
  readonly selectedAdapters?: readonly string[];
}

/** A name becomes a folder. */
const ADAPTER_NAME = /^[\w][\w.-]*$/;

/**
 * A host with adapters, to be called like the host: `await model({ pixelValues })`. While adapters are attached, the host
 * itself runs with those that are active.
 */
export class PeftModel extends HostModel {
  readonly #host: HostModel;
  readonly #adapters = new Map<string, Adapter>();
  #active: readonly string[] = [];
  #merged: readonly string[] = [];
  readonly #disabled = `adapters disabled ${randomUUID()}`;

  /** Use `getPeftModel` or `PeftModel.fromPretrained`. @throws PeftError ARGUMENT_INVALID for a model without a head */
  constructor(host: HostModel) {
    assertHost(host);
    super();
    this.#host = host;
  }

  /**
   * Loads a saved adapter, ours or one of Python's PEFT, onto a host. Names of either generation of transformers are
   * understood.
   *
   * @param directory holds `adapter_config.json` and `adapter_model.safetensors`
   * @throws PeftError KEY_MISMATCH with `{ missing, unexpected, misshapen }`, CONFIG_INVALID, FILE_MISSING, HUB_ID,
   *   ARGUMENT_INVALID for a model without a head, and what attaching and reading the files throw; the host is then as it was
   */
  static async fromPretrained(
    host: HostModel,
    directory: string,
    options: LoadAdapterOptions = {},
  ): Promise<PeftModel> {
    const model = new PeftModel(host);
    await model.loadAdapter(directory, options);
    model.setAdapter(options.adapterName ?? DEFAULT_ADAPTER);
    return model;
  }

  override get headPath(): string | undefined {
    return this.#host.headPath;
  }

  override get names(): NameTable {
    return this.#host.names;
  }

  override get nameOrPath(): string | undefined {
    return this.#host.nameOrPath;
  }

  override set nameOrPath(origin: string) {
    this.#host.nameOrPath = origin;
  }

  /** The names of the adapters that are at work, in the order in which they were attached. */
  get activeAdapters(): readonly string[] {
    return this.#active;
  }

  /** The configs of all adapters, by name. */
  get peftConfig(): ReadonlyMap<string, PeftConfig> {
    return new Map([...this.#adapters].map(([name, { config }]) => [name, config]));
  }

  /**
   * What the active adapters do in training beyond being differentiated, as one.
   *
   * @throws PeftError ARGUMENT_INVALID if several have a loss of their own
   */
  get hooks(): TrainingHooks | undefined {
    return combineHooks(
      this.#active.flatMap((name) => {
        const { hooks } = this.#adapters.get(name)!.attachment;
        return hooks ? [{ hooks, label: (key: string) => this.#label(name, key) }] : [];
      }),
    );
  }

  getBaseModel(): HostModel {
    return this.#host;
  }

  /**
   * As the host's. Beside the host's inputs it takes `adapterIndices`, [batch] int32: for each example the position in
   * `activeAdapters` of the only adapter that is to work on it, or -1 for none (see `adapterIndices`).
   */
  override forward({ adapterIndices, ...inputs }: ModelInputs): ModelOutput {
    if (!variants().includes(this.#disabled)) {
      return adapterIndices ? this.#forwardMixed(inputs, adapterIndices) : this.#host.forward(inputs);
    }
    // At once and back again, so that nobody outside of `disableAdapter` sees it.
    this.#switch(false);
    try {
      return this.#host.forward(inputs);
    } finally {
      this.#switch(true);
    }
  }

  override checkInputs({ adapterIndices: _, ...inputs }: ModelArguments): void {
    this.#host.checkInputs(inputs);
  }

  #forwardMixed(inputs: ModelInputs, indices: tf.Tensor): ModelOutput {
    return forExamples(
      indices,
      this.#states().filter(({ isActive }) => isActive),
      () => this.#host.forward(inputs),
    );
  }

  /**
   * The input `adapterIndices`: which adapter works on each example of a batch. All must be active, and none may hold a head.
   *
   * @param adapterNames one for each example; "__base__" for none
   * @throws PeftError ADAPTER_UNKNOWN for one that is not active
   */
  adapterIndices(adapterNames: readonly string[]): HostArray & { readonly data: Int32Array } {
    return positionsOf(adapterNames, this.#active);
  }

  override loss(output: ModelOutput, batch: ModelInputs): tf.Tensor {
    return this.#host.loss(output, batch);
  }

  /** The host's parameters, and those of all adapters by the keys that their files have. */
  override parameters(): Map<string, Parameter> {
    const own = [...this.#adapters].flatMap(([name, { attachment }]) =>
      [...attachment.parameters].map(([key, parameter]) => [this.#label(name, key), parameter] as const),
    );
    return new Map([...own, ...this.#host.parameters()]);
  }

  /** The parameters that a training step is to change: those of the active adapters, but not of ones loaded to be used. */
  trainableParameters(): Map<string, Parameter> {
    return new Map(
      this.#active.flatMap((name) => {
        const { attachment, isTrainable } = this.#adapters.get(name)!;
        if (!isTrainable) return [];
        return [...attachment.trainable].map(([key, parameter]) => [this.#label(name, key), parameter] as const);
      }),
    );
  }

  /** An adapter's tensors, whether it is active or not, by the keys of its file. @throws PeftError ADAPTER_UNKNOWN */
  adapterParameters(adapterName: string = DEFAULT_ADAPTER): ReadonlyMap<string, Parameter> {
    return this.#adapter(adapterName).attachment.parameters;
  }

  /** Numbers that are trained, and all, counted as PEFT does: the host's, and the adapters' with their copies of a head. */
  getNbTrainableParameters(): { trainable: number; all: number } {
    return countParameters(this.#host, this.#states(), this.trainableParameters());
  }

  /** PEFT's line, as text: `trainable params: 1,234 || all params: 56,789 || trainable%: 2.1729`. */
  printTrainableParameters(): string {
    return trainableLine(this.getNbTrainableParameters());
  }

  /**
   * Attaches another adapter; it is not active until `setAdapter`. Merged adapters are unmerged.
   *
   * @throws PeftError ADAPTER_EXISTS, ARGUMENT_INVALID for a name that could not be a folder's, and what attaching throws
   */
  addAdapter(adapterName: string, config: PeftConfig, options: AttachOptions = {}): void {
    this.#attach(adapterName, config, true, () => config.attach(this.#host, adapterName, options));
  }

  /** As `PeftModel.fromPretrained`, beside the adapters that are there; not active until `setAdapter`. */
  async loadAdapter(directory: string, options: LoadAdapterOptions = {}): Promise<void> {
    const { adapterName = DEFAULT_ADAPTER, isTrainable = false } = options;
    const opened = await openAdapter(directory);
    try {
      const attach = () => attachOpened(opened, this.#host, adapterName);
      const attachment = this.#attach(adapterName, opened.config, isTrainable, attach);
      await readAdapter(opened, this.#host, attachment, adapterName).catch((error) => {
        this.deleteAdapter(adapterName);
        throw error;
      });
    } finally {
      await opened.weights.close();
    }
  }

  #attach(adapterName: string, config: PeftConfig, isTrainable: boolean, attach: () => Attachment): Attachment {
    if (!ADAPTER_NAME.test(adapterName)) {
      throw new PeftError("ARGUMENT_INVALID", `${JSON.stringify(adapterName)} cannot be an adapter's name`, {
        hint: "use letters, digits, dots, dashes and underscores: files are saved in a folder of this name",
      });
    }
    if (this.#adapters.has(adapterName)) {
      throw new PeftError("ADAPTER_EXISTS", `there is an adapter named "${adapterName}" already`, {
        hint: "choose another name, or deleteAdapter first",
      });
    }
    this.unmerge();
    // Attached to the bare host, so that it stands on the host's own parameters.
    this.#switch(false);
    try {
      const attachment = attach();
      attachment.setActive(false);
      this.#adapters.set(adapterName, { config, attachment, isTrainable });
      return attachment;
    } finally {
      this.#switch(true);
      structureChanged();
    }
  }

  /**
   * Makes a new adapter of several of one method (LoRA or (IA)3), as the weighted sum of what they do or as another of PEFT's
   * combinations; not active until `setAdapter`. It has no head and no biases of its own: those cannot be summed. Merged
   * adapters are unmerged.
   *
   * @param weights of the adapters, of either sign
   * @throws PeftError ADAPTER_UNKNOWN, ADAPTER_EXISTS; ARGUMENT_INVALID for adapters that do not go together: of several
   *   methods, with copies of one head, of ranks that do not fit
   */
  async addWeightedAdapter(
    adapterNames: readonly string[],
    weights: readonly number[],
    adapterName: string,
    options: CombinationOptions = {},
  ): Promise<void> {
    const sources = adapterNames.map((name, i) => ({ ...this.#adapter(name), weight: weights[i] ?? Number.NaN }));
    this.#assertApart(adapterNames);
    const { config, numbers } = await combineAdapters(this.#host, sources, options);
    const attach = () => config.attach(this.#host, adapterName);
    const { parameters } = this.#attach(adapterName, config, true, attach);
    for (const [key, data] of numbers) parameters.get(key)!.adopt(data);
  }

  /**
   * Makes one adapter the active one, or several. Merged adapters are unmerged.
   *
   * @throws PeftError ADAPTER_UNKNOWN; ARGUMENT_INVALID for several that hold copies of one parameter of the host
   */
  setAdapter(adapterNames: string | readonly string[]): void {
    const wanted = typeof adapterNames === "string" ? [adapterNames] : adapterNames;
    this.#assertApart(wanted);
    this.unmerge();
    this.#switch(false);
    this.#active = [...this.#adapters.keys()].filter((name) => wanted.includes(name));
    this.#switch(true);
    structureChanged();
  }

  /** Of several adapters none may hold a copy of the same parameter of the host. */
  #assertApart(names: readonly string[]): void {
    const held = new Map<string, string>();
    for (const name of names) {
      for (const parameter of this.#adapter(name).attachment.replaces?.keys() ?? []) {
        if (!held.has(parameter)) held.set(parameter, name);
        else if (held.get(parameter) !== name) {
          throw new PeftError("ARGUMENT_INVALID", `"${held.get(parameter)}" and "${name}" both hold ${parameter}`, {
            hint: "only one of them can be active; give the others modulesToSave: null",
          });
        }
      }
    }
  }

  /**
   * Makes an adapter stronger or weaker than it was trained: 1 is as trained, 0 is without it. A copied head or bias is not
   * scaled. Merged adapters are unmerged.
   *
   * @param factor one number, or numbers for layers by patterns such as those of `rankPattern`; the other layers are as trained
   * @throws PeftError ADAPTER_UNKNOWN; ARGUMENT_INVALID for a method that has no scale; TARGET_NOT_FOUND for a pattern that
   *   means no layer of the adapter
   */
  async setScale(adapterName: string, factor: number | Readonly<Record<string, number>>): Promise<void> {
    const { config, attachment } = this.#adapter(adapterName);
    if (!attachment.setScale) {
      throw new PeftError("ARGUMENT_INVALID", `${config.peftType} has no scale that could be changed`, {
        place: adapterName,
      });
    }
    const factorAt =
      typeof factor === "number" ? () => factor : factorsAt(factor, attachment.layers ?? [], this.#host.names);
    this.unmerge();
    await attachment.setScale(factorAt);
  }

  /**
   * Puts a saved adapter's numbers in the place of an attached one's, of the same method with tensors of the same shapes:
   * nothing is traced or compiled again. Its scalings come with it, and its config. Merged adapters are unmerged.
   *
   * @throws PeftError ADAPTER_UNKNOWN; ARGUMENT_INVALID for another method or a config that computes otherwise; KEY_MISMATCH
   *   and what reading the files throws; the numbers are then those that they were
   */
  async hotswapAdapter(directory: string, options: Pick<LoadAdapterOptions, "adapterName"> = {}): Promise<void> {
    const { adapterName = DEFAULT_ADAPTER } = options;
    const adapter = this.#adapter(adapterName);
    const config = await hotswap(directory, this.#host, { ...adapter, adapterName }, () => this.unmerge());
    this.#adapters.set(adapterName, { ...adapter, config });
  }

  /** The layers that adapters are attached to, and how they stand. */
  getLayerStatus(): LayerStatus[] {
    return layerStatus(this.#host, this.#states());
  }

  /** How the model stands as a whole. */
  getModelStatus(): ModelStatus {
    const { trainable, all } = this.getNbTrainableParameters();
    const counts = { trainableParams: trainable, totalParams: all };
    return modelStatus(this.#host, this.#states(), { ...counts, enabled: !variants().includes(this.#disabled) });
  }

  #states(): AdapterState[] {
    return [...this.#adapters].map(([name, { config, attachment, isTrainable }]) => {
      const [isActive, isMerged] = [this.#active.includes(name), this.#merged.includes(name)];
      return { name, config, attachment, isTrainable, isActive, isMerged };
    });
  }

  /** Takes an adapter off and frees it. Merged adapters are unmerged. @throws PeftError ADAPTER_UNKNOWN */
  deleteAdapter(adapterName: string): void {
    const { attachment } = this.#adapter(adapterName);
    this.unmerge();
    this.#switch(false);
    attachment.detach();
    this.#adapters.delete(adapterName);
    this.#active = this.#active.filter((name) => name !== adapterName);
    this.#switch(true);
    structureChanged();
  }

  /**
   * Runs a function inside which, and inside whatever it awaits, the model computes what the bare host does. Calls outside
   * that go on meanwhile are not affected.
   */
  disableAdapter<T>(body: () => T): T {
    return inVariant(this.#disabled, body);
  }

  /**
   * Folds the active adapters into the host's weights, which makes them faster; `unmerge` undoes it bit for bit.
   *
   * @throws PeftError MERGE_UNSUPPORTED for a method that cannot, MERGE_NAN; nothing is then changed
   */
  async merge(): Promise<void> {
    const names = this.#active.filter((name) => !this.#merged.includes(name));
    for (const name of names) {
      const { config, attachment } = this.#adapters.get(name)!;
      if (typeof attachment.merge === "string") {
        throw new PeftError("MERGE_UNSUPPORTED", `${config.peftType} cannot be merged: ${attachment.merge}`, {
          place: name,
          hint: "keep the adapter, or take it off with unload()",
        });
      }
    }
    const before = this.#merged;
    try {
      for (const name of names) {
        await (this.#adapters.get(name)!.attachment.merge as () => Promise<void>)();
        this.#merged = [...this.#merged, name];
      }
    } catch (error) {
      this.#unmergeDownTo(before);
      throw error;
    } finally {
      structureChanged();
    }
  }

  /** Undoes `merge`: the host's weights are bit for bit what they were. */
  unmerge(): void {
    if (this.#merged.length === 0) return;
    this.#unmergeDownTo([]);
    structureChanged();
  }

  #unmergeDownTo(kept: readonly string[]): void {
    // The last that was merged stands upon the others.
    for (const name of this.#merged.slice(kept.length).reverse()) this.#adapters.get(name)!.attachment.unmerge?.();
    this.#merged = kept;
  }

  /**
   * Folds the active adapters, or those named, into the host for good, takes all adapters off, and gives the host. Copies of
   * a head and of biases become the host's own.
   *
   * @throws PeftError as `merge`; as `setAdapter` for those named
   */
  async mergeAndUnload(options: { readonly adapterNames?: readonly string[] } = {}): Promise<HostModel> {
    if (options.adapterNames) this.setAdapter(options.adapterNames);
    await this.merge();
    return this.#takeOff((name) => this.#merged.includes(name));
  }

  /** Takes all adapters off and gives the host, bit for bit as it was. */
  unload(): HostModel {
    this.unmerge();
    return this.#takeOff(() => false);
  }

  #takeOff(keep: (name: string) => boolean): HostModel {
    for (const [name, { attachment }] of [...this.#adapters].reverse()) attachment.detach({ keepMerged: keep(name) });
    this.#adapters.clear();
    this.#active = [];
    this.#merged = [];
    structureChanged();
    return this.#host;
  }

  /**
   * Writes the adapters as PEFT does: `adapter_config.json`, `adapter_model.safetensors` and a model card, the default
   * adapter in the folder itself, others in folders of their names. Each is there whole or not at all.
   *
   * @throws PeftError ADAPTER_UNKNOWN, FILE_UNWRITABLE; TARGET_UNSUPPORTED for `modulesToSave` that have no name in `naming`
   */
  override async savePretrained(directory: string, options: SavePretrainedOptions = {}): Promise<void> {
    const { naming = "hf5", dtype = "float32", selectedAdapters = [...this.#adapters.keys()] } = options;
    const selected = selectedAdapters.map((name) => [name, this.#adapter(name)] as const);
    for (const [name, { config, attachment }] of selected) {
      const folder = name === DEFAULT_ADAPTER ? directory : join(directory, name);
      await writeAdapter(folder, { host: this.#host, config, attachment, naming, dtype });
    }
  }

  /** Frees the adapters and the host. */
  override dispose(): void {
    this.unload().dispose();
  }

  #adapter(name: string): Adapter {
    const adapter = this.#adapters.get(name);
    if (adapter) return adapter;
    throw new PeftError("ADAPTER_UNKNOWN", `there is no adapter named "${name}"`, {
      hint: `there are ${[...this.#adapters.keys()].join(", ") || "none"}`,
    });
  }

  #switch(active: boolean): void {
    const names = active ? this.#active : [...this.#active].reverse();
    for (const name of names) this.#adapters.get(name)!.attachment.setActive(active);
  }

  /** Keys are told apart by the adapter's name where there are several. */
  #label(adapterName: string, key: string): string {
    return this.#adapters.size > 1 ? `${adapterName}:${key}` : key;
  }
}

/** @throws PeftError ARGUMENT_INVALID for a bare model, or anything else that could not be trained */
function assertHost(host: unknown): void {
  if (typeof (host as Partial<HostModel> | undefined)?.loss === "function") return;
  const name = (host as object | undefined)?.constructor.name ?? String(host);
  const family = HOST_NAMES.filter((one) => one.startsWith(name.replace(/Model$/, "For")));
  throw new PeftError("ARGUMENT_INVALID", `${name} has no head, so it is no host for adapters`, {
    place: "host",
    hint: `load the folder as ${(family.length > 0 ? family : HOST_NAMES).join(" or ")}, with labels where the head is new`,
  });
}
