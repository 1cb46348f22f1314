// What is compared: five ways of adapting the host, and a linear probe on a host that was never trained as a control.

import { BottleneckConfig, FullConfig, LinearProbeConfig, LoraConfig, type PeftConfig } from "@peft/core";
import { MosaConfig } from "@peft/mosa";

export interface Method {
  readonly name: string;
  /** Name of its folder. */
  readonly folder: string;
  readonly config: PeftConfig;
  /** The highest learning rate of the run; chosen on validation pictures of CIFAR-10's unseen classes, one seed. */
  readonly learningRate: number;
  /** Whether the host starts from random weights instead of the pretrained ones. */
  readonly randomHost?: true;
}

/** r of the adapters, and N of MoSA's experts. */
const BOTTLENECK = 32;
const EXPERTS = 4;

/** Of AdaptFormer and of MoSA alike, which differ in the experts and in nothing else: activation, dropout, scale are one. */
export const ADAPTER_RATE = 3e-3;

export const adaptFormer = (bottleneck: number): PeftConfig => new BottleneckConfig({ bottleneck, activation: "gelu" });

export const METHODS: readonly Method[] = [
  {
    name: "linear probe, random host",
    folder: "random-probe",
    config: new LinearProbeConfig(),
    learningRate: 1e-2,
    randomHost: true,
  },
  { name: "linear probe", folder: "probe", config: new LinearProbeConfig(), learningRate: 1e-2 },
  {
    name: "LoRA",
    folder: "lora",
    config: new LoraConfig({ r: 8, loraAlpha: 16, targetModules: ["query", "value"] }),
    learningRate: 5e-3,
  },
  {
    name: "AdaptFormer",
    folder: "adaptformer",
    config: adaptFormer(BOTTLENECK),
    learningRate: ADAPTER_RATE,
  },
  {
    name: "MoSA",
    folder: "mosa",
    config: new MosaConfig({ bottleneck: BOTTLENECK, numExperts: EXPERTS }),
    learningRate: ADAPTER_RATE,
  },
  { name: "full fine-tuning", folder: "full", config: new FullConfig(), learningRate: 5e-4 },
];
