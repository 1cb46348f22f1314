// What every host model is: a module over named inputs that can be called from outside, where it is compiled by itself.

import type * as tf from "@tensorflow/tfjs";
import { type ByName, compileByName } from "../engine/compileByName.js";
import type { Argument, Parameter } from "../engine/index.js";
import { Module, namedParameters } from "../nn/index.js";
import { type SaveOptions, saveModel } from "./loading.js";
import { type NameTable, SAME_NAMES } from "./names.js";

/** Tensors by the names that the model's `forward` documents. */
export type ModelInputs = Readonly<Record<string, tf.Tensor>>;
/** Numbers for `ModelInputs`: TensorFlow.js tensors or host arrays. */
export type ModelArguments = Readonly<Record<string, Argument>>;

/** What `forward` computes. In a compiled function what nobody reads costs nothing. */
export interface ModelOutput {
  /** What the head says; for a classifier [batch, classes]. */
  readonly logits: tf.Tensor;
  /** The embeddings' output and each block's. */
  readonly hiddenStates: readonly tf.Tensor[];
}

/** Anything that runs and trains like a host model: hosts, and hosts with adapters. */
export interface Trainable {
  /** The pure function, to be used inside a compiled function. */
  forward(inputs: ModelInputs): ModelOutput;
  /** The task's loss, a scalar. `batch` holds the inputs and the targets. */
  loss(output: ModelOutput, batch: ModelInputs): tf.Tensor;
  /** Looks at a batch whose numbers are on the host, before it is computed with. @throws PeftError DATA_INVALID */
  checkInputs?(inputs: ModelArguments): void;
}

/** Names of modules, as ends of their paths. */
export interface Ia3Targets {
  readonly targetModules: readonly string[];
  readonly feedforwardModules: readonly string[];
}

/** A parameter here that several modules have as theirs in transformers. */
export interface TiedWeight {
  /** Its name here. */
  readonly parameter: string;
  /** Its further names in transformers. */
  readonly copies: readonly string[];
  /** Whether transformers runs the module that it belongs to here, and not only the others. */
  readonly isCalled: boolean;
}

/**
 * A host model. It is a function: `await model({ pixelValues })` runs it compiled and resolves to `{ logits }`, whose
 * tensors belong to the caller.
 */
export interface HostModel {
  (inputs: ModelArguments): Promise<{ logits: tf.Tensor }>;
}

// The interface and the class are one: the constructor returns a function, which the interface's signature describes.
export abstract class HostModel extends Module implements Trainable {
  constructor() {
    super();
    const model = ((inputs: ModelArguments) => run(model, inputs)) as unknown as this;
    // biome-ignore lint/correctness/noConstructorReturn: an instance is to be callable, as in transformers.js
    return Object.setPrototypeOf(Object.assign(model, { path: "" }), new.target.prototype);
  }

  /** The path of the module that makes the logits, which a new task trains anew. */
  get headPath(): string | undefined {
    return undefined;
  }

  /** The spellings of the modules' names. */
  get names(): NameTable {
    return SAME_NAMES;
  }

  /** Names of the modules that LoRA adapts where a config names none, as in PEFT's table of architectures. */
  get defaultTargets(): readonly string[] | undefined {
    return undefined;
  }

  /** The same for (IA)3, with those among them whose input it multiplies. */
  get ia3Targets(): Ia3Targets | undefined {
    return undefined;
  }

  /** The parameters that stand for several of transformers' modules. */
  get tiedWeights(): readonly TiedWeight[] {
    return [];
  }

  /** The parameters that have a row for each token of the vocabulary. */
  get vocabularyTables(): readonly string[] {
    return [];
  }

  /** Where the model came from, as given to `fromPretrained`. Adapters' files name it; a hub's name may be put in its place. */
  get nameOrPath(): string | undefined {
    return origins.get(this);
  }

  set nameOrPath(origin: string) {
    origins.set(this, origin);
  }

  /** Looks at inputs whose numbers are on the host, before a call computes with them. @throws PeftError DATA_INVALID */
  checkInputs(_inputs: ModelArguments): void {}

  abstract override forward(inputs: ModelInputs): ModelOutput;
  abstract loss(output: ModelOutput, batch: ModelInputs): tf.Tensor;

  /** What `config.json` is to hold. */
  configJSON(): Record<string, unknown> {
    return {};
  }

  /**
   * Writes `config.json` and `model.safetensors` as Hugging Face has them, both or neither. Adapters are not part of them:
   * merge them first.
   *
   * @throws PeftError FILE_UNWRITABLE
   */
  savePretrained(directory: string, options: SaveOptions = {}): Promise<void> {
    return saveModel(directory, this, this.configJSON(), options);
  }

  /** Every parameter by its name in the checkpoint file. */
  parameters(): Map<string, Parameter> {
    return namedParameters(this);
  }

  /** Frees every parameter. Any later use throws DISPOSED. */
  dispose(): void {
    for (const parameter of this.parameters().values()) parameter.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

// A field of this class would be one of the object that the constructor leaves behind.
const origins = new WeakMap<HostModel, string>();
const calls = new WeakMap<Trainable, ByName<{ logits: tf.Tensor }>>();

/** Runs a model's forward pass on the engine. */
export async function run(model: Trainable, inputs: ModelArguments): Promise<{ logits: tf.Tensor }> {
  if (model instanceof HostModel) model.checkInputs(inputs);
  const names = Object.keys(inputs).sort();
  const byName = calls.get(model) ?? compileByName((batch) => ({ logits: model.forward(batch).logits }));
  calls.set(model, byName);
  return byName(names)(...names.map((name) => inputs[name]!));
}
