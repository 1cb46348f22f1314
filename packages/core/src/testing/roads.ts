// The roads that a compiled function can take: an engine, and where it computes.

import * as tf from "@tensorflow/tfjs";
import { compile, useEngine } from "../engine/index.js";

/** An engine, and after the colon its device or backend. */
export const ROADS = ["compiled:cpu", "compiled:webgpu", "eager:cpu", "eager:tensorflow"] as const;
export type Road = (typeof ROADS)[number];

/** Puts the road's engine in use. @throws PeftError if it is not installed or not there */
export async function takeRoad(road: Road): Promise<void> {
  const [engine, place] = road.split(":") as [string, string];
  if (engine === "eager") await useEngine("eager", { backend: place as "cpu" });
  else await useEngine("compiled", { device: place as "cpu" });
  // A device is opened at the first call of a function.
  (await compile((x) => tf.add(x!, 1))({ data: Float32Array.of(1), shape: [1], dtype: "float32" })).dispose();
}

/** Why a road cannot be taken here; undefined where it can. The default engine is in use afterwards. */
export async function roadAbsence(road: Road): Promise<string | undefined> {
  try {
    await takeRoad(road);
    return undefined;
  } catch (error) {
    return (error as Error).message.split("\n")[0]!;
  } finally {
    await useEngine("compiled");
  }
}
