// The engine's public face.

import "./kernels/index.js";

export { checkpoint } from "./checkpoint.js";
export {
  type CompiledEngineOptions,
  type CompiledFunction,
  compile,
  draw,
  type EagerEngineOptions,
  engineInfo,
  useEngine,
} from "./compile.js";
export type { Distribution, RandomKey } from "./draw.js";
export type { Argument, EngineInfo, Outputs } from "./engine.js";
export { type ExplainedNode, Explanation, type Stage } from "./explain.js";
export { gradients } from "./gradients.js";
export type { DType, Spec } from "./graph.js";
export { Parameter, type ParameterData } from "./parameter.js";
export { inCheckpointing, inTraining, inVariant, isTraining, structureChanged, variants } from "./state.js";
