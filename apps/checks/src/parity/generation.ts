// Generated tokens and the scores of beams against transformers' `generate` (fixtures/generation).
import { join } from "node:path";
import { BartForConditionalGeneration, generate, parseGenerationConfig, T5ForConditionalGeneration } from "@peft/core";
import { countDifferences, type Numbers, readFixture, relativeError } from "@peft/core/testing";
import { onBothEngines } from "./engines.js";
import { type Row, row } from "./rows.js";

interface GenerationInfo {
  /** The folder of the model. */
  readonly host: string;
  readonly cases: readonly {
    /** In transformers' names. */
    readonly options: Readonly<Record<string, unknown>>;
    readonly sequences: readonly (readonly number[])[];
    readonly scores?: readonly number[];
  }[];
}

export async function generation(fixtures: string): Promise<Row[]> {
  const rows: Row[] = [];
  for (const name of ["t5-v1.0", "t5-v1.1", "bart-generation"]) rows.push(...(await hostRows(fixtures, name)));
  return rows;
}

async function hostRows(fixtures: string, name: string): Promise<Row[]> {
  const folder = join(fixtures, "generation");
  const { info, input } = readFixture<GenerationInfo>(folder, name);
  const host = name.startsWith("t5") ? T5ForConditionalGeneration : BartForConditionalGeneration;
  const onEngine = async (): Promise<{ tokens: number[]; wanted: number[]; scores: Numbers }[]> => {
    const model = await host.fromPretrained(join(folder, info.host));
    const results = [];
    for (const { options, sequences: theirs } of info.cases) {
      const settings = parseGenerationConfig(options, name);
      const inputs = { inputIds: input("inputIds"), attentionMask: input("attentionMask") };
      const { sequences, scores = [] } = await generate(model, inputs, settings);
      const ends = settings.eosTokenIds ?? model.generationConfig.eosTokenIds ?? [];
      const [tokens, wanted] = [sequences, theirs].map((rows) => rows.flatMap((row) => upToEnd(row, ends)));
      results.push({ tokens: tokens!, wanted: wanted!, scores });
    }
    model.dispose();
    return results;
  };
  const { eager, compiled } = await onBothEngines(onEngine);
  return info.cases.flatMap(({ options, scores }, i) => {
    const subject = `generation ${name}, ${JSON.stringify(options).replaceAll('"', "")}`;
    const own = compiled[i]!;
    return [
      row(`${subject} / tokens`, "exact", countDifferences(own.tokens, own.wanted)),
      row(`${subject} / tokens, compiled against eager`, "exact", countDifferences(own.tokens, eager[i]!.tokens)),
      ...(scores ? [row(`${subject} / scores`, "output", relativeError(own.scores, scores))] : []),
    ];
  });
}

/** Up to the token that ends it: of beams transformers pads with that token where padding is token 0. */
function upToEnd(sequence: readonly number[], ends: readonly number[]): number[] {
  const at = sequence.findIndex((id, i) => i > 0 && ends.includes(id));
  return sequence.slice(0, at === -1 ? undefined : at + 1);
}
