import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import {
  BottleneckConfig,
  getPeftModel,
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
