// Checkpoint files and JSON: reading and writing numbers by name, without any engine.

export { writeFileAtomic } from "./atomic.js";
export { openCheckpoint, type WriteCheckpointOptions, writeCheckpoint } from "./checkpoint.js";
export { castFloat32, type FloatType, toBFloat16, toFloat16, toFloat32 } from "./floatCasts.js";
export {
  type DType as HostDType,
  elementBytes,
  elementCount,
  type HostTensor,
  tensorFromBuffer,
} from "./hostTensor.js";
export { readJson, type WriteJsonOptions, writeJson } from "./json.js";
export { makeFolder } from "./makeFolder.js";
export {
  openSafetensors,
  type ParsedSafetensors,
  parseSafetensors,
  readSafetensors,
  type TensorSource,
} from "./safetensors.js";
export type { TensorInfo } from "./safetensorsHeader.js";
export { type NamedTensors, serializeSafetensors, writeSafetensors } from "./safetensorsWriter.js";
