// A training run so small that a process can be spent on it, and what ends it: used by the tests of faults, in processes
// that are killed. It runs on the built package.

import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { join } from "node:path";
import { adamW, arrayBatches, dropout, linear, Parameter, softmaxCrossEntropy, Trainer, useEngine } from "@peft/core";

const HIDDEN = 64;

/** Numbers that look random and are a function of their place. */
function wave(count, scale) {
  return Float32Array.from({ length: count }, (_, i) => Math.sin((i + 1) * 12.9898) * scale);
}

export function makeModel({ hidden = HIDDEN } = {}) {
  const parameters = new Map(
    [
      ["first.weight", [hidden, 4]],
      ["first.bias", [hidden]],
      ["second.weight", [3, hidden]],
    ].map(([name, shape]) => {
      const size = shape.reduce((product, d) => product * d, 1);
      return [name, new Parameter(shape, wave(size, 0.3), { name })];
    }),
  );
  const value = (name) => parameters.get(name).value();
  return {
    forward: ({ x }) => {
      const inside = dropout(linear(x, value("first.weight"), value("first.bias")), 0.2, "hidden");
      return { logits: linear(inside, value("second.weight")), hiddenStates: [] };
    },
    loss: ({ logits }, { labels }) => softmaxCrossEntropy(logits, labels),
    trainableParameters: () => parameters,
  };
}

export function examples(count) {
  const labels = Int32Array.from({ length: count }, (_, i) => i % 3);
  return {
    x: { data: wave(count * 4, 1), shape: [count, 4], dtype: "float32" },
    labels: { data: labels, shape: [count], dtype: "int32" },
  };
}

/** 9 steps in 3 epochs, with all that has a state: moments, averages, early stopping, random numbers, order of the data. */
export function optionsOf(more = {}) {
  return {
    train: arrayBatches(examples(22), { batchSize: 4, shuffle: true, seed: 1 }),
    validation: arrayBatches(examples(9), { batchSize: 9 }),
    epochs: 3,
    accumulate: 2,
    learningRate: 0.02,
    optimizer: adamW(),
    schedule: "cosine",
    clipNorm: 1,
    ema: { decay: 0.9 },
    earlyStopping: { patience: 5 },
    saveEvery: 1,
    keep: 2,
    seed: 7,
    ...more,
  };
}

export async function train(options, onEvent = () => {}, model = makeModel()) {
  for await (const event of new Trainer(model, options).run()) await onEvent(event);
  return model;
}

const CHANGING = ["open", "rename", "rm", "mkdir", "writeFile", "link", "copyFile"];

/** Calls a function before each operation that changes a file; what it throws is what the operation throws. */
export function watchFiles(before) {
  const originals = CHANGING.map((name) => [name, fs.promises[name]]);
  for (const [name, original] of originals) {
    fs.promises[name] = async (...args) => {
      await before(name, args);
      return original(...args);
    };
  }
  syncBuiltinESMExports();
  return () => {
    for (const [name, original] of originals) fs.promises[name] = original;
    syncBuiltinESMExports();
  };
}

function killSelf() {
  process.kill(process.pid, "SIGKILL");
  return new Promise(() => {});
}

/** Ends the process in the midst of writing the file at the path: some of its bytes are there. */
function dieInside(path) {
  fs.writeFileSync(path, Buffer.alloc(100, 1), { flush: true });
  return killSelf();
}

/** Where a process is to die, by name: each gets the steps done and a watch over the files. */
const DEATHS = {
  /** Between two steps. */
  "after step": ({ step }) => ({ onEvent: (event) => event.type === "step" && event.step === step && killSelf() }),
  /** While the tensors of a checkpoint are written. */
  "in the tensors": ({ step }) =>
    fileDeath(step, (name, [path]) => name === "open" && /training\.safetensors\..*tmp$/.test(path) && dieInside(path)),
  /** When the tensors are there and the state is not. */
  "before the state": ({ step }) =>
    fileDeath(step, (name, [path]) => name === "open" && /trainer_state\.json\..*tmp$/.test(path) && killSelf()),
  /** When the old checkpoint has been moved away and the new one is not in its place. */
  "between the renamings": ({ step }) =>
    fileDeath(step, (name, [from]) => name === "rename" && /\.checkpoint-last\..*\.tmp$/.test(from) && killSelf()),
  /** When the new checkpoint is in its place and the old one is not retired. */
  "before the retirement": ({ step }) =>
    fileDeath(step, (name, [from]) => name === "rename" && /\.previous$/.test(from) && killSelf()),
  /** While a line of the log is written. */
  "in the log": ({ step, outputDir }) => ({
    onEvent: (event) => {
      if (event.type !== "step" || event.step !== step) return undefined;
      fs.appendFileSync(join(outputDir, "log.jsonl"), '{"time":"2026-');
      return killSelf();
    },
  }),
};

/** Dies at an operation on files once so many steps are done. */
function fileDeath(step, at) {
  let done = 0;
  watchFiles((name, args) => (done >= step ? at(name, args) : undefined));
  return {
    onEvent: (event) => {
      if (event.type === "step") done = event.step;
    },
  };
}

/** `node tinyRun.mjs '{"outputDir": …}'` */
async function main({ outputDir, engine = "eager", death, ...more }) {
  await useEngine(engine, engine === "compiled" ? { threads: 1 } : {});
  const { onEvent = () => {} } = death ? DEATHS[death.name]({ ...death, outputDir }) : {};
  try {
    await train(optionsOf({ outputDir, resume: true, ...more }), async (event) => {
      console.log(JSON.stringify({ type: event.type, step: event.step }));
      await onEvent(event);
    });
  } catch ({ code, place, hint, message }) {
    console.log(JSON.stringify({ error: { code, place, hint, message } }));
  }
  process.exit(0);
}

if (process.argv[1]?.endsWith("tinyRun.mjs")) await main(JSON.parse(process.argv[2]));
