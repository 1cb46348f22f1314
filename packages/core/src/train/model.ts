// What can be trained: a model that says which of its parameters are, and what its method does beyond that.

import type { TrainingHooks } from "../adapters/method.js";
import type { Parameter } from "../engine/index.js";
import type { Trainable } from "../models/index.js";

/** A model with trained parameters, such as a `PeftModel`. */
export interface TrainableModel extends Trainable {
  /** The parameters that are trained, by the names under which they are saved. */
  trainableParameters(): ReadonlyMap<string, Parameter>;
  readonly hooks?: TrainingHooks;
}
