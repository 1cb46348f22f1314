// The roads that a compiled function can take: an engine, and where it computes.

import * as tf from "@tensorflow/tfjs";
import { PeftError } from "../errors.js";
import { compile, useEngine } from "./compile.js";
import type { EngineInfo } from "./engine.js";

/** An engine, and after the colon its device or backend. */
export const ROADS = ["compiled:cpu", "compiled:webgpu", "eager:cpu", "eager:tensorflow"] as const;
export type Road = (typeof ROADS)[number];

/**
 * Puts the road's engine in use, and has it add one to one.
 *
 * @throws PeftError if it is not installed or not there, ENGINE_DEVICE_FAILED if the sum is another
 */
export async function takeRoad(road: Road | "compiled:cuda"): Promise<EngineInfo> {
  const [engine, place] = road.split(":") as [string, string];
  const info =
    engine === "eager"
      ? await useEngine("eager", { backend: place as "cpu" })
      : await useEngine("compiled", { device: place as "cpu" });
  // A device is opened at the first call of a function.
  const one = { data: Float32Array.of(1), shape: [1], dtype: "float32" } as const;
  const sum = await compile((x) => tf.add(x!, 1))(one);
  const [two] = await sum.data();
  sum.dispose();
  if (two !== 2) throw new PeftError("ENGINE_DEVICE_FAILED", `computes 1 + 1 = ${two}`, { place: road });
  return info;
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
