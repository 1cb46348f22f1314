// The MoSA example: adapts a small pretrained ViT to pictures by five methods, compares them on the test pictures, and
// shows what is done with an adapter: saved, loaded, merged, used.

import { join } from "node:path";
import { type PeftModel, readImageProcessor, useEngine, writeFileAtomic } from "@peft/core";
import { peakMemoryMb, processorLine } from "@peft/machine";
import { resumeCommand } from "../command.js";
import { INTERRUPTED, listenForInterrupt } from "../interrupt.js";
import { formatTable, type RunSummary, renderCurves, summarizeMethod, writeSummary } from "../report/index.js";
import { checkHost, HOST_FOLDER } from "./assets.js";
import { adapterFolder, nameSome, saveAndMerge } from "./finale.js";
import { METHODS } from "./methods.js";
import { isSlow, type MosaOptions } from "./options.js";
import { openPictures, type Pictures } from "./pictures.js";
import { beginRun, planRun, type RunFolder, reopenRun } from "./runFolder.js";
import { finishedResult, type Result, type Setting, train } from "./training.js";

export { ENGINES, type MosaOptions } from "./options.js";

const BATCH = 32;
/** The pictures of the repository are more, and for a first look; other data are for a comparison. */
const EPOCHS = { shipped: 20, data: 60 };
const SLOW = { batch: 4, epochs: 1 };

/**
 * Runs the example. Resolves with the run's folder.
 *
 * @throws PeftError RUN_EXISTS for the folder of another run, and what opening the pictures and the engine throws: there is
 *   no folder then; with `resume` FILE_MISSING, JSON_INVALID, CONFIG_INVALID
 */
export async function runMosa(given: MosaOptions): Promise<string> {
  checkHost(HOST_FOLDER);
  const run = given.resume === undefined ? planRun(given) : await reopenRun(given.resume, given.json);
  const { options } = run;
  const pictures = await openPictures(options);
  const isLooking = isSlow(options.engine);
  const info =
    options.engine === "eager"
      ? await useEngine("eager")
      : await useEngine("compiled", { device: options.engine === "compiled" ? "cpu" : "webgpu" });
  const engine = `${info.engine} (${info.device}${info.threads ? `, ${info.threads} threads` : ""})`;
  say(`${pictures.description}: ${sizes(pictures)}; ${engine}; ${processorLine()}`);
  if (isLooking) {
    const name = options.engine === "eager" ? "The pure JavaScript engine" : "WebGPU on a software device";
    say(`${name} is for looking, not for results: few pictures, one epoch. Leave --engine out for both.`);
  }

  if (given.resume === undefined) await beginRun(run);
  const interrupt = listenForInterrupt({
    onInterrupt: () => say(`\nStopping after this step. Go on with:\n  ${resumeCommand("mosa", run.path)}`),
  });
  try {
    const setting: Setting = {
      host: HOST_FOLDER,
      pictures,
      processor: await readImageProcessor(HOST_FOLDER),
      epochs: options.epochs ?? defaultEpochs(options),
      batchSize: isLooking ? SLOW.batch : BATCH,
      signal: interrupt.signal,
    };
    await compare(run, setting, engine);
  } catch (error) {
    if (!interrupt.signal.aborted) throw error;
    process.exitCode = INTERRUPTED;
  } finally {
    interrupt.release();
  }
  return run.path;
}

function defaultEpochs({ engine, data }: MosaOptions): number {
  if (isSlow(engine)) return SLOW.epochs;
  return data === undefined ? EPOCHS.shipped : EPOCHS.data;
}

async function compare(run: RunFolder, setting: Setting, engine: string): Promise<void> {
  const { options, path } = run;
  const results: Result[] = [];
  let shown: PeftModel | undefined;
  for (const method of METHODS) {
    for (let seed = 0; seed < options.seeds; seed++) {
      const folder = join(path, "methods", `${method.folder}-${seed}`);
      const isShown = method.folder === "mosa" && seed === 0;
      const finished = isShown ? undefined : await finishedResult(folder);
      if (finished) {
        results.push(finished);
        continue;
      }
      const { result, model } = await train(method, seed, folder, setting);
      results.push(result);
      if (isShown) shown = model;
      else model.dispose();
    }
  }
  const points = results.flatMap((result) => result.points);
  await writeFileAtomic(join(path, "curves.svg"), renderCurves({ title: "MoSA and its baselines", points }));

  const { model, differences, parameters } = await saveAndMerge(shown!, adapterFolder(path), 0, setting);
  const { lines, sheet } = await nameSome(model, setting);
  await writeFileAtomic(join(path, "sheet.png"), sheet);
  const summary = summarize(run, setting.pictures, results, engine);
  await writeSummary(path, summary);
  shown!.dispose();
  model.dispose();

  if (options.json) {
    console.log(JSON.stringify(summary));
    return;
  }
  console.log(`\n${formatTable(summary.methods, { color: process.stdout.isTTY })}`);
  console.log(`\nMoSA's ${parameters}`);
  console.log(
    `Saved, loaded into a fresh host, experts merged: the logits ${difference(differences.merged)}` +
      ` (the bare host's differ by up to ${differences.bare.toFixed(2)}).`,
  );
  console.log(`\nWhat is in a few test pictures:\n${lines.map((line) => `  ${line}`).join("\n")}`);
  console.log(`\nEverything is in ${path}: summary.json, curves.svg, sheet.png, adapter/`);
}

function difference(largest: number): string {
  return largest === 0 ? "are the same to the bit" : `differ by ${largest.toExponential(1)} at most`;
}

function summarize(run: RunFolder, pictures: Pictures, results: readonly Result[], engine: string): RunSummary {
  const methods = METHODS.map(({ name }) => {
    const own = results.filter(({ method }) => method === name);
    const rate = own.reduce((sum, { stepsPerSecond }) => sum + stepsPerSecond, 0) / own.length;
    const { parametersTrained, parametersDeployed } = own[0]!;
    return summarizeMethod({
      name,
      seeds: own.map(({ seed }) => seed),
      accuracies: own.map(({ accuracy }) => accuracy),
      parametersTrained,
      parametersDeployed,
      stepsPerSecond: rate,
    });
  });
  const { description, classes, train: training, validation, test } = pictures;
  return {
    format: 1,
    name: "mosa",
    methods,
    data: {
      description,
      classes: [...classes],
      train: training.length,
      validation: validation.length,
      test: test.length,
    },
    host: "vit-cifar6, a ViT of 4 blocks pretrained on six classes of CIFAR-10",
    peakMemoryMb: peakMemoryMb(),
    engine,
    processor: processorLine(),
    command: run.command,
    started: run.started,
    finished: new Date().toISOString(),
  };
}

function sizes({ train: training, validation, test, classes }: Pictures): string {
  return `${classes.length} classes, ${training.length} pictures to train, ${validation.length} to validate, ${test.length} to test`;
}

/** On standard error, which leaves standard output to results. */
function say(line: string): void {
  console.error(line);
}
