// Where adapters stand in a block, by the formulas of `mosa.md` §2.3, computed from the host's own layers.

import { activation, compile, type Layer, type LayerNorm, useEngine, type ViTForImageClassification } from "@peft/core";
import { goldenArray, relativeError } from "@peft/core/testing";
import * as tf from "@tensorflow/tfjs";
import { beforeAll, describe, expect, it } from "vitest";
import { MosaConfig, type MosaFields } from "../src/index.js";
import { D, moved, tinyHost, tinySwin } from "./tiny.js";

const r = 4;
const TOKENS = { data: goldenArray(11, 2 * 5 * D, 1), shape: [2, 5, D], dtype: "float32" as const };
type Block = Layer & {
  attention: Layer;
  layernorm_before: Layer;
  layernorm_after: Layer;
  intermediate: { dense: Layer };
  output: { dense: Layer };
};
const firstBlock = (host: ViTForImageClassification) => host.vit.encoder.layer[0]! as Block;

/** The parts of a block without adapters: attention's output, and that of the feed-forward layers. */
function parts(block: Block) {
  const gelu = activation("gelu");
  return {
    attention: (x: tf.Tensor) => block.attention.forward(block.layernorm_before.forward(x)),
    ffn: (h: tf.Tensor) =>
      block.output.dense.forward(gelu(block.intermediate.dense.forward(block.layernorm_after.forward(h)))),
  };
}

/** A(u) of merged experts, from the numbers that the adapter's file has. */
async function adapterOf(model: Awaited<ReturnType<typeof moved>>, path: string, act: "gelu" | "relu" | "silu") {
  const read = async (name: string) => Array.from(await model.adapterParameters().get(`${path}.${name}`)!.read());
  const hasNorm = model.adapterParameters().has(`${path}.norm.weight`);
  const N = model.adapterParameters().get(`${path}.up.experts.bias`)!.shape[0]!;
  const [gain, shift] = hasNorm ? [await read("norm.weight"), await read("norm.bias")] : [[], []];
  const [down, downBias, up, upBias] = [
    await read("down.weight"),
    await read("down.bias"),
    await read("up.weight"),
    await read("up.experts.bias"),
  ];
  return (u: tf.Tensor): tf.Tensor => {
    const { mean, variance } = tf.moments(u, -1, true);
    const scaled = tf.div(tf.sub(u, mean), tf.sqrt(tf.add(variance, 1e-6)));
    const x = hasNorm ? tf.add(tf.mul(scaled, tf.tensor1d(gain)), tf.tensor1d(shift)) : u;
    const rows = tf.reshape(x, [-1, D]);
    const narrow = tf.add(tf.matMul(rows, tf.tensor2d(down, [r, D]), false, true), tf.tensor1d(downBias));
    const wide = tf.matMul(activation(act)(narrow), tf.tensor2d(up, [D, r]), false, true);
    const bias = tf.mean(tf.tensor2d(upBias, [N, D]), 0);
    return tf.reshape(tf.add(tf.div(wide, N), bias), u.shape);
  };
}

describe.each(["compiled", "eager"] as const)("a block's output is, %s,", (engine) => {
  beforeAll(async () => {
    await (engine === "compiled" ? useEngine("compiled", { threads: 2 }) : useEngine("eager"));
  });

  it.each<[string, MosaFields["style"]]>([
    ["h + f + s A(LN_a(h)), with the adapter's own norm of h, for adaptformer", "adaptformer"],
    ["h + f + A(LN_a(f)), with f as the adapter's input, for pfeiffer", "pfeiffer"],
    ["(h + f) + A2(h + f) of h = (x + a) + A1(x + a), for houlsby", "houlsby"],
  ])("%s (§8.17)", async (_, style) => {
    const host = tinyHost();
    const plain = parts(firstBlock(tinyHost()));
    const model = await moved(new MosaConfig({ style, bottleneck: r, modulesToSave: null }), { host });
    const block = firstBlock(host);
    const path = "vit.encoder.layer.0.mosa";
    const act = style === "adaptformer" ? "gelu" : style === "pfeiffer" ? "relu" : "silu";
    const [first, second] =
      style === "houlsby"
        ? [await adapterOf(model, `${path}.attention`, act), await adapterOf(model, `${path}.ffn`, act)]
        : [undefined, await adapterOf(model, path, act)];
    const run = compile((x) => {
      const sum = tf.add(x!, plain.attention(x!));
      const h = first ? tf.add(sum, first(sum)) : sum;
      const f = plain.ffn(h);
      const y = tf.add(h, f);
      const added = style === "adaptformer" ? tf.mul(second(h), 0.1) : style === "pfeiffer" ? second(f) : second(y);
      return { ours: block.forward(x!), wanted: tf.add(y, added), without: y };
    });
    const { ours, wanted, without } = await run(TOKENS);
    const numbers = await Promise.all([ours, wanted, without].map((tensor) => tensor!.data()));
    expect(relativeError(numbers[0] as Float32Array, numbers[1] as Float32Array)).toBeLessThan(1e-6);
    expect(relativeError(numbers[0] as Float32Array, numbers[2] as Float32Array)).toBeGreaterThan(1e-3);
    tf.dispose([ours, wanted, without]);
    model.dispose();
  });

  it("on Swin, h + f + s A(LN2(h)), with the block's own norm and none of the adapter's", async () => {
    const host = tinySwin();
    const bare = tinySwin().swin.encoder.layers[0]!.blocks[0]!;
    const model = await moved(new MosaConfig({ style: "swin", bottleneck: 4, modulesToSave: null }), { host });
    const block = host.swin.encoder.layers[0]!.blocks[0]!;
    const read = async (name: string) => {
      const parameter = model.adapterParameters().get(`swin.encoder.layers.0.blocks.0.mosa.${name}`)!;
      return { data: Array.from(await parameter.read()), shape: parameter.shape };
    };
    const [down, downBias, up, upBias] = [
      await read("down.weight"),
      await read("down.bias"),
      await read("up.weight"),
      await read("up.experts.bias"),
    ];
    const tensor = ({ data, shape }: { data: number[]; shape: readonly number[] }) => tf.tensor(data, [...shape]);
    const width = up.shape[0]!;
    const tokens = { data: goldenArray(3, 16 * width, 1), shape: [1, 16, width], dtype: "float32" as const };
    let seen: tf.Tensor | undefined;
    // The residual sum's first operand is h.
    const after = bare.layernorm_after as LayerNorm;
    const norm = after.forward.bind(after);
    (bare as { layernorm_after: Layer }).layernorm_after.forward = (h) => {
      seen = norm(h);
      return seen;
    };
    const run = compile((x) => {
      const y = bare.forward(x!, [4, 4]);
      const rows = tf.reshape(seen!, [16, width]);
      const inner = activation("gelu")(
        tf.add(tf.matMul(rows, tensor(down) as tf.Tensor2D, false, true), tensor(downBias)),
      );
      const wide = tf.div(tf.matMul(inner, tensor(up) as tf.Tensor2D, false, true), 4);
      const added = tf.mul(tf.add(wide, tf.mean(tensor(upBias), 0)), 0.1);
      return { ours: block.forward(x!, [4, 4]), wanted: tf.add(y, tf.reshape(added, y.shape)) };
    });
    const { ours, wanted } = await run(tokens);
    const numbers = await Promise.all([ours.data(), wanted.data()]);
    expect(relativeError(numbers[0] as Float32Array, numbers[1] as Float32Array)).toBeLessThan(1e-6);
    tf.dispose([ours, wanted]);
    model.dispose();
  });
});
