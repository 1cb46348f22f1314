import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type BatchSource,
  BottleneckConfig,
  compile,
  getPeftModel,
  gradients,
  inTraining,
  nameModules,
  Parameter,
  type PeftModel,
  Trainer,
  useEngine,
} from "@peft/core";
import { goldenArray, relativeError } from "@peft/core/testing";
import * as tf from "@tensorflow/tfjs";
import { beforeAll, describe, expect, it } from "vitest";
import { expertsAmong } from "../src/experts.js";
import { MosaConfig, type MosaFields, mosaRecipe, SplitLinear } from "../src/index.js";
import { probe } from "../src/testing/probe.js";
import { batches, inputs, logitsOf, moved, readAll, steps, tinyHost, tinySwin, train } from "./tiny.js";

const block = "vit.encoder.layer.0.mosa";

/** An epoch of steps whose two passes use these experts, the same on every side. */
function replayed(model: PeftModel, draws: readonly (readonly [number, number])[]): BatchSource {
  const sites = [...model.adapterParameters().keys()]
    .filter((key) => key.endsWith(".owner"))
    .map((key) => key.replace(/owner$/, "experts"));
  return {
    batchesPerEpoch: draws.length,
    async *batches() {
      for (const pair of draws) {
        const drawn = { data: Int32Array.from(pair), shape: [2], dtype: "int32" as const };
        yield { inputs: { ...inputs, ...Object.fromEntries(sites.map((site) => [site, drawn])) }, size: 2 };
      }
    },
  };
}

describe.each(["compiled", "eager"] as const)("training, %s", (engine) => {
  beforeAll(async () => {
    await (engine === "compiled" ? useEngine("compiled", { threads: 2 }) : useEngine("eager"));
  });

  it.each<Partial<MosaFields>>([
    { split: "both" },
    { style: "pfeiffer" },
    { style: "houlsby" },
    { style: "lora", split: "both" },
    { sparse: false },
  ])(
    "begins at the host: in training without dropout, too, the logits are the host's to the last bit: %o (§8.2)",
    async (fields) => {
      const model = getPeftModel(tinyHost(), new MosaConfig({ bottleneck: 4, dropout: 0, ...fields }));
      const run = compile((pixelValues) => inTraining(() => model.forward({ pixelValues: pixelValues! }).logits));
      const logits = await run(inputs.pixelValues);
      expect(await logits.data()).toEqual(await logitsOf(tinyHost()));
      logits.dispose();
      model.dispose();
    },
  );

  it.each(["official", "lazy"] as const)(
    "moves the dense parts and, of the experts, the entries and biases of those drawn: %s (§8.4)",
    async (optimizerSemantics) => {
      const model = await moved(new MosaConfig({ bottleneck: 4, dropout: 0, split: "both", optimizerSemantics }));
      const before = await readAll(model.parameters());
      await train(model, { train: replayed(model, [[2, 0]]), epochs: 1 });
      const after = await readAll(model.parameters());
      const changed = (key: string): boolean[] => Array.from(after.get(key)!, (x, i) => x !== before.get(key)![i]);
      for (const side of ["down", "up"]) {
        const owner = after.get(`${block}.${side}.owner`)!;
        const drawn = Array.from(owner, (e) => e === 2 || e === 0);
        expect(changed(`${block}.${side}.weight`), side).toEqual(drawn);
        const rows = changed(`${block}.${side}.experts.bias`);
        const each = rows.length / 4;
        expect([0, 1, 2, 3].map((e) => rows.slice(e * each, (e + 1) * each).every(Boolean))).toEqual([
          true,
          false,
          true,
          false,
        ]);
        expect(changed(`${block}.${side}.owner`).some(Boolean)).toBe(false);
      }
      expect(changed(`${block}.down.initial`).some(Boolean)).toBe(false);
      expect(changed(`${block}.norm.weight`).every(Boolean)).toBe(true);
      expect(changed("classifier.weight").every(Boolean)).toBe(true);
      const trained = new Set(model.trainableParameters().keys());
      for (const key of before.keys()) if (!trained.has(key)) expect(changed(key).some(Boolean), key).toBe(false);
      model.dispose();
    },
  );

  it.each([
    ["official", true],
    ["lazy", false],
  ] as const)("moves an expert that was drawn in an earlier step on its moments: %s, %s", async (semantics, moves) => {
    const model = await moved(new MosaConfig({ bottleneck: 4, dropout: 0, optimizerSemantics: semantics }));
    const source = replayed(model, [
      [1, 1],
      [3, 3],
    ]);
    const seen = [await readAll(model.adapterParameters())];
    for await (const _ of steps(model, { train: source, epochs: 1 }))
      seen.push(await readAll(model.adapterParameters()));
    const owner = seen[0]!.get(`${block}.up.owner`)!;
    const changed = (step: number, e: number): boolean =>
      Array.from(owner).some(
        (o, j) =>
          o === e && seen[step]!.get(`${block}.up.weight`)![j] !== seen[step - 1]!.get(`${block}.up.weight`)![j],
      );
    expect([0, 1, 2, 3].map((e) => changed(1, e))).toEqual([false, true, false, false]);
    expect([0, 1, 2, 3].map((e) => changed(2, e))).toEqual([false, moves, false, true]);
    model.dispose();
  });

  it("decays what an expert keeps of the common start by (1 - lr decay) a step from its first draw on (§8.5)", async () => {
    const [rate, decay, first] = [1e-2, 0.01, 4];
    const model = getPeftModel(tinyHost(), new MosaConfig({ bottleneck: 4, numExperts: 3, dropout: 0, split: "both" }));
    const draws = Array.from({ length: 100 }, (_, i): [number, number] => [0, i < first ? 0 : 1]);
    await train(model, { train: replayed(model, draws), epochs: 1, learningRate: rate });
    const left = await model.adapterParameters().get(`${block}.down.experts.decay`)!.read();
    const wanted = [100, 100 - first, 0].map((k) => (1 - rate * decay) ** k);
    for (const [e, factor] of wanted.entries())
      expect(Math.abs(left[e]! / factor - 1), `expert ${e}`).toBeLessThan(1e-6);
    model.dispose();
  });

  it("leaves an expert's entries that are not its own at exactly 0 on a side that starts at 0, over 100 steps (§8.5)", async () => {
    const model = getPeftModel(tinyHost(), new MosaConfig({ bottleneck: 4, numExperts: 3, dropout: 0 }));
    await train(model, { epochs: 100 });
    const side = expertsAmong(model.adapterParameters()).get(`${block}.up`)!;
    const [r, width] = [side.inFeatures, side.outFeatures];
    // Rows of the identity show a weight's columns, with the bias upon them.
    const eye = Float32Array.from({ length: r * r }, (_, i) => (Math.floor(i / r) === i % r ? 1 : 0));
    const run = compile((x, expert) => inTraining(() => side.withExperts(expert!, () => side.forward(x!))));
    const owner = await model.adapterParameters().get(`${block}.up.owner`)!.read();
    const biases = await model.adapterParameters().get(`${block}.up.experts.bias`)!.read();
    for (const e of [0, 1, 2]) {
      const expert = { data: Int32Array.of(e), shape: [1], dtype: "int32" as const };
      const y = await run({ data: eye, shape: [r, r], dtype: "float32" }, expert);
      const shown = await y.data();
      const trained = Array.from(owner, (o, j) => {
        const [out, at] = [Math.floor(j / r), j % r];
        return { isOwn: o === e, moved: shown[at * width + out] !== biases[e * width + out] };
      });
      expect(trained.filter(({ isOwn, moved }) => !isOwn && moved)).toEqual([]);
      expect(trained.filter(({ isOwn, moved }) => isOwn && moved).length, `expert ${e}`).toBeGreaterThan(0);
      y.dispose();
    }
    model.dispose();
  });

  it("draws for the whole batch: the same picture twice has the same logits, another draw has others (§8.11)", async () => {
    const model = await moved(new MosaConfig({ bottleneck: 4, dropout: 0, split: "both" }));
    const one = (inputs.pixelValues.data as Float32Array).slice(0, inputs.pixelValues.data.length / 2);
    const pixels = { ...inputs.pixelValues, data: Float32Array.of(...one, ...one) };
    const run = compile((pixelValues) => inTraining(() => model.forward({ pixelValues: pixelValues! }).logits));
    const seen = new Set<string>();
    for (let step = 0; step < 8; step++) {
      const logits = await run.at({ seed: 1, step })(pixels);
      const numbers = Array.from(await logits.data());
      const half = numbers.length / 2;
      expect(relativeError(numbers.slice(half), numbers.slice(0, half))).toBeLessThan(1e-6);
      seen.add(numbers.map((x) => x.toFixed(4)).join());
      logits.dispose();
    }
    expect(seen.size).toBeGreaterThan(1);
    model.dispose();
  });

  it("goes as the plain adapter's does where there is one expert and no second pass in the loss (§8.9)", async () => {
    const config = new MosaConfig({ bottleneck: 4, numExperts: 1, regWeight: 0, dropout: 0 });
    const mosa = getPeftModel(tinyHost(), config);
    const plain = getPeftModel(tinyHost(), new BottleneckConfig({ bottleneck: 4, dropout: 0, activation: "gelu" }));
    const same = (key: string): string => key.replace(".bottleneck.", ".mosa.").replace(/up\.bias$/, "up.experts.bias");
    const start = await readAll(mosa.adapterParameters());
    for (const [key, parameter] of plain.adapterParameters()) parameter.adopt(start.get(same(key))!.slice());
    for (const model of [mosa, plain]) await train(model, { epochs: 20, learningRate: 1e-3 });
    const ours = await readAll(mosa.adapterParameters());
    for (const [key, numbers] of await readAll(plain.adapterParameters())) {
      expect(relativeError(ours.get(same(key))!, numbers), key).toBeLessThan(1e-6);
    }
    for (const model of [mosa, plain]) model.dispose();
  });

  it("has live dropout, of its own in each pass; evaluation has neither dropout nor draws (§8.11, §8.18)", async () => {
    const model = await moved(new MosaConfig({ bottleneck: 4, numExperts: 1, dropout: 0.5 }));
    const loss = compile((pixelValues, labels) =>
      inTraining(() => {
        const batch = { pixelValues: pixelValues!, labels: labels! };
        const forward = (given: typeof batch) => model.forward(given);
        let halves: tf.Tensor[] = [];
        model.hooks!.loss!({
          batch,
          forward: (given) => {
            const output = forward(given as typeof batch);
            halves = tf.split(output.logits, 2).map((half) => tf.keep(half));
            return output;
          },
          criterion: (output, given) => model.loss(output, given),
        });
        return halves;
      }),
    );
    const [p, q] = (await loss(inputs.pixelValues, inputs.labels)) as tf.Tensor[];
    expect(await p!.data()).not.toEqual(await q!.data());
    tf.dispose([p!, q!]);
    const evaluate = compile((pixelValues) => model.forward({ pixelValues: pixelValues! }).logits);
    const results = [];
    for (const seed of [1, 2]) {
      const logits = await evaluate.at({ seed, step: seed })(inputs.pixelValues);
      results.push(await logits.data());
      logits.dispose();
    }
    expect(results[1]).toEqual(results[0]);
    model.dispose();
  });

  it("is resumed from a checkpoint to the same numbers, draws, counters and owners included (§8.16)", async () => {
    const config = new MosaConfig({ bottleneck: 4, split: "both" });
    const options = { train: batches(5), learningRate: 1e-2 };
    const folder = await mkdtemp(join(tmpdir(), "mosa-"));
    try {
      const whole = getPeftModel(tinyHost(), config, { seed: 5 });
      await train(whole, { ...options, epochs: 4 });
      const half = getPeftModel(tinyHost(), config, { seed: 5 });
      await train(half, { ...options, epochs: 2, outputDir: folder });
      const resumed = getPeftModel(tinyHost(), config, { seed: 5 });
      await train(resumed, { ...options, epochs: 4, resume: folder });
      expect(await readAll(resumed.adapterParameters())).toEqual(await readAll(whole.adapterParameters()));
      expect(await readAll(resumed.hooks!.state!)).toEqual(await readAll(whole.hooks!.state!));
      for (const model of [whole, half, resumed]) model.dispose();
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("has no gradient for any tensor of the host, and of a split side none outside the drawn experts' entries (§8.4)", async () => {
    const model = await moved(new MosaConfig({ bottleneck: 4, dropout: 0, split: "both" }));
    const sites = [...model.adapterParameters().keys()].filter((key) => key.endsWith(".owner"));
    const drawn = sites.map((key) => [
      key.replace(/owner$/, "experts"),
      { data: Int32Array.of(1, 3), shape: [2], dtype: "int32" as const },
    ]);
    const { grads } = await probe(model, { inputs: { ...inputs, ...Object.fromEntries(drawn) }, size: 2 });
    const own = new Set(model.adapterParameters().keys());
    for (const key of grads.keys()) expect(own.has(key), key).toBe(true);
    for (const key of sites) {
      const owner = await model.adapterParameters().get(key)!.read();
      const grad = grads.get(key.replace(/owner$/, "weight"))!;
      for (const [j, e] of owner.entries()) if (e !== 1 && e !== 3) expect(grad[j], `${key} ${j}`).toBe(0);
      expect(Math.max(...Array.from(grad, Math.abs))).toBeGreaterThan(0);
    }
    model.dispose();
  });

  it("ties blocks, of which a Swin transformer shows only stages: the deep loss is refused there", async () => {
    const model = getPeftModel(tinySwin(), new MosaConfig({ style: "swin", bottleneck: 4, deepReg: true }));
    await expect(train(model, { epochs: 1 })).rejects.toMatchObject({ code: "TARGET_UNSUPPORTED", place: "deepReg" });
    model.dispose();
  });

  it("has live stochastic depth on Swin: the two passes of a step leave out branches of their own (§8.18)", async () => {
    const model = getPeftModel(tinySwin({ path: 0.5 }), new MosaConfig({ style: "swin", bottleneck: 4 }));
    const loss = async (epochs: number): Promise<number[]> => {
      const losses: number[] = [];
      const recipe = mosaRecipe({ train: batches(), schedule: "constant", warmup: 0, learningRate: 0, epochs });
      for await (const event of new Trainer(model, recipe).run()) if (event.type === "step") losses.push(event.loss);
      return losses;
    };
    const losses = await loss(8);
    expect(new Set(losses).size).toBeGreaterThan(1);
    expect(await logitsOf(model)).toEqual(await logitsOf(tinySwin({ path: 0.5 })));
    model.dispose();
  });

  it("leaves no tensor behind", async () => {
    const round = async (): Promise<void> => {
      const model = getPeftModel(tinyHost(), new MosaConfig({ bottleneck: 4, split: "both" }));
      await train(model, { epochs: 2, validation: batches() });
      model.dispose();
    };
    await round();
    const before = tf.memory().numTensors;
    await round();
    expect(tf.memory().numTensors).toBeLessThanOrEqual(before);
  });

  it("of the compact form equals that of N whole copies with masked gradients, over 50 steps of plain descent (§8.10)", async () => {
    const [N, rows, width, r, rate] = [4, 7, 6, 3, 0.1];
    const side = new SplitLinear(r, width, { numExperts: N, splitMode: "all", seed: 0 });
    nameModules(side, "side");
    const owner = await side.owner.read();
    const copies = Array.from({ length: N }, () => ({
      weight: Parameter.zeros([width, r]),
      bias: Parameter.zeros([width]),
    }));
    const x = { data: goldenArray(1, rows * r, 1), shape: [rows, r], dtype: "float32" as const };
    const y = { data: goldenArray(2, rows * width, 1), shape: [rows, width], dtype: "float32" as const };
    const compact = compile((input, target, expert) => {
      const trained = [side.weight, side.experts.bias!];
      const found = gradients(
        () =>
          inTraining(() => side.withExperts(expert!, () => tf.losses.meanSquaredError(target!, side.forward(input!)))),
        trained,
      );
      for (const [i, p] of trained.entries()) p.assign(tf.sub(p.value(), tf.mul(found.gradients[i]!, rate)));
      return found.loss;
    });
    const whole = copies.map(({ weight, bias }, e) =>
      compile((input, target) => {
        const found = gradients(
          () =>
            tf.losses.meanSquaredError(target!, tf.add(tf.matMul(input!, weight.value(), false, true), bias.value())),
          [weight, bias],
        );
        const mask = tf.tensor2d(
          Array.from(owner, (o) => Number(o === e)),
          [width, r],
        );
        weight.assign(tf.sub(weight.value(), tf.mul(tf.mul(found.gradients[0]!, mask), rate)));
        bias.assign(tf.sub(bias.value(), tf.mul(found.gradients[1]!, rate)));
        return found.loss;
      }),
    );
    for (let i = 0; i < 50; i++) {
      const e = (i * i) % N;
      (await compact(x, y, { data: Int32Array.of(e), shape: [1], dtype: "int32" })).dispose();
      (await whole[e]!(x, y)).dispose();
    }
    const [union, biases] = [await side.weight.read(), await side.experts.bias!.read()];
    for (const [e, { weight, bias }] of copies.entries()) {
      const ours = Array.from(union, (u, j) => (owner[j] === e ? u : 0));
      expect(relativeError(ours, await weight.read(), 1), `weight of ${e}`).toBeLessThan(1e-6);
      expect(relativeError(biases.slice(e * width, (e + 1) * width), await bias.read(), 1)).toBeLessThan(1e-6);
    }
  });
});
