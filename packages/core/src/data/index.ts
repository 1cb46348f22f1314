// Pictures: decoding, transforms equal to Python's, data sets, and batches. Sequences: batches padded to a few lengths.

export { type AffineFilter, type AffineMatrix, rotate, transformAffine } from "./affine.js";
export type { Batch, BatchSource, EpochOptions } from "./batches.js";
export type { LoaderOptions } from "./batchLoading.js";
export { type ArrayExample, collateArrays, type Padding } from "./collate.js";
export {
  adjustBrightness,
  adjustContrast,
  adjustHue,
  adjustSaturation,
  adjustSharpness,
  grayscale,
} from "./color.js";
export { type ColorJitterOptions, colorJitter } from "./colorJitter.js";
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
  flipVertical,
  type ImagePadMode,
  type Margins,
  resizeShortestEdge,
  type Size,
} from "./geometry.js";
export { decodeImage, MAX_IMAGE_PIXELS, type Rgb, type RgbImage } from "./image.js";
export { ImageFolder, type SplitShares } from "./imageFolder.js";
export { type ImageProcessor, readImageProcessor } from "./imageProcessor.js";
export { autoContrast, equalize, invert, posterize, solarize, solarizeAdd } from "./levels.js";
export { type MixupOptions, mixup } from "./mixup.js";
export { HALF_NORMALIZATION, IMAGENET_NORMALIZATION, type Normalization, toFloatCHW } from "./normalize.js";
export { type RandAugmentOptions, randAugment } from "./randAugment.js";
export { type AugmentationKey, augmentationKey, permutation, uniformAt } from "./random.js";
export { type RandomErasingOptions, randomErasing } from "./randomErasing.js";
export { type RandomResizedCropOptions, randomResizedCrop } from "./randomResizedCrop.js";
export type { Range } from "./ranges.js";
export { type Box, type ResizeFilter, resize } from "./resize.js";
export { ArrayDataset, type SequenceBatch, SequenceLoader, type SequenceLoaderOptions } from "./sequenceLoader.js";
export { type TimmRandAugmentOptions, timmRandAugment } from "./timmRandAugment.js";
export {
  type BatchTransform,
  centerCropTo,
  compose,
  type PixelTransform,
  padBy,
  randomCrop,
  randomGrayscale,
  randomHorizontalFlip,
  randomVerticalFlip,
  resizeShortestEdgeTo,
  resizeTo,
  type Transform,
} from "./transforms.js";
