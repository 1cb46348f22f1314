import { beforeAll, describe, it } from "vitest";
import {
  BitFitConfig,
  BottleneckConfig,
  FullConfig,
  LinearProbeConfig,
  LoraConfig,
  type PeftConfig,
  parseViTConfig,
  ViTForImageClassification,
} from "../../src/index.js";
import { describePeftMethod, fillGolden, goldenArray } from "../../src/testing/index.js";

const config = parseViTConfig(
  {
    hidden_size: 16,
    num_hidden_layers: 2,
    num_attention_heads: 2,
    intermediate_size: 24,
    image_size: 16,
    patch_size: 8,
    layer_norm_eps: 1e-6,
    id2label: { 0: "a", 1: "b", 2: "c" },
  },
  "test",
);
const host = (): ViTForImageClassification => {
  const model = new ViTForImageClassification(config);
  fillGolden(model.parameters());
  return model;
};
const batch = {
  pixelValues: { data: goldenArray(7, 2 * 3 * 16 * 16, 1), shape: [2, 3, 16, 16], dtype: "float32" as const },
  labels: { data: Int32Array.of(0, 2), shape: [2], dtype: "int32" as const },
};
/** A key's bias adds the same to all scores of a query. */
const zeroGradient = /\.key\.(base_layer\.)?bias$/;
const [D, M, C, L, r] = [16, 24, 3, 2, 4];
const head = D * C + C;
const all = [...host().parameters().values()].reduce((sum, { size }) => sum + size, 0);
const biases = L * (4 * D + M + D + 2 * D) + D + D;

const METHODS: [string, PeftConfig, number, { identity?: boolean }?][] = [
  ["LoRA on the default targets", new LoraConfig({ r, loraAlpha: 2 * r }), L * 2 * 2 * D * r + head],
  [
    "LoRA on every linear layer, with biases",
    new LoraConfig({ r, targetModules: "all-linear", bias: "all", useRslora: true, rankPattern: { fc1: 2 } }),
    L * (4 * 2 * D * r + (D + M) * 2 + (D + M) * r) + biases + head,
  ],
  [
    "LoRA with random A and B and no head",
    new LoraConfig({ r, initLoraWeights: false, modulesToSave: null, targetModules: ["fc1", "key"] }),
    L * r * (2 * D + D + M),
    { identity: false },
  ],
  ["adaptformer", new BottleneckConfig({ bottleneck: r, dropout: 0 }), L * (2 * D * r + r + D + 2 * D) + head],
  ["pfeiffer", new BottleneckConfig({ bottleneck: r, style: "pfeiffer" }), L * (2 * D * r + r + D + 2 * D) + head],
  ["houlsby", new BottleneckConfig({ bottleneck: r, style: "houlsby" }), L * 2 * (2 * D * r + r + D) + head],
  [
    "bottlenecks at both sums, one layer left out, with a learnt scale",
    new BottleneckConfig({
      reductionFactor: 5,
      style: "pfeiffer",
      sides: ["attention", "ffn"],
      leaveOut: [0],
      scale: "learned",
      norm: false,
    }),
    2 * (2 * D * 3 + 3 + D + 1) + head,
  ],
  [
    "bottlenecks from random weights, at attention alone",
    new BottleneckConfig({
      bottleneck: r,
      style: "adaptformer",
      dropout: 0,
      sides: ["attention"],
      initWeights: "bert",
    }),
    L * (2 * D * r + r + D + 2 * D) + head,
    { identity: false },
  ],
  ["linear probe", new LinearProbeConfig(), head],
  ["linear probe with a new head", new LinearProbeConfig({ headInit: "kaiming" }), head, { identity: false }],
  ["BitFit", new BitFitConfig(), biases + head],
  ["full fine-tuning", new FullConfig(), all],
  [
    "fine-tuning of the last layer and the norms",
    new FullConfig({ targetModules: /layer\.1$|layernorm/ }),
    4 * (D * D + D) + 2 * D * M + M + D + L * 4 * D + 2 * D + head,
  ],
];

for (const [name, method, trainable, options] of METHODS) {
  describePeftMethod(
    name,
    { host, config: method, batch, trainable, zeroGradient, ...options },
    { describe, it, beforeAll },
  );
}
