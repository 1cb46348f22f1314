// The one interface between an adaptation method and everything else: how it is attached, and what it changes in training.
// The trainer knows no method by name.

import type * as tf from "@tensorflow/tfjs";
import type { Parameter } from "../engine/index.js";
import type { HostTensor } from "../files/index.js";
import type { ModelInputs, ModelOutput, Naming } from "../models/index.js";

/** A training step as a method sees it, inside a compiled function. */
export interface StepContext {
  /** The step's inputs and targets. */
  readonly batch: ModelInputs;
  /** Runs the adapted model; a method may do so more than once. */
  forward(inputs: ModelInputs): ModelOutput;
  /** The task's loss, a scalar. */
  criterion(output: ModelOutput, batch: ModelInputs): tf.Tensor;
}

/** How an optimizer is to treat one parameter in one step; both broadcast to the parameter's shape. */
export interface UpdateScope {
  /** 1 where the update may touch the parameter (weights, moments and decay), 0 where all stays. */
  readonly mask?: tf.Tensor;
  /** How many updates each entry has had, this one included; for Adam's bias correction. */
  readonly steps?: tf.Tensor;
}

/** What a method does in training beyond being differentiated. Every part is optional. */
export interface TrainingHooks {
  /** The loss of a step, a scalar. Without it: `criterion(forward(batch), batch)`. */
  loss?(context: StepContext): tf.Tensor;
  /**
   * Inside the compiled step, after the loss: which entries of a trained parameter may move. May assign to the method's
   * own counters.
   */
  updateScope?(name: string, parameter: Parameter): UpdateScope | undefined;
  /** Parameters that are part of the training state but not trained nor saved with the adapter, such as counters. */
  readonly state?: ReadonlyMap<string, Parameter>;
  /** Called before the model is evaluated, and `afterEvaluation` when training goes on. */
  beforeEvaluation?(): Promise<void> | void;
  afterEvaluation?(): Promise<void> | void;
  onEpochEnd?(epoch: number): Promise<void> | void;
}

/** A config, as far as an attachment needs to know it. */
export interface WithFields {
  toJSON(): Record<string, unknown>;
}

/** A method attached to a host, under one adapter name. */
export interface Attachment {
  /**
   * The adapter's tensors as its file holds them: keys without the `base_model.model.` prefix and without the adapter's
   * name, in the host's own spelling, such as `vit.encoder.layer.0.attention.attention.query.lora_A.weight`.
   */
  readonly parameters: ReadonlyMap<string, Parameter>;
  /** Those that are trained, by the same keys. */
  readonly trainable: ReadonlyMap<string, Parameter>;
  /**
   * Those that stand in for parameters of the host while the adapter is active (biases, a head, or everything), by the
   * host's names.
   */
  readonly replaces?: ReadonlyMap<string, Parameter>;
  /**
   * Keys of int32 tensors whose values fit a byte, with the number of values that there are, 0 and up: the file holds them
   * as U8, and one with another value is refused.
   */
  readonly bytes?: ReadonlyMap<string, number>;
  /**
   * Keys of tensors that stand beside the host and not in its modules, such as prompts. PEFT's file then has these keys as
   * they are, and those of copied modules after `base_model.` alone.
   */
  readonly beside?: ReadonlySet<string>;
  /** What the file holds in place of the tensors that are beside the host, where it is not those themselves. */
  readonly folded?: () => Promise<ReadonlyMap<string, HostTensor>>;
  readonly hooks?: TrainingHooks;
  /** The config as the file is to hold it, such as with the targets that were found. @defaultValue the config's own */
  describe?(naming: Naming): Record<string, unknown>;
  /**
   * Switches the adapter on or off without taking it away; at once, and cheap. The caller tells the engine
   * (`structureChanged`) or runs under a variant.
   */
  setActive(active: boolean): void;
  /** Paths of the host's modules that the adapter is attached to, copies of parameters apart. */
  readonly layers?: readonly string[];
  /** Multiplies what the adapter adds at each layer, against what it was trained with; without tracing anything again. */
  setScale?(factorAt: (path: string) => number): Promise<void>;
  /**
   * Limits the adapter to some examples of the batch while a model is traced; undefined ends it.
   *
   * @param examples [batch] float32, 1 for those that it is for and 0 for the others
   */
  setExamples?(examples: tf.Tensor | undefined): void;
  /**
   * Checks whether another config computes the same but for its tensors, and gives what else is to be taken over from it.
   * Without it: the fields must be equal.
   *
   * @throws PeftError ARGUMENT_INVALID naming what is different
   */
  swap?(config: WithFields): () => Promise<void>;
  /** Folds the adapter into the host's weights. Where the method cannot, a sentence that says why. */
  readonly merge: (() => Promise<void>) | string;
  /** Undoes `merge`, bit for bit. */
  unmerge?(): void;
  /**
   * Takes the adapter off and frees it; the host is bit for bit what it was.
   *
   * @param options.keepMerged leaves what `merge` made of the host's weights, and frees the old ones
   */
  detach(options?: { keepMerged?: boolean }): void;
}
