// What every method must do, whatever it is: one suite, run over each method by giving it a host and a config.

import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import { getPeftModel, type PeftConfig, PeftModel } from "../adapters/index.js";
import { compile, gradients, inTraining, type Parameter, useEngine } from "../engine/index.js";
import { readSafetensors, writeSafetensors } from "../files/index.js";
import type { HostArray } from "../hostArray.js";
import type { HostModel, ModelInputs } from "../models/index.js";
import { namedModules } from "../nn/index.js";
import { BOUNDS, expectClose, gradientFloor, largest, relativeError } from "./error.js";
import { goldenArray } from "./mulberry32.js";
import { readAll } from "./training.js";

/** The functions of a test runner that the suite needs, such as vitest's. */
export interface TestRunner {
  describe(name: string, body: () => void): unknown;
  it(name: string, body: () => Promise<void>): unknown;
  beforeAll(body: () => Promise<void>): unknown;
}

export interface PeftMethodCase {
  /** A host, small, with new objects at each call and the same numbers. */
  host(): Promise<HostModel> | HostModel;
  readonly config: PeftConfig;
  /** The inputs of `forward` and the targets of the loss; with at least two samples. */
  readonly batch: Readonly<Record<string, HostArray>>;
  /** How many numbers are trained. */
  readonly trainable: number;
  /**
   * Whether an adapter that is not trained yet changes nothing: to the last bit, but for rounding, or not at all.
   *
   * @defaultValue true
   */
  readonly identity?: boolean | "rounded";
  /** Keys of trained tensors whose gradient is zero in exact arithmetic, such as those of a key's bias. */
  readonly zeroGradient?: RegExp;
}

type Numbers = Map<string, Float32Array>;

/**
 * Describes the behaviours that all methods share, on both engines.
 *
 * @param runner vitest's `{ describe, it, beforeAll }`
 */
export function describePeftMethod(
  name: string,
  method: PeftMethodCase,
  { describe, it, beforeAll }: TestRunner,
): void {
  const { batch, config } = method;

  const attached = async (): Promise<{ host: HostModel; model: PeftModel }> => {
    const host = await method.host();
    return { host, model: getPeftModel(host, config) };
  };
  const logits = async (model: HostModel): Promise<Float32Array> => {
    const { labels: _, ...inputs } = batch;
    const { logits: tensor } = await model(inputs);
    const data = (await tensor.data()) as Float32Array;
    tensor.dispose();
    return data.slice();
  };
  const trained = async (seed = 1): Promise<{ host: HostModel; model: PeftModel }> => {
    const made = await attached();
    await perturb(made.model.trainableParameters(), seed);
    return made;
  };

  for (const engine of ["compiled", "eager"] as const) {
    describe(`${name}, ${engine}`, () => {
      beforeAll(async () => {
        await (engine === "compiled" ? useEngine("compiled", { threads: 2 }) : useEngine("eager"));
      });

      it("computes what the host does before it is trained", async () => {
        const bare = await logits(await method.host());
        const { model } = await attached();
        const found = await logits(model);
        if (method.identity === "rounded") close("logits", found, bare, BOUNDS.engines);
        else if (method.identity ?? true) assert.deepEqual(found, bare);
        else assert.notDeepEqual(found, bare);
        model.dispose();
      });

      it("gives the host back as it was: modules, parameters, numbers", async () => {
        const host = await method.host();
        const bare = await logits(host);
        const modules = [...namedModules(host)];
        const parameters = [...host.parameters()];
        const numbers = await readAll(host.parameters());
        const model = getPeftModel(host, config);
        await perturb(model.trainableParameters(), 1);
        assert.deepEqual([...host.parameters().keys()], [...numbers.keys()], "names of parameters with the adapter on");
        assert.notDeepEqual(await logits(model), bare, "logits with the adapter on");
        assert.equal(model.unload(), host);
        assertSame([...namedModules(host)], modules);
        assertSame([...host.parameters()], parameters);
        assert.deepEqual(await readAll(host.parameters()), numbers);
        assert.deepEqual(await logits(host), bare);
        host.dispose();
      });

      it("trains the tensors that it says, and no others", async () => {
        const { host, model } = await trained();
        const parameters = model.trainableParameters();
        const count = [...parameters.values()].reduce((sum, { size }) => sum + size, 0);
        assert.equal(count, method.trainable, "numbers trained");
        assert.equal(model.getNbTrainableParameters().trainable, method.trainable);
        const others = new Map([...model.parameters()].filter(([, p]) => ![...parameters.values()].includes(p)));
        const before = { trained: await readAll(parameters), others: await readAll(others) };
        const { grads } = await stepOf(model, batch, parameters, 0.1);
        const after = { trained: await readAll(parameters), others: await readAll(others) };
        assert.deepEqual(after.others, before.others, "parameters that are not trained");
        const most = Math.max(...[...grads.values()].map(largest));
        for (const [key, gradient] of grads) {
          const isZero = largest(gradient) === 0 || method.zeroGradient?.test(key);
          const moved = relativeError(after.trained.get(key)!, before.trained.get(key)!) > 0;
          assert.ok(isZero || moved, `${key} has a gradient and did not move`);
        }
        assert.ok(most > 0, "no gradient at all");
        model.dispose();
        host.dispose();
      });

      it("is disabled in a scope, and only there", async () => {
        const bare = await logits(await method.host());
        const { model } = await trained();
        const active = await logits(model);
        const inside = await model.disableAdapter(async () => {
          await Promise.resolve();
          return logits(model);
        });
        assert.deepEqual(inside, bare);
        const both = model.disableAdapter(() => logits(model));
        const outside = logits(model);
        assert.deepEqual(await outside, active, "a call outside the scope, at the same time");
        assert.deepEqual(await both, bare, "a call inside the scope, at the same time");
        await assert.rejects(
          model.disableAdapter(() => Promise.reject(new Error("inside"))),
          /inside/,
        );
        assert.deepEqual(await logits(model), active, "after the scope was left by an error");
        model.dispose();
      });

      it("is saved and loaded with the same logits, in either naming", async () => {
        const { model, host } = await trained();
        const active = await logits(model);
        for (const naming of ["hf5", "hf4"] as const) {
          await withFolder(async (folder) => {
            await model.savePretrained(folder, { naming });
            const json = JSON.parse(await readFile(join(folder, "adapter_config.json"), "utf8"));
            assert.equal(json.peft_type, config.peftType);
            assert.equal(json.inference_mode, true);
            const tensors = await readSafetensors(join(folder, "adapter_model.safetensors"));
            for (const key of tensors.keys()) {
              // PEFT's keys for what stands beside the host's modules have no path.
              if (!key.includes(".")) continue;
              const [prefix] = /^base_model\.(model\.)?/.exec(key) ?? [];
              assert.ok(prefix, key);
              const path = key.slice(prefix.length);
              assert.equal(host.names.to(naming, host.names.toHost(path)), path, "spelling of a key");
            }
            const loaded = await PeftModel.fromPretrained(await method.host(), folder);
            assert.deepEqual(await logits(loaded), active);
            assert.equal(loaded.trainableParameters().size, 0);
            loaded.dispose();
            const further = await PeftModel.fromPretrained(await method.host(), folder, { isTrainable: true });
            assert.equal(further.getNbTrainableParameters().trainable, method.trainable);
            further.dispose();
          });
        }
        model.dispose();
      });

      it("refuses a file that lacks a tensor or has one too many, and leaves the host as it was", async () => {
        const { model } = await trained();
        await withFolder(async (folder) => {
          await model.savePretrained(folder);
          const file = join(folder, "adapter_model.safetensors");
          const tensors = await readSafetensors(file);
          const [first] = [...tensors.keys()];
          const shifted = new Map(tensors).set("base_model.model.stranger.weight", tensors.get(first!)!);
          shifted.delete(first!);
          await writeSafetensors(file, shifted);
          const host = await method.host();
          const modules = [...namedModules(host)];
          await assert.rejects(
            PeftModel.fromPretrained(host, folder),
            (error: Error & { code?: string; details?: unknown }) => {
              assert.equal(error.code, "KEY_MISMATCH");
              const { missing, unexpected } = error.details as { missing: string[]; unexpected: string[] };
              assert.equal(missing.length, 1);
              assert.deepEqual(unexpected, ["base_model.model.stranger.weight"]);
              return true;
            },
          );
          assertSame([...namedModules(host)], modules);
          host.dispose();
        });
        model.dispose();
      });

      it("stands beside a second adapter, each with its own numbers", async () => {
        const { model, host } = await trained();
        const first = await logits(model);
        model.addAdapter("second", config, { seed: 1 });
        assert.deepEqual(await logits(model), first, "logits before the second is active");
        model.setAdapter("second");
        await perturb(model.trainableParameters(), 2);
        const second = await logits(model);
        assert.notDeepEqual(second, first);
        model.setAdapter("default");
        assert.deepEqual(await logits(model), first);
        await withFolder(async (folder) => {
          await model.savePretrained(folder);
          const loaded = await PeftModel.fromPretrained(await method.host(), folder);
          await loaded.loadAdapter(join(folder, "second"), { adapterName: "second" });
          assert.deepEqual(await logits(loaded), first);
          loaded.setAdapter("second");
          assert.deepEqual(await logits(loaded), second);
          loaded.dispose();
        });
        model.deleteAdapter("default");
        model.setAdapter("second");
        assert.deepEqual(await logits(model), second);
        model.deleteAdapter("second");
        const bare = await logits(await method.host());
        assert.deepEqual(await logits(host), bare);
        model.dispose();
      });

      it("takes a saved adapter's numbers in place of its own, and is then what that one was", async () => {
        const { model: other } = await trained(2);
        const wanted = await logits(other);
        const { model } = await trained(1);
        assert.notDeepEqual(await logits(model), wanted);
        const parameters = [...model.parameters()];
        await withFolder(async (folder) => {
          await other.savePretrained(folder);
          await model.hotswapAdapter(folder);
        });
        assert.deepEqual(await logits(model), wanted);
        assertSame([...model.parameters()], parameters);
        other.dispose();
        model.dispose();
      });

      it("is merged into the host without changing the logits, or says why not", async () => {
        const { model, host } = await trained();
        const active = await logits(model);
        const names = [...host.parameters().keys()];
        const error = await model.merge().then(
          () => undefined,
          (reason: Error & { code?: string }) => reason,
        );
        if (error) {
          assert.equal(error.code, "MERGE_UNSUPPORTED");
          assert.deepEqual(await logits(model), active);
          model.dispose();
          return;
        }
        close("logits when merged", await logits(model), active, BOUNDS.outputs);
        const bare = await logits(await method.host());
        assert.deepEqual(await model.disableAdapter(() => logits(model)), bare, "disabled when merged");
        model.unmerge();
        assert.deepEqual(await logits(model), active, "logits when unmerged");
        assert.equal(await model.mergeAndUnload(), host);
        close("logits of the merged host", await logits(host), active, BOUNDS.outputs);
        assert.deepEqual([...host.parameters().keys()], names);
        host.dispose();
      });

      it("leaves no tensor behind", async () => {
        const round = async () => {
          const { model } = await trained();
          await logits(model);
          await stepOf(model, batch, model.trainableParameters(), 0.1);
          await model.disableAdapter(() => logits(model));
          model.dispose();
        };
        await round();
        const before = tf.memory().numTensors;
        await round();
        // Fewer, where the collector comes upon models of other tests.
        assert.ok(tf.memory().numTensors <= before);
      });
    });
  }

  describe(`${name}, on both engines`, () => {
    it("gives the same logits and gradients", async () => {
      const results = [];
      for (const engine of ["eager", "compiled"] as const) {
        await (engine === "compiled" ? useEngine("compiled", { threads: 2 }) : useEngine("eager"));
        const { model } = await trained();
        const { grads } = await stepOf(model, batch, model.trainableParameters());
        for (const key of grads.keys()) if (method.zeroGradient?.test(key)) grads.delete(key);
        results.push({ logits: await logits(model), grads });
        model.dispose();
      }
      const [eager, compiled] = results;
      close("logits", compiled!.logits, eager!.logits, BOUNDS.engines);
      const floor = gradientFloor(eager!.grads.values());
      expectClose(compiled!.grads, eager!.grads, BOUNDS.engines, { floor });
    });

    it("has a config that survives JSON and is frozen", async () => {
      const Same = config.constructor as unknown as { fromJSON(json: unknown): PeftConfig };
      const json = JSON.parse(JSON.stringify(config.toJSON()));
      const expected = { modules_to_save: null, ...json };
      assert.deepEqual({ modules_to_save: null, ...Same.fromJSON(json).toJSON() }, expected);
      assert.ok(Object.isFrozen(config));
      assert.deepEqual(config.with({}).toJSON(), config.toJSON());
    });
  });
}

/** Moves trained parameters away from where they start, so that an adapter that is zero at first is not. */
async function perturb(parameters: ReadonlyMap<string, Parameter>, seed: number): Promise<void> {
  for (const [i, [name, parameter]] of [...parameters].entries()) {
    if (parameter.dtype !== "float32") throw new Error(`${name} is trained and no float32`);
    const move = goldenArray(9000 * seed + i, parameter.size, 0.1);
    await parameter.write((await parameter.read()).map((x, k) => x + move[k]!) as Float32Array);
  }
}

/** The gradients of a training step, and the step itself where a rate is given. */
async function stepOf(
  model: PeftModel,
  batch: PeftMethodCase["batch"],
  trained: ReadonlyMap<string, Parameter>,
  rate = 0,
): Promise<{ grads: Numbers }> {
  const names = Object.keys(batch);
  const parameters = [...trained.values()];
  const step = compile((...tensors) =>
    inTraining(() => {
      const inputs: ModelInputs = Object.fromEntries(names.map((name, i) => [name, tensors[i]!]));
      const { gradients: grads } = gradients(() => model.loss(model.forward(inputs), inputs), parameters);
      if (rate > 0) for (const [i, p] of parameters.entries()) p.assign(tf.sub(p.value(), tf.mul(grads[i]!, rate)));
      return grads;
    }),
  );
  const tensors = (await step(...names.map((name) => batch[name]!))) as tf.Tensor[];
  const numbers = await Promise.all(tensors.map((tensor) => tensor.data()));
  tf.dispose(tensors);
  return { grads: new Map([...trained.keys()].map((name, i) => [name, numbers[i]!.slice() as Float32Array])) };
}

async function withFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "peft-"));
  try {
    await body(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function close(what: string, actual: Float32Array, wanted: Float32Array, bound: number): void {
  expectClose(new Map([[what, actual]]), new Map([[what, wanted]]), bound);
}

/** The same names with the same objects. */
function assertSame(found: readonly [string, object][], expected: readonly [string, object][]): void {
  assert.deepEqual(
    found.map(([name]) => name),
    expected.map(([name]) => name),
  );
  for (const [i, [name, object]] of found.entries()) assert.ok(object === expected[i]![1], `${name} is another object`);
}
