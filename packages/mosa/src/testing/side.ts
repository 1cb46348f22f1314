// The original's side network on its Swin transformer (fixtures/mosa/side) against ours: logits and gradients.

import { join } from "node:path";
import { compile, getPeftModel, gradients, type HostArray, inTraining, SwinForImageClassification } from "@peft/core";
import { goldenArray, type Numbers, readFixture } from "@peft/core/testing";
import * as tf from "@tensorflow/tfjs";
import { SideNetworkConfig } from "../sideNetwork.js";
import type { Comparison } from "./replay.js";

export interface SideInfo {
  readonly host: string;
  readonly pixels: { readonly seed: number; readonly shape: readonly number[]; readonly amplitude: number };
  readonly labels: readonly number[];
  readonly alpha: number;
  /** Of the weights, with the place of a name among all as added. */
  readonly seed: number;
  readonly shapes: Readonly<Record<string, readonly number[]>>;
  /** Numbers of the network by the width of the host's features. */
  readonly counts: Readonly<Record<string, number>>;
}

const ALPHA = "side_network.alpha";

/** @param folder of the fixture */
export async function replaySide(folder: string): Promise<Comparison[]> {
  const fixture = readFixture<SideInfo>(folder, "side");
  const { info } = fixture;
  const model = getPeftModel(
    await SwinForImageClassification.fromPretrained(join(folder, info.host)),
    new SideNetworkConfig(),
  );
  const trained = model.trainableParameters();
  const names = Object.keys(info.shapes).filter((name) => name !== ALPHA);
  for (const [index, name] of names.sort().entries()) {
    const { shape, size } = trained.get(name)!;
    const amplitude = shape.length === 1 ? 0.1 : Math.sqrt(6 / (size / shape[0]!));
    trained.get(name)!.adopt(goldenArray(info.seed + index, size, amplitude));
  }
  trained.get(ALPHA)!.adopt(Float32Array.of(info.alpha));

  const { seed, shape, amplitude } = info.pixels;
  const size = shape.reduce((product, d) => product * d, 1);
  const pixelValues: HostArray = { data: goldenArray(seed, size, amplitude), shape, dtype: "float32" };
  const labels: HostArray = { data: Int32Array.from(info.labels), shape: [info.labels.length], dtype: "int32" };
  const step = compile((pixels, classes) =>
    inTraining(() => {
      const loss = () => model.loss(model.forward({ pixelValues: pixels! }), { labels: classes! });
      return gradients(loss, [...trained.values()]).gradients;
    }),
  );
  const { logits } = await model({ pixelValues });
  const found = await step(pixelValues, labels);
  const numbers = await Promise.all([logits, ...found].map(async (tensor) => (await tensor.data()).slice() as Numbers));
  tf.dispose([logits, ...found]);
  const reference = fixture.group("grad");
  const grads = [...trained.keys()].map((name, i) => [name, numbers[i + 1]!] as const);
  model.dispose();
  return [
    {
      name: "logits",
      kind: "output",
      ours: new Map([["logits", numbers[0]!]]),
      reference: new Map([["logits", fixture.group("output").get("logits")!]]),
    },
    {
      name: "gradients",
      kind: "gradients",
      ours: new Map(grads.filter(([name]) => reference.has(name))),
      reference,
    },
  ];
}
