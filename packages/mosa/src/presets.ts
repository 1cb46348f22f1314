// What the published scripts set for each of the paper's 27 tasks, and for the multi-task setting (`mosa.md` §6.1, §6.2): 5
// fine-grained sets, 3 general ones and the 19 of VTAB-1k. Swin-B has the same values, with the style `swin`.

import type { MosaFields } from "./config.js";
import type { Pictures } from "./pictures.js";

/** `fgvc`: fine-grained; `general`; the three groups of VTAB-1k. */
export type TaskGroup = "fgvc" | "general" | "natural" | "specialised" | "structured";

export interface MosaPreset {
  readonly adapter: Readonly<Pick<MosaFields, "numExperts" | "split" | "bottleneck" | "deepReg">>;
  readonly learningRate: number;
  readonly group: TaskGroup;
  readonly classes: number;
  /** How its pictures are made, see `pictures`. */
  readonly pictures: Pictures;
  /**
   * Which epoch's accuracy on the test set counts: that of the best validation or, where the validation set is the test set
   * or within the training set, the last.
   */
  readonly selection: "bestValidation" | "lastEpoch";
  /** Sizes of the sets by the benchmark's convention; a check of what was loaded. */
  readonly examples?: { readonly train: number; readonly validation: number; readonly test?: number };
}

const usual = { numExperts: 4, split: "up-only", bottleneck: 64, deepReg: false } as const;

function fineGrained(
  classes: number,
  learningRate: number,
  [train, validation, test]: readonly [number, number, number],
  adapter: MosaPreset["adapter"] = usual,
): MosaPreset {
  const examples = { train, validation, test };
  return { adapter, learningRate, group: "fgvc", classes, pictures: "crop", selection: "bestValidation", examples };
}

function general(classes: number, learningRate: number): MosaPreset {
  return { adapter: usual, learningRate, group: "general", classes, pictures: "crop", selection: "lastEpoch" };
}

function vtab(group: "natural" | "specialised" | "structured", classes: number): MosaPreset {
  return {
    adapter: { ...usual, bottleneck: 16 },
    learningRate: 5e-3,
    group,
    classes,
    pictures: "square",
    selection: "lastEpoch",
    examples: { train: 800, validation: 200 },
  };
}

/** VTAB-1k's sets have `vtab` before their names. */
export type PresetName =
  | "cub200"
  | "nabirds"
  | "flowers102"
  | "stanfordDogs"
  | "stanfordCars"
  | "fgvcMultiTask"
  | "cifar100"
  | "fgvcAircraft"
  | "food101"
  | "vtabCifar100"
  | "vtabCaltech101"
  | "vtabDtd"
  | "vtabFlowers102"
  | "vtabPets"
  | "vtabSvhn"
  | "vtabSun397"
  | "vtabCamelyon"
  | "vtabEurosat"
  | "vtabResisc45"
  | "vtabRetinopathy"
  | "vtabClevrCount"
  | "vtabClevrDistance"
  | "vtabDmlab"
  | "vtabKitti"
  | "vtabDspritesX"
  | "vtabDspritesOrientation"
  | "vtabNorbAzimuth"
  | "vtabNorbElevation";

export const MOSA_PRESETS: Readonly<Record<PresetName, MosaPreset>> = {
  cub200: fineGrained(200, 1e-3, [5394, 600, 5794]),
  nabirds: fineGrained(555, 5e-4, [21536, 2393, 24633]),
  flowers102: fineGrained(102, 5e-3, [1020, 1020, 6149]),
  stanfordDogs: fineGrained(120, 5e-4, [10800, 1200, 8580]),
  stanfordCars: fineGrained(196, 5e-3, [7329, 815, 8041], {
    ...usual,
    numExperts: 2,
    split: "down-only",
    deepReg: true,
  }),
  /** The five as one task, in the order of `FGVC_TASKS`. */
  fgvcMultiTask: fineGrained(1173, 5e-4, [46079, 6028, 53197], { ...usual, numExperts: 2, split: "both" }),
  cifar100: general(100, 5e-4),
  fgvcAircraft: general(100, 5e-3),
  food101: general(101, 5e-4),
  vtabCifar100: vtab("natural", 100),
  vtabCaltech101: vtab("natural", 102),
  vtabDtd: vtab("natural", 47),
  vtabFlowers102: vtab("natural", 102),
  vtabPets: vtab("natural", 37),
  vtabSvhn: vtab("natural", 10),
  vtabSun397: vtab("natural", 397),
  vtabCamelyon: vtab("specialised", 2),
  vtabEurosat: vtab("specialised", 10),
  vtabResisc45: vtab("specialised", 45),
  vtabRetinopathy: vtab("specialised", 5),
  vtabClevrCount: vtab("structured", 8),
  vtabClevrDistance: vtab("structured", 6),
  vtabDmlab: vtab("structured", 6),
  vtabKitti: vtab("structured", 4),
  vtabDspritesX: vtab("structured", 16),
  vtabDspritesOrientation: vtab("structured", 16),
  vtabNorbAzimuth: vtab("structured", 18),
  vtabNorbElevation: vtab("structured", 9),
};

/** The order in which the multi-task setting concatenates its data sets. */
export const FGVC_TASKS = ["stanfordCars", "cub200", "stanfordDogs", "flowers102", "nabirds"] as const;

/**
 * The mean of VTAB-1k by its convention: within each of the three groups, then of the three; not over the 19 tasks.
 *
 * @param accuracies by the names of presets
 */
export function vtabMean(accuracies: Readonly<Partial<Record<PresetName, number>>>): {
  natural: number;
  specialised: number;
  structured: number;
  mean: number;
} {
  const of = (group: TaskGroup): number => {
    const values = Object.entries(MOSA_PRESETS).flatMap(([name, preset]) =>
      preset.group === group ? [accuracies[name as PresetName] ?? Number.NaN] : [],
    );
    return values.reduce((sum, value) => sum + value, 0) / values.length;
  };
  const [natural, specialised, structured] = [of("natural"), of("specialised"), of("structured")];
  return { natural, specialised, structured, mean: (natural + specialised + structured) / 3 };
}
