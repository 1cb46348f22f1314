import { join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import { beforeAll, describe, expect, it } from "vitest";
import {
  BottleneckConfig,
  type BottleneckFields,
  getPeftModel,
  HostModel,
  type ModelInputs,
  type ModelOutput,
  Module,
  nameModules,
  Residual,
  type ResidualStyle,
  useEngine,
  ViTForImageClassification,
} from "../../src/index.js";
import {
  BOUNDS,
  changeError,
  expectClose,
  type FixtureOptimizer,
  fixtureTraining,
  goldenArray,
  gradientFloor,
  readFixture,
  stepOf,
  trainSteps,
} from "../../src/testing/index.js";
import { FIXTURES } from "../fixtures.js";

const PREFIX = "base_model.model.";
const strip = <T>(map: ReadonlyMap<string, T>): Map<string, T> =>
  new Map([...map].map(([key, value]) => [key.slice(PREFIX.length), value]));

describe.each(["compiled", "eager"] as const)("bottleneck adapters, %s", (engine) => {
  beforeAll(async () => {
    await (engine === "compiled" ? useEngine("compiled", { threads: 2 }) : useEngine("eager"));
  });

  it.each(["adaptformer", "pfeiffer", "houlsby"])("%s equals the MoSA repository's baseline", async (style) => {
    const fixture = readFixture(join(FIXTURES, "bottleneck"), style);
    const { scale, bottleneck, dropout } = fixture.info as { scale: number; bottleneck: number; dropout: number };
    const layerNormEps = fixture.info.layerNormEps as number;
    const host = await ViTForImageClassification.fromPretrained(join(FIXTURES, "vit", "tiny"), { layerNormEps });
    const config = new BottleneckConfig({ style: style as ResidualStyle, bottleneck, dropout });
    const model = getPeftModel(host, config);
    const trained = model.trainableParameters();
    const start = strip(fixture.group("start"));
    expect([...trained.keys()].sort()).toEqual([...start.keys()].sort());
    for (const [key, numbers] of start) await trained.get(key)!.write(numbers);
    expect(config.scale ?? { adaptformer: 0.1, pfeiffer: 1, houlsby: 1 }[style]).toBe(scale);

    const batch = { pixelValues: fixture.input("pixels"), labels: fixture.input("labels") };
    const { logits, gradients } = await stepOf(model, batch, trained);
    expectClose(new Map([["logits", logits]]), fixture.group("output"), BOUNDS.outputs);
    const wanted = strip(fixture.group("grad"));
    const floor = gradientFloor(wanted.values());
    expectClose(gradients, wanted, BOUNDS.gradients, { floor });

    const settings = fixtureTraining(fixture.info.optimizer as FixtureOptimizer);
    const { losses, before, after } = await trainSteps(model, batch, trained, settings);
    expectClose(new Map([["losses", losses]]), new Map([["losses", fixture.info.losses as number[]]]), BOUNDS.outputs);
    for (const [key, delta] of strip(fixture.group("delta"))) {
      expect(changeError(before.get(key)!, after.get(key)!, delta), key).toBeLessThan(BOUNDS.steps);
    }
    model.dispose();
  });
});

/** A block of a decoder without anything but its sums. */
class Block extends Module {
  readonly attention_residual = new Residual(4);
  readonly cross_attention_residual = new Residual(4);
  readonly ffn_residual = new Residual(4);

  override forward(x: tf.Tensor): tf.Tensor {
    const attended = this.attention_residual.forward(x, tf.tanh(x));
    const crossed = this.cross_attention_residual.forward(attended, tf.tanh(attended));
    return this.ffn_residual.forward(crossed, tf.tanh(crossed));
  }
}

class Decoder extends HostModel {
  readonly layers: Block[] = [new Block(), new Block(), new Block()];

  constructor() {
    super();
    nameModules(this);
  }

  override forward({ x }: ModelInputs): ModelOutput {
    const logits = this.layers.reduce((h, layer) => layer.forward(h), x!);
    return { logits, hiddenStates: [] };
  }

  override loss({ logits }: ModelOutput): tf.Tensor {
    return tf.mean(logits);
  }
}

describe("places of bottleneck adapters", () => {
  const keysOf = (fields: Partial<BottleneckFields>) => [
    ...getPeftModel(new Decoder(), new BottleneckConfig({ bottleneck: 2, ...fields }))
      .trainableParameters()
      .keys(),
  ];
  const downs = (keys: string[]) => keys.filter((key) => key.endsWith("down.weight"));

  it("are the sums that are named, in the blocks that are not left out", () => {
    expect(
      downs(keysOf({ style: "houlsby", sides: ["attention", "cross_attention", "ffn"], leaveOut: [0, 2] })),
    ).toEqual([
      "layers.1.bottleneck.attention.down.weight",
      "layers.1.bottleneck.cross_attention.down.weight",
      "layers.1.bottleneck.ffn.down.weight",
    ]);
    expect(downs(keysOf({ style: "pfeiffer", leaveOut: [1, 2] }))).toEqual(["layers.0.bottleneck.down.weight"]);
    expect(() => keysOf({ leaveOut: [0, 1, 2] })).toThrow(/no residual sums/);
  });

  it("leave the input and the branch of a sum to the adapter as the style says", async () => {
    const data = goldenArray(3, 8, 1);
    const x = { data, shape: [1, 2, 4], dtype: "float32" as const };
    for (const style of ["adaptformer", "pfeiffer", "houlsby"] as const) {
      const config = new BottleneckConfig({
        style,
        bottleneck: 3,
        sides: ["cross_attention"],
        leaveOut: [1, 2],
        dropout: 0,
      });
      const model = getPeftModel(new Decoder(), config);
      // The adapter is a constant: up's bias times the scale.
      await model
        .trainableParameters()
        .get("layers.0.bottleneck.cross_attention.up.bias")!
        .write(Float32Array.of(1, 2, 3, 4));
      const { logits } = await model({ x });
      const scale = style === "adaptformer" ? 0.1 : 1;
      const wanted = Float32Array.from(data, (value, i) => {
        const block = (h: number, added: number): number => {
          const attended = h + Math.tanh(h);
          const crossed = attended + Math.tanh(attended) + added;
          return crossed + Math.tanh(crossed);
        };
        return block(block(block(value, scale * ((i % 4) + 1)), 0), 0);
      });
      expectClose(new Map([[style, await logits.data()]]), new Map([[style, wanted]]), BOUNDS.outputs);
      logits.dispose();
    }
  });
});
