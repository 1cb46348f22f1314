// `summary.json` of a run folder: what was compared, how well each method did, and how to run it again. The schema below
// is written down as JSON schema in `summary.schema.json`, and every file is checked against it, written or read.
import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { PeftError } from "@peft/core";
import * as v from "valibot";

/** A method's entry. What each field means stands in the schema below. */
export interface MethodSummary {
  name: string;
  seeds: number[];
  accuracies: number[];
  mean: number;
  deviation: number | null;
  parametersTrained: number;
  parametersDeployed: number;
  stepsPerSecond: number;
}

export interface RunSummary {
  format: 1;
  name: string;
  methods: MethodSummary[];
  data: { description: string; classes: string[]; train: number; validation: number; test: number };
  host: string;
  peakMemoryMb: number;
  engine: string;
  processor: string;
  command: string;
  started: string;
  finished: string;
}

const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const positive = v.pipe(v.number(), v.minValue(0));
const fraction = v.pipe(v.number(), v.minValue(0), v.maxValue(1));
const text = v.pipe(v.string(), v.nonEmpty());
const described = <T extends v.GenericSchema>(schema: T, description: string) =>
  v.pipe(schema, v.description(description));

const MethodSchema: v.GenericSchema<MethodSummary> = v.strictObject({
  name: described(text, "The method, such as MoSA or linear probe."),
  seeds: described(v.pipe(v.array(count), v.minLength(1)), "The seeds it was trained with."),
  accuracies: described(v.array(fraction), "Accuracy on the test pictures, one a seed, between 0 and 1."),
  mean: described(fraction, "Mean of the accuracies."),
  deviation: described(v.nullable(positive), "Sample standard deviation of the accuracies; null with one seed."),
  parametersTrained: described(count, "Numbers that training changed, the head included."),
  parametersDeployed: described(count, "Numbers added to the host model once experts are merged, the head included."),
  stepsPerSecond: described(positive, "Training steps a second, over all seeds."),
});

export const SummarySchema: v.GenericSchema<RunSummary> = v.strictObject({
  format: described(v.literal(1), "Version of this format."),
  name: described(text, "The example that was run."),
  methods: described(v.pipe(v.array(MethodSchema), v.minLength(1)), "One entry a method, in the order of the table."),
  data: described(
    v.strictObject({
      description: text,
      classes: v.pipe(v.array(text), v.minLength(2)),
      train: count,
      validation: count,
      test: count,
    }),
    "The pictures: where they come from, their classes, and how many are in each split.",
  ),
  host: described(text, "The pretrained model that was adapted."),
  peakMemoryMb: described(
    positive,
    "Peak memory of the process as the operating system counts it, in MB of 10^6 bytes.",
  ),
  engine: described(text, "The engine that ran it, such as compiled (cpu, 2 threads)."),
  processor: described(text, "The processor it ran on."),
  command: described(text, "The command that repeats the run."),
  started: described(v.pipe(v.string(), v.isoTimestamp()), "When it began, ISO 8601 in UTC."),
  finished: described(v.pipe(v.string(), v.isoTimestamp()), "When it ended, ISO 8601 in UTC."),
});

export const SUMMARY_FILE = "summary.json";

// Mean and deviation are stored beside what they are made of; they may differ by the rounding of a decimal, no more.
const ROUNDING = 1e-9;

/**
 * A method's entry, with mean and deviation worked out from its accuracies.
 * @throws PeftError `ARGUMENT_INVALID` unless there is one accuracy a seed and at least one
 */
export function summarizeMethod(method: Omit<MethodSummary, "mean" | "deviation">): MethodSummary {
  const { name, seeds, accuracies } = method;
  if (accuracies.length === 0 || accuracies.length !== seeds.length) {
    throw new PeftError("ARGUMENT_INVALID", `${accuracies.length} accuracies for ${seeds.length} seeds`, {
      place: name,
    });
  }
  return { ...method, ...spread(accuracies) };
}

/**
 * Writes `summary.json` into a run folder, whole or not at all.
 * @throws PeftError `ARGUMENT_INVALID` if the summary is not what the schema says, `FILE_UNWRITABLE` if it cannot be written
 */
export async function writeSummary(folder: string, summary: RunSummary): Promise<void> {
  const path = join(folder, SUMMARY_FILE);
  const problem = findProblem(summary);
  if (problem) throw new PeftError("ARGUMENT_INVALID", `The summary is not valid: ${problem}`, { place: path });
  const temporary = `${path}.partial`;
  try {
    await writeFile(temporary, `${JSON.stringify(summary, null, 2)}\n`);
    await rename(temporary, path);
  } catch (cause) {
    throw new PeftError("FILE_UNWRITABLE", "The summary could not be written", {
      place: path,
      hint: "choose a folder that can be written with --out",
      cause,
    });
  }
}

/**
 * Reads the summary of a run folder.
 * @throws PeftError `FILE_MISSING` if there is none, `DATA_INVALID` if it is not JSON or not what the schema says
 */
export async function readSummary(folder: string): Promise<RunSummary> {
  const path = join(folder, SUMMARY_FILE);
  let content: string;
  try {
    content = await readFile(path, "utf8");
  } catch (cause) {
    throw new PeftError("FILE_MISSING", "This folder has no summary of a finished run", {
      place: path,
      hint: "a run that was interrupted goes on with --resume",
      cause,
    });
  }
  let summary: unknown;
  try {
    summary = JSON.parse(content);
  } catch (cause) {
    throw new PeftError("DATA_INVALID", "The summary is not JSON", { place: path, cause });
  }
  const problem = findProblem(summary);
  if (problem) throw new PeftError("DATA_INVALID", `The summary is not valid: ${problem}`, { place: path });
  return summary as RunSummary;
}

// Shape first, then what a schema of shapes cannot say.
function findProblem(summary: unknown): string | undefined {
  const result = v.safeParse(SummarySchema, summary);
  if (!result.success) {
    return result.issues.map((issue) => `${v.getDotPath(issue) ?? "it"}: ${issue.message}`).join("; ");
  }
  for (const method of result.output.methods) {
    if (method.accuracies.length !== method.seeds.length) {
      return `${method.name} has ${method.accuracies.length} accuracies for ${method.seeds.length} seeds`;
    }
    const { mean, deviation } = spread(method.accuracies);
    const same = (a: number | null, b: number | null) =>
      a === null || b === null ? a === b : Math.abs(a - b) < ROUNDING;
    if (!same(mean, method.mean) || !same(deviation, method.deviation)) {
      return `mean and deviation of ${method.name} are not those of its accuracies`;
    }
  }
  return undefined;
}

/** Mean and sample standard deviation, which is null of one number. */
export function spread(accuracies: readonly number[]): { mean: number; deviation: number | null } {
  const count = accuracies.length;
  const mean = accuracies.reduce((sum, value) => sum + value, 0) / count;
  const squares = accuracies.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, deviation: count > 1 ? Math.sqrt(squares / (count - 1)) : null };
}
