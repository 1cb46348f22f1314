// Parts of diffusion models as training sees them, forward and backward, as reference/bench/parts.py has them: two residual
// blocks of Stable Diffusion's size, and self-attention over its 4,096 latent places.
import { attention, compile, conv2d, gradients, groupNorm, linear, Parameter, silu } from "@peft/core";
import * as tf from "@tensorflow/tfjs";
import { serve } from "../sides/protocol.js";
import { noise } from "./noise.js";

const [CHANNELS, SIZE, RANK, TIME, GROUPS] = [320, 64, 16, 1280, 32];
const [TOKENS, WIDTH, HEADS] = [SIZE * SIZE, CHANNELS, 8];

const PARTS: Readonly<Record<"sd-blocks" | "attention-4096", () => () => Promise<tf.Tensor[]>>> = {
  "sd-blocks": residualBlocks,
  "attention-4096": selfAttention,
};

export function isPart(name: string): name is keyof typeof PARTS {
  return name in PARTS;
}

/** One step is a call of a function without arguments; its outputs are thrown away. */
export function serveParts(name: keyof typeof PARTS): Promise<void> {
  return serve({
    setup: async () => PARTS[name](),
    step: async (run) => tf.dispose(await run()),
  });
}

function parameter(shape: number[], scale = 0.02): Parameter {
  return new Parameter(
    shape,
    noise(
      shape.reduce((n, d) => n * d, 1),
      scale,
    ),
  );
}

/** norm, SiLU, 3x3 convolution, plus the time's projection; norm, SiLU, 3x3 convolution; plus the input. */
class ResidualBlock {
  readonly norms: { weight: Parameter; bias: Parameter }[] = [0, 1].map(() => ({
    weight: parameter([CHANNELS]),
    bias: parameter([CHANNELS]),
  }));
  readonly convs: { weight: Parameter; bias: Parameter; a: Parameter; b: Parameter }[] = [0, 1].map(() => ({
    weight: parameter([CHANNELS, CHANNELS, 3, 3]),
    bias: parameter([CHANNELS]),
    a: parameter([RANK, CHANNELS, 3, 3]),
    b: parameter([CHANNELS, RANK, 1, 1]),
  }));
  readonly time: { weight: Parameter; bias: Parameter } = {
    weight: parameter([CHANNELS, TIME]),
    bias: parameter([CHANNELS]),
  };

  get trained(): Parameter[] {
    return this.convs.flatMap(({ a, b }) => [a, b]);
  }

  forward(x: tf.Tensor, time: tf.Tensor): tf.Tensor {
    const shift = linear(silu(time), this.time.weight.value(), this.time.bias.value());
    const h = tf.add(this.#half(x, 0), tf.reshape(shift, [-1, CHANNELS, 1, 1]));
    return tf.add(x, this.#half(h, 1));
  }

  #half(x: tf.Tensor, i: 0 | 1): tf.Tensor {
    const [norm, { weight, bias, a, b }] = [this.norms[i]!, this.convs[i]!];
    const h = silu(groupNorm(x, norm.weight.value(), norm.bias.value(), { groups: GROUPS, eps: 1e-5 }));
    const low = conv2d(conv2d(h, a.value(), undefined, { padding: 1 }), b.value());
    return tf.add(conv2d(h, weight.value(), bias.value(), { padding: 1 }), low);
  }
}

function residualBlocks(): () => Promise<tf.Tensor[]> {
  const blocks = [new ResidualBlock(), new ResidualBlock()];
  // Below the blocks more is trained, as inside a model.
  const [x, time] = [parameter([1, CHANNELS, SIZE, SIZE], 2), parameter([1, TIME], 2)];
  return compile(() => {
    const forward = (): tf.Tensor =>
      tf.mean(tf.square(blocks.reduce((h, block) => block.forward(h, time.value()), x.value())));
    const { loss, gradients: found } = gradients(forward, [x, ...blocks.flatMap(({ trained }) => trained)]);
    return [loss, ...found];
  });
}

function selfAttention(): () => Promise<tf.Tensor[]> {
  const [q, k, v] = [0, 1, 2].map(() => parameter([1, TOKENS, WIDTH], 2)) as [Parameter, Parameter, Parameter];
  return compile(() => {
    const forward = (): tf.Tensor => tf.mean(tf.square(attention(q.value(), k.value(), v.value(), { heads: HEADS })));
    const { loss, gradients: found } = gradients(forward, [q, k, v]);
    return [loss, ...found];
  });
}
