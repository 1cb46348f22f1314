// One run of a trainer: steps, evaluations and checkpoints in their order, told as a stream of events.

import { access } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Batch } from "../data/index.js";
import type { Parameter, ParameterData } from "../engine/index.js";
import { PeftError } from "../errors.js";
import {
  type Agreement,
  BEST,
  type CheckpointParameters,
  findTrainingCheckpoint,
  LAST,
  type Progress,
  readTrainedParameters,
  readTrainingCheckpoint,
  writeTrainingCheckpoint,
} from "./checkpoints.js";
import { evaluate, type Metrics } from "./evaluate.js";
import type { Best, TrainingEvent } from "./events.js";
import type { TrainableModel } from "./model.js";
import { StepRate } from "./rate.js";
import type { Settings } from "./trainerOptions.js";
import { type TrainingStep, trainingStep } from "./trainingStep.js";

/** Batches of the epoch at work; the next one is prepared while a step runs. */
interface Epoch {
  readonly iterator: AsyncIterator<Batch>;
  next: Promise<IteratorResult<Batch>>;
}

/** One run's state. Nothing is done before the events are asked for. */
export class Run {
  readonly #step: TrainingStep;
  readonly #rate = new StepRate();
  #progress: Progress = { step: 0, epoch: 0, position: 0, evaluatedStep: null, best: null };
  /** Where the best evaluation's parameters are, if they are wanted at the end. */
  #best: string | Map<string, ParameterData> | undefined;
  #epoch: Epoch | undefined;
  /** Progress at the last checkpoint. */
  #saved: Progress | undefined;

  constructor(
    readonly model: TrainableModel,
    readonly settings: Settings,
    readonly signal: AbortSignal | undefined,
  ) {
    this.#step = trainingStep(model, settings);
  }

  dispose(): void {
    this.#step.dispose();
  }

  async *events(): AsyncGenerator<TrainingEvent, void, undefined> {
    this.#throwIfAborted();
    await this.#resume();
    try {
      yield { type: "start", ...this.#place(), totalSteps: this.settings.totalSteps };
      yield* this.#train();
    } catch (error) {
      const wasAborted = this.signal?.aborted === true && (error === this.signal.reason || isAbortError(error));
      if (!wasAborted && !isDivergence(error)) throw error;
      yield* this.#saveLast();
      throw wasAborted ? aborted() : error;
    } finally {
      await this.#endEpoch();
    }
  }

  async *#train(): AsyncGenerator<TrainingEvent, void, undefined> {
    const { totalSteps, batchesPerEpoch, evaluateEvery } = this.settings;
    for (;;) {
      if (this.#evaluationIsDue()) {
        yield* this.#evaluate();
        if (evaluateEvery !== "epoch") yield* this.#saveLast();
      }
      if (this.#progress.position === batchesPerEpoch) {
        const { step, epoch } = this.#progress;
        await this.#endEpoch();
        await this.model.hooks?.onEpochEnd?.(epoch);
        this.#progress = { ...this.#progress, epoch: epoch + 1, position: 0 };
        yield { type: "epoch", step, epoch };
        yield* this.#saveLast();
      }
      if (this.#progress.step >= totalSteps) break;
      yield* this.#takeStep();
    }
    yield* this.#saveLast();
    if (this.settings.loadBest) await this.#loadBest();
    yield { type: "done", ...this.#place(), ...(this.#progress.best && { best: this.#progress.best }) };
  }

  async *#takeStep(): AsyncGenerator<TrainingEvent, void, undefined> {
    const { seed, totalSteps, logEvery } = this.settings;
    const { step, epoch, position } = this.#progress;
    this.#throwIfAborted();
    const started = performance.now();
    const batch = await this.#nextBatch();
    const learningRate = this.settings.learningRateAt(step, epoch);
    const running = this.#step.run(batch.inputs, { learningRate, seed, step });
    this.#prepareNext();
    const { loss, norm, finite } = await running;
    // The eager engine never leaves the microtasks: without this, no timer and no signal would come through.
    await new Promise((resolve) => setImmediate(resolve));
    if (!finite) throw diverged(step + 1, { loss, norm, learningRate });
    this.#progress = { ...this.#progress, step: step + 1, position: position + 1 };
    this.#rate.add((performance.now() - started) / 1000);
    if ((step + 1) % logEvery === 0 || step + 1 === totalSteps) {
      const stepsPerSecond = this.#rate.value;
      const secondsLeft = (totalSteps - step - 1) / stepsPerSecond;
      yield { type: "step", step: step + 1, totalSteps, epoch, loss, norm, learningRate, stepsPerSecond, secondsLeft };
    }
  }

  async #nextBatch(): Promise<Batch> {
    const { train, batchesPerEpoch } = this.settings;
    const { epoch, position } = this.#progress;
    if (!this.#epoch) {
      const iterator = train.batches(epoch, { start: position, signal: this.signal })[Symbol.asyncIterator]();
      this.#epoch = { iterator, next: iterator.next() };
    }
    const { value, done } = await this.#epoch.next;
    if (done) {
      const message = `epoch ${epoch} has ${position} batches, ${batchesPerEpoch} were promised`;
      throw new PeftError("DATA_INVALID", message, { hint: "let batchesPerEpoch be what batches() gives" });
    }
    return value;
  }

  #prepareNext(): void {
    const epoch = this.#epoch!;
    epoch.next = epoch.iterator.next();
    // Reported when its turn comes, or never, if the run ends before.
    epoch.next.catch(() => {});
  }

  async #endEpoch(): Promise<void> {
    const epoch = this.#epoch;
    this.#epoch = undefined;
    // A source that was aborted has said so already.
    await epoch?.iterator.return?.().catch(() => {});
  }

  #evaluationIsDue(): boolean {
    const { validation, evaluateEvery, totalSteps, batchesPerEpoch } = this.settings;
    const { step, position, evaluatedStep } = this.#progress;
    if (!validation || step === 0 || evaluatedStep === step) return false;
    if (step >= totalSteps) return true;
    return evaluateEvery === "epoch" ? position === batchesPerEpoch : step % evaluateEvery === 0;
  }

  async *#evaluate(): AsyncGenerator<TrainingEvent, void, undefined> {
    const metrics = await evaluate(this.model, this.settings.validation!, { signal: this.signal });
    const best = this.#improvement(metrics);
    this.#progress = { ...this.#progress, evaluatedStep: this.#progress.step, best: best ?? this.#progress.best };
    yield { type: "evaluation", split: "validation", ...this.#place(), metrics, best: best !== undefined };
    if (!best) return;
    const { outputDir, loadBest } = this.settings;
    if (outputDir !== undefined) {
      const path = join(outputDir, BEST);
      await this.#write(path);
      this.#best = path;
      yield { type: "checkpoint", step: this.#progress.step, path, best: true };
    } else if (loadBest) this.#best = await numbersOf(this.#step.parameters);
  }

  /** What an evaluation is, if it is better than all before; the first of equals stays. */
  #improvement({ loss, accuracy }: Metrics): Best | undefined {
    const metric = this.settings.bestMetric ?? (accuracy === undefined ? "loss" : "accuracy");
    const value = metric === "loss" ? loss : accuracy;
    if (value === undefined) {
      throw new PeftError("ARGUMENT_INVALID", "the best accuracy is asked for, and the model is no classifier", {
        place: "bestMetric",
        hint: 'choose by "loss"',
      });
    }
    if (!Number.isFinite(value)) return undefined;
    const { best, step } = this.#progress;
    const better = !best || best.metric !== metric || (metric === "loss" ? value < best.value : value > best.value);
    return better ? { metric, value, step } : undefined;
  }

  async #loadBest(): Promise<void> {
    const { parameters } = this.#step;
    if (typeof this.#best === "string") await readTrainedParameters(this.#best, parameters);
    else for (const [name, data] of this.#best ?? []) parameters.get(name)!.adopt(data);
  }

  async *#saveLast(): AsyncGenerator<TrainingEvent, void, undefined> {
    const { outputDir } = this.settings;
    if (outputDir === undefined || this.#saved === this.#progress) return;
    const path = join(outputDir, LAST);
    await this.#write(path);
    this.#saved = this.#progress;
    yield { type: "checkpoint", step: this.#progress.step, path, best: false };
  }

  async #write(path: string): Promise<void> {
    const state = { progress: this.#progress, agreement: this.#agreement() };
    await writeTrainingCheckpoint(path, state, this.#parameters());
  }

  async #resume(): Promise<void> {
    const { resume, loadBest } = this.settings;
    if (resume === undefined) return;
    const folder = await findTrainingCheckpoint(resume);
    this.#progress = await readTrainingCheckpoint(folder, this.#agreement(), this.#parameters());
    if (!loadBest || !this.#progress.best) return;
    this.#best = join(dirname(folder), BEST);
    await access(this.#best).catch((cause: unknown) => {
      throw new PeftError("FILE_MISSING", "the best checkpoint so far is not beside the one to resume from", {
        place: this.#best as string,
        hint: "resume without loadBest",
        cause,
      });
    });
  }

  #agreement(): Agreement {
    const { seed, batchesPerEpoch, optimizer } = this.settings;
    return { seed, batchesPerEpoch, optimizer: optimizer.name };
  }

  #parameters(): CheckpointParameters {
    const { parameters, state: optimizer } = this.#step;
    return { parameters, optimizer, method: this.model.hooks?.state ?? new Map<string, Parameter>() };
  }

  #place(): { step: number; epoch: number } {
    return { step: this.#progress.step, epoch: this.#progress.epoch };
  }

  #throwIfAborted(): void {
    if (this.signal?.aborted) throw aborted();
  }
}

async function numbersOf(parameters: ReadonlyMap<string, Parameter>): Promise<Map<string, ParameterData>> {
  const numbers = new Map<string, ParameterData>();
  for (const [name, parameter] of parameters) numbers.set(name, await parameter.read());
  return numbers;
}

function aborted(): DOMException {
  return new DOMException("the training was aborted", "AbortError");
}

function isAbortError(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}

function isDivergence(error: unknown): boolean {
  return error instanceof PeftError && error.code === "TRAINING_DIVERGED";
}

function diverged(step: number, numbers: { loss: number; norm: number; learningRate: number }): PeftError {
  const { loss, norm, learningRate } = numbers;
  return new PeftError("TRAINING_DIVERGED", `loss ${loss}, gradient norm ${norm}, learning rate ${learningRate}`, {
    place: `step ${step}`,
    hint: "lower the learning rate, clip the gradients (clipNorm), or look for bad numbers in the data; the parameters are those of the step before",
    details: { step, ...numbers },
  });
}
