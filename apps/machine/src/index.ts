export { peakMemoryMb } from "./peakMemory.js";
export { type Processor, parseCpuinfo, processor, processorLine } from "./processor.js";
