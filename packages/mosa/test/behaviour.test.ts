import { describePeftMethod } from "@peft/core/testing";
import { beforeAll, describe, it } from "vitest";
import { MosaConfig } from "../src/index.js";
import { C, D, inputs, L, SWIN_WIDTHS, tinyHost, tinySwin } from "./tiny.js";

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
  [
    "split biases, stratified draws, a learnt scale",
    new MosaConfig({ ...common, split: "both", splitBias: true, draws: "stratified", scale: "learned" }),
    L * (2 * D + 2 * D * r + r + D + N + 1),
  ],
  ["dense experts", new MosaConfig({ ...common, sparse: false, split: "both" }), L * (2 * D + N * (2 * D * r + r + D))],
  ["MoSL on query and value", new MosaConfig({ ...common, style: "lora" }), L * 2 * 2 * D * r],
  [
    "MoSL, both sides, everywhere in attention",
    new MosaConfig({ ...common, style: "lora", mode: "qkvo", split: "both" }),
    L * 4 * (2 * D * r + N),
  ],
];

for (const [name, config, trainable] of METHODS) {
  describePeftMethod(
    `MoSA, ${name}`,
    { host: tinyHost, config, batch: inputs, trainable: trainable + head, zeroGradient: /\.key\.bias$|\.decay$/ },
    { describe, it, beforeAll },
  );
}

const swinHead = SWIN_WIDTHS.at(-1)! * C + C;
const perWidth = (count: (width: number) => number): number => SWIN_WIDTHS.reduce((sum, d) => sum + count(d), 0);
const SWIN: [string, MosaConfig, number][] = [
  ["swin", new MosaConfig({ ...common, style: "swin" }), perWidth((d) => 2 * d * r + r + N * d)],
  ["adaptformer", new MosaConfig(common), perWidth((d) => 2 * d + 2 * d * r + r + N * d)],
  ["MoSL", new MosaConfig({ ...common, style: "lora" }), perWidth((d) => 2 * 2 * d * r)],
];

for (const [name, config, trainable] of SWIN) {
  describePeftMethod(
    `MoSA on a Swin transformer, ${name}`,
    { host: tinySwin, config, batch: inputs, trainable: trainable + swinHead, zeroGradient: /\.key\.bias$/ },
    { describe, it, beforeAll },
  );
}
