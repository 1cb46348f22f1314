// Generation: tokens one after another, by an encoder-decoder model with or without adapters.

import * as tf from "@tensorflow/tfjs";
import { PeftError } from "../errors.js";
import type { HostArray } from "../hostArray.js";
import type { HostModel, ModelArguments, Seq2SeqModel } from "../models/index.js";
import { extend, hash, hashText, unit } from "../random.js";
import { BeamSearch } from "./beams.js";
import { type CachedDecoder, paddedLength, type SourceInputs, withDecoder } from "./decoder.js";
import { type GenerateOptions, type Settings, settingsOf } from "./options.js";
import { sample } from "./sampling.js";
import { argmax, logSoftmax, processScores } from "./scores.js";

export interface Generated {
  /** The tokens of each sample, the start token first; padded at their ends to one length. */
  readonly sequences: readonly (readonly number[])[];
  /** Of beam search: the sum of each sequence's log-probabilities over its length to the power of the penalty. */
  readonly scores?: readonly number[];
}

/**
 * Generates as transformers' `generate` does: greedily, by drawing, or by beam search. Without a mask padding is hidden, which
 * transformers leaves to the caller.
 *
 * @param model an encoder-decoder host, or a `PeftModel` over one
 * @param inputs `inputIds` [batch, source] int32, padded on any side; `attentionMask`, by default 1 where `inputIds` is not
 *   padding; and what else the model reads, with the samples on the first axis, which steps get once for each beam. Those of
 *   a training batch's decoder are left out.
 * @throws PeftError ARGUMENT_INVALID for another model, no tokens, or settings that do not fit; SHAPE_MISMATCH;
 *   DATA_INVALID for ids out of the vocabulary; the reason of `signal`
 */
export async function generate(
  model: HostModel,
  inputs: ModelArguments,
  options: GenerateOptions = {},
): Promise<Generated> {
  const host = hostOf(model);
  const settings = settingsOf(host, options);
  const given = await arraysOf(inputs);
  const { inputIds } = given;
  if (inputIds?.shape.length !== 2 || inputIds.data.length === 0) {
    throw new PeftError("ARGUMENT_INVALID", "generate wants inputIds of [batch, source], int32", { place: "inputIds" });
  }
  const mask = given.attentionMask ?? maskOf(inputIds, settings);
  if (mask.shape.join() !== inputIds.shape.join()) {
    const message = `attentionMask [${mask.shape}] does not fit inputIds [${inputIds.shape}]`;
    throw new PeftError("SHAPE_MISMATCH", message, { place: "attentionMask" });
  }
  model.checkInputs(given);
  const [batch, tokens] = inputIds.shape as [number, number];
  const places = paddedLength(tokens, host.maxPositions);
  const read: SourceInputs = {
    ...given,
    inputIds: lengthened(inputIds, places, settings.padTokenId),
    attentionMask: lengthened(mask, places, 0),
  };
  const rows = batch * settings.numBeams;
  const shape = { batch, rows, source: places, length: paddedLength(settings.maxLength, host.maxPositions) };
  return withDecoder(model, shape, async (decoder) => {
    await decoder.read(read);
    const { inputIds: _, attentionMask, ...others } = read;
    const perRow = Object.entries(others).map(([name, array]) => [name, repeated(array, settings.numBeams)] as const);
    // The mask stays as it is: the beams of a sample attend to one source.
    const stepInputs = { ...Object.fromEntries(perRow), attentionMask: attentionMask! };
    const way = settings.numBeams > 1 ? beamSearch : oneByOne;
    return way(decoder, stepInputs, settings, options);
  });
}

/** Greedy, or drawn. */
async function oneByOne(
  decoder: CachedDecoder,
  inputs: SourceInputs,
  settings: Settings,
  { seed = 0, signal, onTokens }: GenerateOptions,
): Promise<Generated> {
  const { startTokenId, padTokenId, eosTokenIds, maxLength, doSample } = settings;
  const sequences = Array.from({ length: decoder.shape.batch }, () => [startTokenId]);
  const open = sequences.map(() => true);
  const site = hash(seed, hashText("generate"));
  for (let position = 0; position < maxLength - 1 && open.includes(true); position++) {
    signal?.throwIfAborted();
    const rows = await decoder.step(
      inputs,
      sequences.map((tokens) => tokens.at(-1)!),
      position,
    );
    const newest = rows.map((scores, row) => {
      if (!open[row]) return padTokenId;
      processScores(scores, sequences[row]!, settings);
      return doSample ? sample(scores, unit(extend(extend(site, position), row)), settings) : argmax(scores);
    });
    for (const [row, token] of newest.entries()) {
      sequences[row]!.push(token);
      if (eosTokenIds.includes(token)) open[row] = false;
    }
    onTokens?.(newest, position);
  }
  return { sequences };
}

async function beamSearch(
  decoder: CachedDecoder,
  inputs: SourceInputs,
  settings: Settings,
  { signal }: GenerateOptions,
): Promise<Generated> {
  const { numBeams, padTokenId } = settings;
  const searches = Array.from({ length: decoder.shape.batch }, () => new BeamSearch(settings));
  for (let position = 0; searches.some(({ isDone }) => !isDone); position++) {
    signal?.throwIfAborted();
    const tokens = searches.flatMap(({ running }) => running.map((beam) => beam.tokens.at(-1)!));
    const order = searches.flatMap((search, i) => search.order.map((beam) => i * numBeams + beam));
    const rows = await decoder.step(inputs, tokens, position, order);
    for (const [i, search] of searches.entries()) {
      const own = rows.slice(i * numBeams, (i + 1) * numBeams);
      for (const [beam, scores] of own.entries()) {
        logSoftmax(scores);
        processScores(scores, search.running[beam]!.tokens, settings);
      }
      // A sample that is done has its answer; its beams go along until the others are done.
      search.step(own);
    }
  }
  const best = searches.map(({ ended }) => ended[0]!);
  const longest = Math.max(...best.map(({ tokens }) => tokens.length));
  return {
    sequences: best.map(({ tokens }) => [
      ...tokens,
      ...Array.from({ length: longest - tokens.length }, () => padTokenId),
    ]),
    scores: best.map(({ score }) => score),
  };
}

function hostOf(model: HostModel): Seq2SeqModel {
  // Not by the class of what is around it: the ES module's and the CommonJS build's are two.
  const host = "getBaseModel" in model ? (model.getBaseModel as () => HostModel)() : model;
  if ("generationConfig" in host && "encode" in host) return host as Seq2SeqModel;
  throw new PeftError("ARGUMENT_INVALID", "generate is for encoder-decoder models with a head over a vocabulary", {
    hint: "load a T5ForConditionalGeneration or a BartForConditionalGeneration",
  });
}

/** What a training batch has beyond what is read to generate from it. */
const OF_TRAINING = ["decoderInputIds", "decoderAttentionMask", "labels"];

async function arraysOf(inputs: ModelArguments): Promise<Record<string, HostArray>> {
  const read = Object.entries(inputs).filter(([name]) => !OF_TRAINING.includes(name));
  const arrays = read.map(async ([name, input]): Promise<[string, HostArray]> => {
    if (!(input instanceof tf.Tensor)) return [name, input];
    const { shape, dtype } = input as tf.Tensor & { dtype: HostArray["dtype"] };
    return [name, { data: (await input.data()) as HostArray["data"], shape, dtype }];
  });
  return Object.fromEntries(await Promise.all(arrays));
}

/** 1 where there is no padding; all ones where padding ends sequences, too, and cannot be told. */
function maskOf({ data, shape }: HostArray, { padTokenId, eosTokenIds }: Settings): HostArray {
  const hidden = eosTokenIds.includes(padTokenId) ? undefined : padTokenId;
  return { data: Int32Array.from(data, (id) => (id === hidden ? 0 : 1)), shape, dtype: "int32" };
}

/** [batch, tokens] to [batch, length], filled at the end of each row. */
function lengthened({ data, shape }: HostArray, length: number, fill: number): HostArray {
  const [batch, tokens] = shape as [number, number];
  const longer = new Int32Array(batch * length).fill(fill);
  for (let row = 0; row < batch; row++) longer.set(data.subarray(row * tokens, (row + 1) * tokens), row * length);
  return { data: longer, shape: [batch, length], dtype: "int32" };
}

/** [batch, ...] to [batch * times, ...], each sample as often. */
function repeated({ data, shape, dtype }: HostArray, times: number): HostArray {
  const [batch = 1, ...rest] = shape;
  const size = data.length / batch;
  const longer = new (data.constructor as Int32ArrayConstructor)(data.length * times);
  for (let row = 0; row < batch * times; row++) {
    const sample = Math.floor(row / times);
    longer.set(data.subarray(sample * size, (sample + 1) * size), row * size);
  }
  return { data: longer, shape: [batch * times, ...rest], dtype };
}
