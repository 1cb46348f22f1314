// Layers without parameters that change the size of feature maps.

import type * as tf from "@tensorflow/tfjs";
import {
  type AvgPoolWindows,
  avgPool2d,
  type InterpolateOptions,
  interpolate,
  type MaxPoolWindows,
  maxPool2d,
} from "../ops/index.js";
import { Layer } from "./module.js";

/** [batch, channels, height, width] to [batch, channels, height', width']: the largest of each window. */
export class MaxPool2d extends Layer {
  constructor(readonly windows: Readonly<MaxPoolWindows>) {
    super();
  }

  override forward(x: tf.Tensor): tf.Tensor {
    return maxPool2d(x, this.windows);
  }
}

/** [batch, channels, height, width] to [batch, channels, height', width']: the mean of each window. */
export class AvgPool2d extends Layer {
  constructor(readonly windows: Readonly<AvgPoolWindows>) {
    super();
  }

  override forward(x: tf.Tensor): tf.Tensor {
    return avgPool2d(x, this.windows);
  }
}

/** [batch, channels, height, width] to another size, by default to the nearest place. */
export class Upsample extends Layer {
  constructor(readonly options: Readonly<InterpolateOptions>) {
    super();
  }

  override forward(x: tf.Tensor): tf.Tensor {
    return interpolate(x, this.options);
  }
}
