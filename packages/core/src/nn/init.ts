// Initial values: functions of a shape and a name, so that a parameter's numbers depend on the seed and on what it is
// called, not on the order in which a model is built.

import { fill } from "../engine/draw.js";
import { sizeOf } from "../engine/graph.js";

/** Makes the numbers of a parameter of this shape and name. */
export type Initializer = (shape: readonly number[], name: string) => Float32Array;

export const zeros: Initializer = (shape) => new Float32Array(sizeOf(shape));
export const ones: Initializer = (shape) => new Float32Array(sizeOf(shape)).fill(1);

export function constant(value: number): Initializer {
  return (shape) => new Float32Array(sizeOf(shape)).fill(value);
}

/** N(0, std^2). */
export function normal(std: number, seed: number): Initializer {
  return (shape, name) => {
    const numbers = fill({ site: name, shape, distribution: "normal" }, { seed, step: 0 }) as Float32Array;
    return numbers.map((x) => x * std);
  };
}

/** U(-bound, bound). */
export function uniform(bound: number, seed: number): Initializer {
  return (shape, name) => {
    const numbers = fill({ site: name, shape, distribution: "uniform" }, { seed, step: 0 }) as Float32Array;
    return numbers.map((x) => (2 * x - 1) * bound);
  };
}

/** Kaiming uniform with a = sqrt(5), PyTorch's default for linear layers: U(-1/sqrt(fan in), 1/sqrt(fan in)). */
export function kaimingUniform(seed: number): Initializer {
  return (shape, name) => uniform(1 / Math.sqrt(sizeOf(shape.slice(1))), seed)(shape, name);
}
