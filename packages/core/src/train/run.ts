// One run of a trainer: steps, evaluations and checkpoints in their order, told as a stream of events.

import { join } from "node:path";
import type { Parameter, ParameterData } from "../engine/index.js";
import type { WeightedBatch } from "./accumulation.js";
import { chosenMetric, type Evaluations, isBetter, waitOn } from "./best.js";
import {
  type Agreement,
  BEST,
  type CheckpointParameters,
  LAST,
  type Progress,
  readTrainedParameters,
  readTrainingCheckpoint,
  START,
  writeTrainingCheckpoint,
} from "./checkpoints.js";
import { EpochBatches } from "./epochBatches.js";
import { evaluate, type Metrics } from "./evaluate.js";
import type { TrainingEvent } from "./events.js";
import type { TrainableModel } from "./model.js";
import { StepRate } from "./rate.js";
import { aborted, diverged, isAbort, isDivergence } from "./runErrors.js";
import { bestBeside, startingPoint } from "./startingPoint.js";
import type { Settings } from "./trainerOptions.js";
import { type StepResult, type StepSettings, type TrainingStep, trainingStep } from "./trainingStep.js";

/** One run's state. Nothing is done before the events are asked for. */
export class Run {
  readonly #step: TrainingStep;
  readonly #rate = new StepRate();
  #progress: Progress = START;
  /** Where the best evaluation's parameters are, if they are wanted at the end. */
  #best: string | Map<string, ParameterData> | undefined;
  #epoch: EpochBatches | undefined;
  /** Of the training data, if the source tells one. */
  #fingerprint: Promise<string | null> | undefined;
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
      const wasAborted = isAbort(error, this.signal);
      if (!wasAborted && !isDivergence(error)) throw error;
      yield* this.#saveLast();
      throw wasAborted ? aborted() : error;
    } finally {
      await this.#endEpoch();
    }
  }

  async *#train(): AsyncGenerator<TrainingEvent, void, undefined> {
    const { totalSteps, batchesPerEpoch, evaluateEvery, saveEvery, loadBest } = this.settings;
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
      const { step, stopped } = this.#progress;
      if (step >= totalSteps || stopped) break;
      // After an evaluation, so that a run which goes on from here has none to repeat.
      if (saveEvery !== undefined && step > 0 && step % saveEvery === 0) yield* this.#saveLast();
      yield* this.#takeStep();
    }
    yield* this.#saveLast();
    if (loadBest) await this.#loadBest();
    else await this.#step.exchange();
    const { best, stopped } = this.#progress;
    yield { type: "done", ...this.#place(), ...(best && { best }), stoppedEarly: stopped };
  }

  async *#takeStep(): AsyncGenerator<TrainingEvent, void, undefined> {
    const { seed, totalSteps, logEvery, accumulate, batchesPerEpoch } = this.settings;
    const { step, epoch, position } = this.#progress;
    this.#throwIfAborted();
    const started = performance.now();
    const learningRate = this.settings.learningRateAt(step, epoch);
    const count = Math.min(accumulate, batchesPerEpoch - position);
    const { loss, norm, finite } = await this.#runStep(count, { learningRate, seed, step });
    // The eager engine never leaves the microtasks: without this, no timer and no signal would come through.
    await new Promise((resolve) => setImmediate(resolve));
    if (!finite) throw diverged(step + 1, { loss, norm, learningRate });
    this.#progress = { ...this.#progress, step: step + 1, position: position + count };
    this.#rate.add((performance.now() - started) / 1000);
    if ((step + 1) % logEvery === 0 || step + 1 === totalSteps) {
      const stepsPerSecond = this.#rate.value;
      const secondsLeft = (totalSteps - step - 1) / stepsPerSecond;
      yield { type: "step", step: step + 1, totalSteps, epoch, loss, norm, learningRate, stepsPerSecond, secondsLeft };
    }
  }

  async #runStep(count: number, settings: StepSettings): Promise<StepResult> {
    const { train, accumulate } = this.settings;
    this.#epoch ??= new EpochBatches(train, this.#progress.epoch, this.#progress.position, this.signal);
    const epoch = this.#epoch;
    if (accumulate > 1) return this.#step.runOver(this.#weighted(epoch, count), count, settings);
    const { inputs } = await epoch.take();
    const running = this.#step.run(inputs, settings);
    epoch.prepare();
    return running;
  }

  async *#weighted(epoch: EpochBatches, count: number): AsyncGenerator<WeightedBatch> {
    for (let i = 0; i < count; i++) {
      this.#throwIfAborted();
      const batch = await epoch.take();
      // Once this one is under way.
      setImmediate(() => epoch.prepare());
      yield { inputs: batch.inputs, weight: this.settings.batchWeight(batch) };
    }
  }

  async #endEpoch(): Promise<void> {
    const epoch = this.#epoch;
    this.#epoch = undefined;
    await epoch?.close();
  }

  #evaluationIsDue(): boolean {
    const { validation, evaluateEvery, totalSteps, batchesPerEpoch } = this.settings;
    const { step, position, evaluatedStep } = this.#progress;
    if (validation.size === 0 || step === 0 || evaluatedStep === step) return false;
    if (step >= totalSteps) return true;
    return evaluateEvery === "epoch" ? position === batchesPerEpoch : step % evaluateEvery === 0;
  }

  async *#evaluate(): AsyncGenerator<TrainingEvent, void, undefined> {
    const { bestMetric, bestMode, outputDir, loadBest } = this.settings;
    const evaluations = await this.#evaluations();
    const chosen = chosenMetric(evaluations, bestMetric, bestMode);
    const better = isBetter(chosen, this.#progress.best);
    this.#progress = this.#afterEvaluation(
      evaluations,
      better ? { metric: chosen.metric, value: chosen.value, step: this.#progress.step } : this.#progress.best,
    );
    for (const [split, metrics] of evaluations) {
      yield { type: "evaluation", split, ...this.#place(), metrics, best: better && split === chosen.split };
    }
    if (!better) return;
    if (outputDir !== undefined) {
      const path = join(outputDir, BEST);
      await this.#write(path);
      this.#best = path;
      yield { type: "checkpoint", step: this.#progress.step, path, best: true };
    } else if (loadBest) this.#best = await this.#numbers();
  }

  /** Of the averages, where they are kept. */
  async #evaluations(): Promise<Evaluations> {
    const { validation, metrics, batchWeight } = this.settings;
    const evaluations = new Map<string, Metrics>();
    await this.#step.exchange();
    try {
      for (const [split, source] of validation) {
        evaluations.set(split, await evaluate(this.model, source, { signal: this.signal, metrics, batchWeight }));
      }
    } finally {
      await this.#step.exchange();
    }
    return evaluations;
  }

  #afterEvaluation(evaluations: Evaluations, best: Progress["best"]): Progress {
    const progress = { ...this.#progress, evaluatedStep: this.#progress.step, best };
    const { earlyStopping, bestMetric, bestMode } = this.settings;
    if (!earlyStopping) return progress;
    const { patience, minDelta = 0, metric, mode } = earlyStopping;
    const own = metric !== undefined;
    const watched = chosenMetric(evaluations, own ? metric : bestMetric, own ? mode : (mode ?? bestMode));
    const waiting = waitOn(watched, progress.waiting, minDelta);
    return { ...progress, waiting, stopped: waiting.evaluations >= patience };
  }

  async #loadBest(): Promise<void> {
    const { parameters } = this.#step;
    if (typeof this.#best === "string") await readTrainedParameters(this.#best, parameters);
    else for (const [name, data] of this.#best ?? []) parameters.get(name)!.adopt(data);
  }

  /** What the model is to be used with: the averages, where they are kept. */
  async #numbers(): Promise<Map<string, ParameterData>> {
    const { parameters, averages } = this.#step;
    const numbers = new Map<string, ParameterData>();
    for (const [name, parameter] of averages.size > 0 ? averages : parameters)
      numbers.set(name, await parameter.read());
    return numbers;
  }

  async *#saveLast(): AsyncGenerator<TrainingEvent, void, undefined> {
    const { outputDir, keep } = this.settings;
    if (outputDir === undefined || this.#saved === this.#progress) return;
    const path = join(outputDir, LAST);
    await this.#write(path, keep);
    this.#saved = this.#progress;
    yield { type: "checkpoint", step: this.#progress.step, path, best: false };
  }

  async #write(path: string, keep?: number): Promise<void> {
    const state = { progress: this.#progress, agreement: await this.#agreement() };
    await writeTrainingCheckpoint(path, state, this.#parameters(), keep);
  }

  async #resume(): Promise<void> {
    const { outputDir, loadBest } = this.settings;
    const folder = await startingPoint(this.settings);
    if (folder === undefined) return;
    this.#progress = await readTrainingCheckpoint(folder, await this.#agreement(), this.#parameters());
    if (folder === (outputDir && join(outputDir, LAST))) this.#saved = this.#progress;
    if (loadBest && this.#progress.best) this.#best = await bestBeside(folder);
  }

  async #agreement(): Promise<Agreement> {
    const { seed, batchesPerEpoch, accumulate, train } = this.settings;
    this.#fingerprint ??= train.fingerprint?.() ?? Promise.resolve(null);
    return { seed, batchesPerEpoch, accumulate, optimizer: this.#step.optimizer, data: await this.#fingerprint };
  }

  #parameters(): CheckpointParameters {
    const { parameters, averages, state: optimizer } = this.#step;
    return { parameters, averages, optimizer, method: this.model.hooks?.state ?? new Map<string, Parameter>() };
  }

  #place(): { step: number; epoch: number } {
    return { step: this.#progress.step, epoch: this.#progress.epoch };
  }

  #throwIfAborted(): void {
    if (this.signal?.aborted) throw aborted();
  }
}
