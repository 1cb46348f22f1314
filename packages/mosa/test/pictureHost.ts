// A vision transformer whose pictures are the smallest that AlexNet can look at, and a batch for it.

import { type HostArray, parseViTConfig, ViTForImageClassification } from "@peft/core";
import { fillGolden, goldenArray } from "@peft/core/testing";
import { D } from "./tiny.js";

const SIZE = 64;

export function pictureHost(): ViTForImageClassification {
  const sizes = { hidden_size: D, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 24 };
  const json = { ...sizes, image_size: SIZE, patch_size: 32, id2label: { 0: "a", 1: "b", 2: "c" } };
  const model = new ViTForImageClassification(parseViTConfig(json, "test"));
  fillGolden(model.parameters());
  return model;
}

export const pictureBatch: Record<"pixelValues" | "labels", HostArray> = {
  pixelValues: { data: goldenArray(7, 2 * 3 * SIZE * SIZE, 1), shape: [2, 3, SIZE, SIZE], dtype: "float32" },
  labels: { data: Int32Array.of(0, 2), shape: [2], dtype: "int32" },
};
