// The convolutions of AlexNet (Krizhevsky 2014) as torchvision has them, down to 6 x 6 places of 256 numbers.

import { adaptiveAvgPool2d, Conv2d, kaimingUniform, maxPool2d, relu } from "@peft/core";
import * as tf from "@tensorflow/tfjs";

/** By torchvision's number of the layer: channels in and out, kernel, stride, padding; whether a pooling follows. */
const CONVOLUTIONS = {
  0: { channels: [3, 64], kernel: 11, stride: 4, padding: 2, pooled: true },
  3: { channels: [64, 192], kernel: 5, stride: 1, padding: 2, pooled: true },
  6: { channels: [192, 384], kernel: 3, stride: 1, padding: 1, pooled: false },
  8: { channels: [384, 256], kernel: 3, stride: 1, padding: 1, pooled: false },
  10: { channels: [256, 256], kernel: 3, stride: 1, padding: 1, pooled: true },
} as const;

/** Rows and columns that are left, whatever the picture's size. */
const GRID = 6;

/** Numbers of a picture's features. */
export const ALEXNET_WIDTH: number = 256 * GRID * GRID;

export type AlexNet = Readonly<Record<string, Conv2d>>;

/** The layers with weights, by torchvision's numbers; Kaiming-uniform, biases 0. */
export function alexNet(seed: number): AlexNet {
  const layers = Object.entries(CONVOLUTIONS).map(([number, { channels, kernel, stride, padding }]) => {
    const [inChannels, outChannels] = channels;
    const options = { kernel: [kernel, kernel], stride, padding, init: kaimingUniform(seed) } as const;
    return [number, new Conv2d(inChannels, outChannels, options)] as const;
  });
  return Object.fromEntries(layers);
}

/**
 * @param pixels [batch, 3, height, width], at least 63 x 63
 * @returns [batch, 9216]
 * @throws PeftError SHAPE_MISMATCH for smaller pictures
 */
export function alexNetFeatures(layers: AlexNet, pixels: tf.Tensor): tf.Tensor {
  const map = Object.entries(CONVOLUTIONS).reduce((x, [number, { pooled }]) => {
    const y = relu(layers[number]!.forward(x));
    return pooled ? maxPool2d(y, { kernel: 3, stride: 2 }) : y;
  }, pixels);
  return tf.reshape(adaptiveAvgPool2d(map, GRID), [pixels.shape[0]!, ALEXNET_WIDTH]);
}
