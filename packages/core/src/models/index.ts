// Host models.

export {
  HostModel,
  type ModelArguments,
  type ModelInputs,
  type ModelOutput,
  run,
  type Trainable,
} from "./hostModel.js";
export { type NameTable, type Naming, nameTable, SAME_NAMES } from "./names.js";
export * from "./vit/index.js";
