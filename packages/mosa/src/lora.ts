// MoSL: MoSA on LoRA (`mosa.md` §2.3). y = W x + s B A x on attention's projections, where A or B or both are split into
// experts; without activation and biases, so that merged experts fold into the host's weight.

import {
  adapterParameters,
  Dropout,
  findTargets,
  type HostModel,
  kaimingUniform,
  Layer,
  type Linear,
  MergeableParameter,
  type Merges,
  type Parameter,
  type Part,
  slots,
  unwrap,
  wrap,
} from "@peft/core";
import * as tf from "@tensorflow/tfjs";
import type { Experts } from "./experts.js";
import { expertsIn, projection, type SideOptions } from "./sides.js";

/** The projections of attention by their letters, with the names that hosts and our files give them. */
const PROJECTIONS: Readonly<Record<string, { readonly target: string; readonly name: string }>> = {
  q: { target: "query", name: "query" },
  k: { target: "key", name: "key" },
  v: { target: "value", name: "value" },
  o: { target: "attention.output.dense", name: "output" },
};

export interface MosaLoraOptions extends SideOptions {
  /** r, the rank. */
  readonly bottleneck: number;
  readonly scale: number;
  /** On the r numbers, as the original has it. */
  readonly dropout: number;
}

/** s B drop(A x): [..., in] to [..., out]. Zero at first, since B is. */
export class MosaLora extends Layer {
  /** A, [r, in], Kaiming-uniform */
  readonly down: Linear | Experts;
  readonly dropout: Dropout;
  /** B, [out, r], zero */
  readonly up: Linear | Experts;
  readonly #scale: number;

  constructor(base: Linear, given: MosaLoraOptions) {
    super();
    const { bottleneck, seed } = given;
    const options = { ...given, bias: false };
    this.down = projection("down", [base.inFeatures, bottleneck], { ...options, init: kaimingUniform(seed) });
    this.dropout = new Dropout(given.dropout);
    this.up = projection("up", [bottleneck, base.outFeatures], options);
    this.#scale = given.scale;
  }

  get experts(): Experts[] {
    return expertsIn(this.down, this.up);
  }

  override forward(x: tf.Tensor): tf.Tensor {
    return this.up.forward(this.dropout.forward(this.down.forward(x)), this.#scale);
  }

  /** Inside a function that runs on the engine: the weight with s B A of the merged experts in it. */
  mergedWith(weight: tf.Tensor): tf.Tensor {
    return tf.add(weight, tf.matMul(tf.mul(merged(this.up), this.#scale) as tf.Tensor2D, merged(this.down)));
  }
}

function merged(side: Linear | Experts): tf.Tensor2D {
  const weight = "merged" in side ? side.merged().weight : side.weight.value();
  return weight as tf.Tensor2D;
}

/** The rules of PEFT for the projections of a mode, such as "qv". */
export function loraTargets(mode: string): string[] {
  return [...mode].map((letter) => PROJECTIONS[letter]!.target);
}

/** Where our file keeps the adapter of a projection, `<block>.mosa.query` for `<block>.attention.attention.query`. */
export function loraPath(target: string): string {
  const block = target.slice(0, target.indexOf(".attention."));
  const { name } = Object.values(PROJECTIONS).find((projection) => target.endsWith(`.${projection.target}`))!;
  return `${block}.mosa.${name}`;
}

export interface PlacedLora {
  readonly adapter: MosaLora;
  readonly parameters: ReadonlyMap<string, Parameter>;
  /** The projection's path. */
  readonly path: string;
  readonly parts: readonly Part[];
  readonly merge: Merges[number];
}

/** @throws PeftError TARGET_NOT_FOUND for a host without such projections */
export function attachLoras(host: HostModel, mode: string, options: MosaLoraOptions): PlacedLora[] {
  const places = slots(host);
  return findTargets(host, { targetModules: loraTargets(mode) }).map((path) => {
    const slot = places.get(path)!;
    const adapter = new MosaLora(unwrap(slot.get() as Linear) as Linear, options);
    const parameters = adapterParameters(adapter, loraPath(path));
    const weight = new MergeableParameter(places.get(`${path}.weight`)!);
    const part = wrap(slot, (forward, x) => {
      const y = forward(x!);
      return weight.isMerged ? y : tf.add(y, adapter.forward(x!));
    });
    return { adapter, parameters, path, parts: [weight, part], merge: [weight, (value) => adapter.mergedWith(value)] };
  });
}
