// The host that the paper's adapters stand on.

import { fileURLToPath } from "node:url";
import { compile, useEngine, ViTForImageClassification } from "@peft/core";
import { readFixture, relativeError } from "@peft/core/testing";
import * as tf from "@tensorflow/tfjs";
import { expect, it } from "vitest";

const FOLDER = fileURLToPath(new URL("../../../fixtures/vit/", import.meta.url));

it("has the reference's class token after the final norm, of an epsilon of 1e-6, within 1e-4 (§8.20)", async () => {
  await useEngine("compiled", { threads: 2 });
  const fixture = readFixture<{ checkpoint: string }>(FOLDER, "odd");
  const host = await ViTForImageClassification.fromPretrained(`${FOLDER}${fixture.info.checkpoint}`);
  expect(host.config.layerNormEps).toBe(1e-6);
  const run = compile((pixels) => {
    const state = host.vit.forward(pixels!).lastHiddenState;
    const [batch, , width] = state.shape as [number, number, number];
    return tf.slice(state, [0, 0, 0], [batch, 1, width]);
  });
  const reference = fixture.group("output").get("lastHidden")!;
  const feature = await run(fixture.input("pixels"));
  const [batch, , width] = feature.shape as [number, number, number];
  const tokens = reference.length / batch / width;
  const wanted = Float64Array.from({ length: batch * width }, (_, i) => {
    return reference[Math.floor(i / width) * tokens * width + (i % width)]!;
  });
  expect(relativeError((await feature.data()) as Float32Array, wanted)).toBeLessThan(1e-4);
  feature.dispose();
  host.dispose();
});
