// Audio spectrogram transformers against Hugging Face's (fixtures/ast).
import { join } from "node:path";
import { ASTForAudioClassification, type ASTLoadingOptions } from "@peft/core";
import { readFixture } from "@peft/core/testing";
import { callOf, forwardRows, type Inputs, trainedHost } from "./forward.js";
import type { Row } from "./rows.js";
import { trainedRows } from "./trained.js";

interface ResizedInfo extends Inputs, Required<Pick<ASTLoadingOptions, "maxLength" | "positionEmbedding">> {}

export async function ast(fixtures: string): Promise<Row[]> {
  const folder = join(fixtures, "ast");
  const load = (name: string, options?: ASTLoadingOptions) =>
    ASTForAudioClassification.fromPretrained(join(folder, name), options);
  const rows = await trainedRows([
    trainedHost("AST tiny", folder, "tiny", () => load("tiny")),
    trainedHost("AST odd, several labels", folder, "odd", () => load("odd")),
  ]);
  for (const name of ["shorter", "longer", "zeroed"]) {
    const fixture = readFixture<ResizedInfo>(folder, name);
    const { maxLength, positionEmbedding } = fixture.info;
    const run = async () => callOf(await load("tiny", { maxLength, positionEmbedding }), fixture);
    rows.push(...(await forwardRows(`AST tiny, ${name}`, fixture, run)));
  }
  return rows;
}
