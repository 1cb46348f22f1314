// Cases of the normalisations.

import * as tf from "@tensorflow/tfjs";
import * as fc from "fast-check";
import { batchNorm, batchNormTraining, groupNorm, layerNorm, rmsNorm } from "../../../ops/index.js";
import { composed, dimension, type OpCase, shape } from "./shared.js";

const area = fc.array(fc.integer({ min: 1, max: 6 }), { maxLength: 3 });
const running = (channels: number): { mean: tf.Tensor; variance: tf.Tensor } => ({
  mean: tf.linspace(-1, 1, channels),
  variance: tf.linspace(0.5, 2, channels),
});

export const NORMS: Record<string, fc.Arbitrary<OpCase>> = {
  layerNorm: fc.record({ lead: shape, width: fc.integer({ min: 2, max: 12 }) }).map(({ lead, width }) => ({
    shapes: [[...lead, width], [width], [width]],
    apply: ([x, w, b]) => layerNorm(x!, w!, b!, 1e-3),
    compose: ([x, w, b]) => composed("PeftLayerNorm", { x: x!, weight: w!, bias: b! }, { eps: 1e-3 }),
  })),
  groupNorm: fc
    .record({
      batch: fc.integer({ min: 1, max: 4 }),
      groups: fc.integer({ min: 1, max: 4 }),
      inGroup: fc.integer({ min: 1, max: 4 }),
      area: area.map((sizes) => (sizes.length === 0 ? [2] : sizes.with(0, sizes[0]! + 1))),
    })
    .map(({ batch, groups, inGroup, area }) => ({
      shapes: [[batch, groups * inGroup, ...area], [groups * inGroup], [groups * inGroup]],
      apply: ([x, w, b]) => groupNorm(x!, w!, b!, { groups, eps: 1e-3 }),
      compose: ([x, w, b]) =>
        composed("PeftChannelNorm", { x: x!, weight: w!, bias: b! }, { groups, acrossBatch: false, eps: 1e-3 }),
    })),
  "batchNorm by the batch": fc
    .record({ batch: fc.integer({ min: 2, max: 5 }), channels: dimension, area })
    .map(({ batch, channels, area }) => ({
      shapes: [[batch, channels, ...area], [channels], [channels]],
      apply: ([x, w, b]) => batchNormTraining(x!, w!, b!, running(channels), { eps: 1e-2, momentum: 0.1 }).y,
      compose: ([x, w, b]) =>
        composed(
          "PeftChannelNorm",
          { x: x!, weight: w!, bias: b! },
          { groups: channels, acrossBatch: true, eps: 1e-2 },
        ),
    })),
  "batchNorm by running moments": fc.record({ batch: dimension, channels: dimension, area }).map((c) => ({
    shapes: [[c.batch, c.channels, ...c.area], [c.channels], [c.channels]],
    apply: ([x, w, b]) => batchNorm(x!, w!, b!, running(c.channels), { eps: 1e-3 }),
  })),
  rmsNorm: fc.record({ lead: shape, width: fc.integer({ min: 2, max: 12 }) }).map(({ lead, width }) => ({
    shapes: [[...lead, width], [width]],
    apply: ([x, w]) => rmsNorm(x!, w!, 1e-3),
    compose: ([x, w]) => composed("PeftRmsNorm", { x: x!, weight: w! }, { eps: 1e-3 }),
  })),
};
