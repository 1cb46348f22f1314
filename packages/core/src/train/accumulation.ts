// A step over several batches: each adds its gradients, times its weight, to accumulators that stay where the engine
// computes; then one update is made of their weighted mean. Equal to the step over the one large batch, where losses are
// means over what the weights count.

import * as tf from "@tensorflow/tfjs";
import { type ByName, compileByName } from "../engine/compileByName.js";
import { type CompiledFunction, compile, Parameter } from "../engine/index.js";
import { PeftError } from "../errors.js";
import type { HostArray } from "../hostArray.js";
import { select } from "../ops/index.js";
import { hash } from "../random.js";
import type { TrainableModel } from "./model.js";
import { type BatchTensors, gradientsOf, methodCounts } from "./stepGradients.js";
import { floatArray, type StepPlan, type StepSettings, scalarsOf, type TrainingStepOptions } from "./stepPlan.js";
import { update } from "./stepUpdate.js";

/** A batch of a step over several. */
export interface WeightedBatch {
  readonly inputs: Readonly<Record<string, HostArray>>;
  /** What its loss is the mean of: its number of examples, or of target tokens. */
  readonly weight: number;
}

export class Accumulation {
  readonly #accumulators: readonly Parameter[];
  /** What the method had counted before the batch at work. */
  readonly #before: readonly Parameter[];
  readonly #add: ByName<tf.Tensor>;
  readonly #apply: CompiledFunction<tf.Tensor>;

  constructor(
    readonly model: TrainableModel,
    readonly options: TrainingStepOptions,
    readonly plan: StepPlan,
  ) {
    this.#accumulators = plan.trained.map(({ name, parameter }) =>
      Parameter.zeros(parameter.shape, { name: `accumulated.${name}` }),
    );
    this.#before = methodCounts(model).map(({ name, shape, dtype }) => Parameter.zeros(shape, { name, dtype }));
    this.#add = compileByName((batch, control) => this.#addBatch(batch, control!));
    this.#apply = compile((given, mean) => this.#update(given!, mean!));
  }

  /**
   * @param batches `count` of them, with weights above 0
   * @returns [loss, norm, 1 if finite else 0]; the loss is the weighted mean
   */
  async run(
    batches: AsyncIterable<WeightedBatch> | Iterable<WeightedBatch>,
    count: number,
    settings: StepSettings,
  ): Promise<tf.Tensor> {
    let [index, total, loss] = [0, 0, 0];
    for await (const { inputs, weight } of batches) {
      if (!(weight > 0 && Number.isFinite(weight))) {
        throw new PeftError("ARGUMENT_INVALID", `a batch cannot weigh ${weight}`, { place: "batchWeight" });
      }
      this.model.checkInputs?.(inputs);
      const names = Object.keys(inputs).sort();
      const key = { seed: this.#seed(settings.seed, index), step: settings.step };
      const control = floatArray([weight, Number(index > 0), Number(index === count - 1)]);
      const added = await this.#add(names).at(key)(...names.map((name) => inputs[name]!), control);
      loss += weight * (await added.data())[0]!;
      added.dispose();
      total += weight;
      index++;
    }
    const given = floatArray(scalarsOf(this.plan, this.options, settings));
    return this.#apply.at({ seed: settings.seed, step: settings.step })(given, floatArray([1 / total, loss / total]));
  }

  /**
   * Each batch has random numbers of its own, unless the method decides by them which entries the step may move: then the
   * step's batches share them, as the rows of one large batch do.
   */
  #seed(seed: number, index: number): number {
    return index === 0 || this.model.hooks?.updateScope ? seed : hash(seed, index);
  }

  /** @param control [weight, 1 unless it is the step's first batch, 1 if it is its last] */
  #addBatch(batch: BatchTensors, control: tf.Tensor): tf.Tensor {
    const [weight, later, last] = tf.unstack(control);
    const counts = methodCounts(this.model);
    // Cloned: run op by op, an assignment by the method frees the old numbers.
    const before = counts.map((parameter) => tf.clone(parameter.value()));
    const { loss, gradients } = gradientsOf(this.model, this.plan, batch, this.options);
    for (const [i, accumulator] of this.#accumulators.entries()) {
      // Chosen, not multiplied by 0: a step that came to nothing may have left a NaN.
      const sum = select(tf.cast(later!, "bool"), accumulator.value(), tf.scalar(0));
      accumulator.assign(tf.add(sum, tf.mul(gradients[i]!, weight!)));
    }
    // The method counts a step once.
    for (const [i, parameter] of counts.entries()) {
      parameter.assign(select(tf.cast(last!, "bool"), parameter.value(), before[i]!));
      this.#before[i]!.assign(before[i]!);
    }
    return loss;
  }

  /** @param mean [1 / the sum of the weights, the loss] */
  #update(given: tf.Tensor, mean: tf.Tensor): tf.Tensor {
    const [share, loss] = tf.unstack(mean);
    const gradients = this.#accumulators.map((accumulator) => tf.mul(accumulator.value(), share!));
    const { result, finite } = update(this.model, this.options, this.plan, { loss: loss!, gradients }, given);
    for (const [i, parameter] of methodCounts(this.model).entries()) {
      parameter.assign(select(finite, parameter.value(), this.#before[i]!.value()));
    }
    return result;
  }

  dispose(): void {
    for (const parameter of [...this.#accumulators, ...this.#before]) parameter.dispose();
  }
}
