// Host models.

export {
  HostModel,
  type ModelArguments,
  type ModelInputs,
  type ModelOutput,
  run,
  type Trainable,
} from "./hostModel.js";
export * from "./vit/index.js";
