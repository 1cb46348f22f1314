// What the study of MoSA compares: methods, hosts, pictures of a class, seeds. One run is one training of a method.

import { BitFitConfig, type PeftConfig } from "@peft/core";
import { MosaConfig, type MosaFields, SparseAdapterConfig } from "@peft/mosa";
import { HOST_FOLDER, TENTH_HOST_FOLDER } from "../mosa/assets.js";
import { ADAPTER_RATE, adaptFormer, METHODS, type Method } from "../mosa/methods.js";

export interface StudyMethod extends Method {
  /** Whether the trained model is evaluated with its experts drawn at random and as an ensemble, too. */
  readonly isInferred?: true;
}

/** A host and a number of pictures: one table. */
export interface Group {
  /** The name of its folder. */
  readonly folder: string;
  readonly title: string;
  readonly host: string;
  readonly perClass: number;
  readonly epochs: number;
  readonly methods: readonly StudyMethod[];
}

export interface PlannedRun {
  /** `<group>/<method>-<seed>`, its place among the results. */
  readonly id: string;
  readonly group: Group;
  readonly method: StudyMethod;
  readonly seed: number;
}

export const SEEDS = [0, 1, 2] as const;

/** Of the methods that the example does not have: the best of three on the validation pictures, one seed. */
const RATES = { bias: 5e-3, mosl: 5e-3 };

/** The example's method of this folder under the name of its row here, with its learning rate. */
function named(folder: string, name: string): StudyMethod {
  return { ...METHODS.find((method) => method.folder === folder)!, name };
}

/** Adapters of every kind have one learning rate, so that they differ in the method alone. */
function adapter(folder: string, name: string, config: PeftConfig): StudyMethod {
  return { folder, name, config, learningRate: ADAPTER_RATE };
}

function mosa(folder: string, name: string, fields: Partial<MosaFields>): StudyMethod {
  return adapter(folder, name, new MosaConfig(fields));
}

const PROBE = named("probe", "linear probe");
const LORA = named("lora", "LoRA, r = 8");
const FULL = named("full", "full fine-tuning");
const ADAPTFORMER_32 = adapter("adaptformer-32", "AdaptFormer 32", adaptFormer(32));
const MOSA_32: StudyMethod = { ...mosa("mosa-32", "MoSA 32, N = 4", { bottleneck: 32 }), isInferred: true };

const EVERY: readonly StudyMethod[] = [
  PROBE,
  { folder: "bias", name: "bias tuning", config: new BitFitConfig(), learningRate: RATES.bias },
  LORA,
  {
    folder: "mosl",
    name: "MoSL, r = 8, N = 4",
    config: new MosaConfig({ style: "lora", bottleneck: 8 }),
    learningRate: RATES.mosl,
  },
  ADAPTFORMER_32,
  adapter("adaptformer-64", "AdaptFormer 64", adaptFormer(64)),
  adapter("adaptformer-128", "AdaptFormer 128", adaptFormer(128)),
  adapter("sparse-32", "single sparse adapter 32, 1/4", new SparseAdapterConfig({ bottleneck: 32 })),
  mosa("dense-32", "dense mixture 32, N = 4", { bottleneck: 32, sparse: false }),
  mosa("mosa-32-n2", "MoSA 32, N = 2", { bottleneck: 32, numExperts: 2 }),
  MOSA_32,
  mosa("mosa-32-n8", "MoSA 32, N = 8", { bottleneck: 32, numExperts: 8 }),
  mosa("mosa-32-down", "MoSA 32, N = 4, down-only", { bottleneck: 32, split: "down-only" }),
  mosa("mosa-32-both", "MoSA 32, N = 4, both sides", { bottleneck: 32, split: "both" }),
  mosa("mosa-64", "MoSA 64, N = 4", { bottleneck: 64 }),
  mosa("mosa-128", "MoSA 128, N = 4", { bottleneck: 128 }),
  FULL,
];
const FEW = [PROBE, LORA, ADAPTFORMER_32, MOSA_32, FULL];

const STRONG = { host: HOST_FOLDER, name: "vit-cifar6" };
const WEAK = { host: TENTH_HOST_FOLDER, name: "vit-cifar6-tenth" };

function group(
  { host, name }: typeof STRONG,
  perClass: number,
  epochs: number,
  methods: readonly StudyMethod[] = FEW,
): Group {
  const title = `${name}, ${perClass} pictures a class, ${epochs} epochs`;
  return { folder: `${name}-${perClass}`, title, host, perClass, epochs, methods };
}

/** Epochs are the example's; with 500 pictures a class fewer, which are twice as many steps all the same. */
export const GROUPS: readonly Group[] = [
  group(STRONG, 100, 60, EVERY),
  group(WEAK, 100, 60),
  group(STRONG, 20, 60),
  group(STRONG, 500, 24),
];

/** Every run, in the order in which they are made. */
export function plannedRuns(groups: readonly Group[] = GROUPS): PlannedRun[] {
  return groups.flatMap((of) =>
    of.methods.flatMap((method) =>
      SEEDS.map((seed) => ({ id: `${of.folder}/${method.folder}-${seed}`, group: of, method, seed })),
    ),
  );
}
