// Our side of `pnpm bench engine`: the row's name says which of the steps in engineSteps/ is served.
import { parseArgs } from "node:util";
import { serveStep } from "../engineSteps/hosts.js";
import { isPart, serveParts } from "../engineSteps/parts.js";
import { serveLoading, serveTraining } from "../engineSteps/vit.js";

const { values, positionals } = parseArgs({ allowPositionals: true, options: { checkpoint: { type: "string" } } });
const row = positionals[0]!;
if (isPart(row)) await serveParts(row);
else if (row.startsWith("roberta") || row.startsWith("t5")) await serveStep(row.slice(0, row.indexOf("-")));
else if (row.startsWith("vit-b-load")) await serveLoading(values.checkpoint!, row.endsWith("read"));
else await serveTraining(row === "vit-b-first" ? "vit-b-adapter-b4" : row);
