// A fixture of the official classes as a model of ours: its host, its start, its owner maps, and its draws.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Batch,
  getPeftModel,
  type HostArray,
  type HostModel,
  PeftModel,
  SwinForImageClassification,
  ViTForImageClassification,
} from "@peft/core";
import type { Fixture, Numbers } from "@peft/core/testing";
import { MosaConfig, type MosaFields } from "../config.js";
import type { MergeRule } from "../experts.js";

export interface Info
  extends Pick<
    MosaFields,
    "style" | "split" | "numExperts" | "bottleneck" | "scale" | "dropout" | "activation" | "addWeight" | "regWeight"
  > {
  readonly host: string;
  readonly layerNormEps: number;
  /** Of the draws. */
  readonly places: readonly string[];
  readonly steps: readonly { learningRate: number; loss: number }[];
  readonly gradientSteps: readonly number[];
  readonly optimizer: { learningRate: number; schedule: { warmupEpochs: number; epochs: number } };
  readonly official: Readonly<Record<string, { key: string; expert?: number }>>;
}

/** Of the fixture's keys. */
export const PREFIX = "base_model.model.";

export function hostOf(folder: string, { host, style, layerNormEps }: Info): Promise<HostModel> {
  const path = join(folder, host);
  return style === "swin"
    ? SwinForImageClassification.fromPretrained(path)
    : ViTForImageClassification.fromPretrained(path, { layerNormEps });
}

export function configOf(info: Info, merge: MergeRule): MosaConfig {
  const { style, numExperts, bottleneck, split, scale, dropout, activation, addWeight, regWeight } = info;
  const common = { style, numExperts, bottleneck, split, scale, dropout, addWeight, regWeight, merge };
  return new MosaConfig({ ...common, ...(activation && { activation }) });
}

/** The fixture's start values and owner maps on a host, by the way of an adapter's file. */
export async function adapted(host: HostModel, fixture: Fixture<Info>): Promise<PeftModel> {
  const { info, tensors } = fixture;
  const model = getPeftModel(host, configOf(info, "mean"));
  const starts = byKey(fixture, "start");
  for (const [key, parameter] of model.adapterParameters()) {
    const owner = tensors.get(PREFIX + key);
    if (owner) parameter.adopt(Int32Array.from(owner.data as Uint8Array));
    else if (!isDecay(key)) {
      parameter.adopt(Float32Array.from(starts.get(key) ?? starts.get(key.replace(/initial$/, "weight"))!));
    }
  }
  const folder = await mkdtemp(join(tmpdir(), "mosa-"));
  try {
    await model.savePretrained(folder);
    model.unload();
    return await PeftModel.fromPretrained(host, folder, { isTrainable: true });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Each step's batch, with the experts of each pass under the sites that they are drawn from. */
export function draws(model: PeftModel, fixture: Fixture<Info>): Batch[] {
  const { data, shape } = fixture.input("draws");
  const [steps, passes, places] = shape as [number, number, number];
  const examples = { pixelValues: fixture.input("pixels"), labels: fixture.input("labels") };
  return Array.from({ length: steps }, (_, step) => {
    const experts: Record<string, HostArray> = {};
    for (const key of model.adapterParameters().keys()) {
      const found = /^(.*)\.(down|up)\.owner$/.exec(key);
      if (!found) continue;
      const place = fixture.info.places.indexOf(found[1]!);
      const at = (pass: number): number =>
        data[((step * passes + pass) * places + place) * 2 + (found[2] === "up" ? 1 : 0)]!;
      const drawn = Int32Array.from({ length: passes }, (_, pass) => at(pass));
      experts[key.replace(/owner$/, "experts")] = { data: drawn, shape: [passes], dtype: "int32" };
    }
    return { inputs: { ...examples, ...experts }, size: examples.labels.shape[0]! };
  });
}

/** Tensors of the fixture by our keys. */
export function byKey(fixture: Fixture<Info>, group: string): Map<string, Numbers> {
  return new Map([...fixture.group(group)].map(([key, data]) => [key.replace(PREFIX, ""), data]));
}

/** A factor of decay, which the original does not have: it has whole tensors instead. */
export function isDecay(key: string): boolean {
  return key.endsWith(".experts.decay");
}
