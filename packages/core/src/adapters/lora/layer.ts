// The low-rank update of one linear layer, and how it is folded into the layer's weight.

import * as tf from "@tensorflow/tfjs";
import { Parameter, type ParameterData } from "../../engine/index.js";
import { PeftError } from "../../errors.js";
import { Dropout, type Initializer, kaimingUniform, Layer, Linear, normal, type Slot, zeros } from "../../nn/index.js";
import type { Part } from "../wrap.js";

export interface LoraLayerOptions {
  readonly r: number;
  readonly alpha: number;
  readonly useRslora: boolean;
  readonly dropout: number;
  readonly init: boolean | "gaussian";
  readonly seed: number;
}

/** scaling * B A dropout(x): [..., in] to [..., out]. */
export class LoraLayer extends Layer {
  /** weight [r, in] */
  readonly lora_A: Linear;
  /** weight [out, r] */
  readonly lora_B: Linear;
  readonly lora_dropout: Dropout;
  /** alpha / r, or alpha / sqrt(r): a scalar that nobody trains, so that another value needs no new graph. */
  readonly #scaling: Parameter;
  readonly #trained: number;

  constructor({ inFeatures, outFeatures }: Linear, options: LoraLayerOptions) {
    super();
    const { r, alpha, useRslora, dropout, seed } = options;
    const [a, b] = initializers(options.init, r, seed);
    this.lora_A = new Linear(inFeatures, r, { bias: false, init: a });
    this.lora_B = new Linear(r, outFeatures, { bias: false, init: b });
    this.lora_dropout = new Dropout(dropout);
    this.#trained = alpha / (useRslora ? Math.sqrt(r) : r);
    this.#scaling = new Parameter([], Float32Array.of(this.#trained), { name: "scaling" });
  }

  get scaling(): Parameter {
    return this.#scaling;
  }

  /** Scales by `factor` times what the config says. */
  setScale(factor: number): Promise<void> {
    return this.#scaling.write(Float32Array.of(this.#trained * factor));
  }

  override forward(x: tf.Tensor): tf.Tensor {
    // Scaled at the narrow side, where it costs r numbers a row.
    const narrow = tf.mul(this.lora_A.forward(this.lora_dropout.forward(x)), this.#scaling.value());
    return this.lora_B.forward(narrow);
  }

  /** weight + scaling * B A, summed in double precision. @throws PeftError MERGE_NAN naming the layer */
  async mergedWith(weight: ParameterData): Promise<Float32Array> {
    const { inFeatures: width, outFeatures: r } = this.lora_A;
    const [a, b, scaling] = await Promise.all(
      [this.lora_A.weight, this.lora_B.weight, this.#scaling].map((parameter) => parameter.read()),
    );
    const merged = new Float32Array(weight.length);
    const row = new Float64Array(width);
    for (let out = 0; out < this.lora_B.outFeatures; out++) {
      row.fill(0);
      for (let k = 0; k < r; k++) {
        const factor = b![out * r + k]! * scaling![0]!;
        if (factor !== 0) for (let i = 0; i < width; i++) row[i]! += factor * a![k * width + i]!;
      }
      for (let i = 0; i < width; i++) merged[out * width + i] = weight[out * width + i]! + row[i]!;
    }
    if (merged.every(Number.isFinite)) return merged;
    throw new PeftError("MERGE_NAN", "merging gives numbers that are not finite", {
      place: this.path,
      hint: "the adapter's or the host's weights hold NaN or infinite numbers; nothing was changed",
    });
  }
}

function initializers(init: boolean | "gaussian", r: number, seed: number): [a: Initializer, b: Initializer] {
  if (init === "gaussian") return [normal(1 / r, seed), zeros];
  return [kaimingUniform(seed), init ? zeros : kaimingUniform(seed)];
}

/** The weight of an adapted layer in its slot: the host's own, or the merged one beside it. */
export class MergeableWeight implements Part {
  readonly #slot: Slot;
  #original?: Parameter;
  #merged?: Parameter;

  /** @param slot of the layer's weight */
  constructor(slot: Slot) {
    this.#slot = slot;
  }

  get isMerged(): boolean {
    return this.#merged !== undefined;
  }

  read(): Promise<ParameterData> {
    return (this.#slot.get() as Parameter).read();
  }

  /** Puts a merged weight in the place of the host's. */
  merge(data: Float32Array): void {
    this.#original = this.#slot.get() as Parameter;
    this.#merged = new Parameter(this.#original.shape, data, { name: this.#original.name });
    this.setActive(true);
  }

  unmerge(): void {
    this.setActive(false);
    this.#merged?.dispose();
    this.#merged = undefined;
  }

  setActive(active: boolean): void {
    if (!this.#merged) return;
    if (active) this.#slot.set(this.#merged);
    else if (this.#slot.get() === this.#merged) this.#slot.set(this.#original!);
  }

  detach({ keepMerged = false }: { keepMerged?: boolean } = {}): void {
    if (!keepMerged) this.unmerge();
    else if (this.#merged) this.#original?.dispose();
    this.#merged = undefined;
  }
}
