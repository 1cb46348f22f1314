// Host models.

export { type Classification, type ClassifyOptions, classify, type PictureModel } from "./classify.js";
export {
  HostModel,
  type ModelArguments,
  type ModelInputs,
  type ModelOutput,
  run,
  type Trainable,
} from "./hostModel.js";
export { loadHost } from "./loadHost.js";
export { type NameTable, type Naming, nameTable, SAME_NAMES } from "./names.js";
export * from "./vit/index.js";
