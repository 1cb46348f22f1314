import { describePeftMethod } from "@peft/core/testing";
import { beforeAll, describe, it } from "vitest";
import { MosaConfig } from "../src/index.js";
import { C, D, inputs, L, tinyHost } from "./tiny.js";

const [r, N] = [4, 3];
const head = D * C + C;
const common = { bottleneck: r, numExperts: N, dropout: 0 };

// norm, both weights, then the biases: N of a split side, and a factor of decay for each expert of a split down side.
const METHODS: [string, MosaConfig, number][] = [
  ["up-only", new MosaConfig(common), L * (2 * D + 2 * D * r + r + N * D)],
  ["down-only", new MosaConfig({ ...common, split: "down-only" }), L * (2 * D + 2 * D * r + N * (r + 1) + D)],
  [
    "both sides, by rows, lazily",
    new MosaConfig({ ...common, split: "both", splitMode: "row", optimizerSemantics: "lazy" }),
    L * (2 * D + 2 * D * r + N * (r + 1) + N * D),
  ],
  ["pfeiffer", new MosaConfig({ ...common, style: "pfeiffer" }), L * (2 * D + 2 * D * r + r + N * D)],
  [
    "houlsby, by columns",
    new MosaConfig({ ...common, style: "houlsby", splitMode: "column" }),
    L * 2 * (2 * D * r + r + N * D),
  ],
];

for (const [name, config, trainable] of METHODS) {
  describePeftMethod(
    `MoSA, ${name}`,
    { host: tinyHost, config, batch: inputs, trainable: trainable + head, zeroGradient: /\.key\.bias$|\.decay$/ },
    { describe, it, beforeAll },
  );
}
