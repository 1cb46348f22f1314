// Differentiable operations over TensorFlow.js tensors, for functions that run on the engine.

export {
  type AttentionOptions,
  attention,
  causalMask,
  paddingMask,
} from "./attention.js";
export { type AvgPoolWindows, adaptiveAvgPool2d, avgPool2d } from "./avgPool2d.js";
export { type BatchNormOptions, batchNorm, batchNormTraining, type RunningMoments } from "./batchNorm.js";
export { binaryCrossEntropy } from "./binaryCrossEntropy.js";
export { conv2d } from "./conv2d.js";
export type { ConvWindows } from "./convGeometry.js";
export { type ConvTransposeWindows, convTranspose2d } from "./convTranspose2d.js";
export { type CumsumOptions, cumsum } from "./cumsum.js";
export { dropout } from "./dropout.js";
export { type ComplexTensor, fft2, ifft2, irfft2, rfft2 } from "./fourier.js";
export { gelu, geluTanh } from "./gelu.js";
export { groupNorm } from "./groupNorm.js";
export { type InterpolateOptions, interpolate } from "./interpolate.js";
export { klDivergence } from "./klDivergence.js";
export { layerNorm } from "./layerNorm.js";
export { linear } from "./linear.js";
export { type MaxPoolWindows, maxPool2d } from "./maxPool2d.js";
export { type PadMode, pad } from "./pad.js";
export type { PoolWindows } from "./poolGeometry.js";
export { randomBits } from "./randomBits.js";
export { meanSquaredError, smoothL1 } from "./regressionLosses.js";
export { relu } from "./relu.js";
export { rmsNorm } from "./rmsNorm.js";
export { roll } from "./roll.js";
export { select } from "./select.js";
export { type CrossEntropyOptions, softmaxCrossEntropy } from "./softmaxCrossEntropy.js";
export { softTargetCrossEntropy } from "./softTargetCrossEntropy.js";
export { quickGelu, silu } from "./swish.js";
export { takeAlongAxis } from "./takeAlongAxis.js";
