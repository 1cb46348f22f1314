// Pictures: decoding, transforms equal to Python's, data sets, and batches.

export type { Batch, BatchSource, EpochOptions } from "./batches.js";
export { ContainerDataset } from "./containerDataset.js";
export { DataLoader, type DataLoaderOptions, type ImageBatch } from "./dataLoader.js";
export {
  cached,
  type Dataset,
  filterClasses,
  type ImageDataset,
  type ImageExample,
  InMemoryDataset,
  subset,
  takePerClass,
} from "./dataset.js";
export {
  type CenterRule,
  centerCrop,
  crop,
  flipHorizontal,
  resizeShortestEdge,
  type Size,
} from "./geometry.js";
export { decodeImage, MAX_IMAGE_PIXELS, type RgbImage } from "./image.js";
export { ImageFolder, type SplitShares } from "./imageFolder.js";
export { type ImageProcessor, readImageProcessor } from "./imageProcessor.js";
export { HALF_NORMALIZATION, IMAGENET_NORMALIZATION, type Normalization, toFloatCHW } from "./normalize.js";
export { type AugmentationKey, augmentationKey, permutation, uniformAt } from "./random.js";
export { type Box, type ResizeFilter, resize } from "./resize.js";
export {
  centerCropTo,
  compose,
  randomCrop,
  randomHorizontalFlip,
  resizeShortestEdgeTo,
  resizeTo,
  type Transform,
} from "./transforms.js";
