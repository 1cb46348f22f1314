// `pnpm example NAME` and `pnpm results NAME`: errors of the library are one readable message, others keep their stack.
import { PeftError } from "@peft/core";
import { runMosa } from "./mosa/index.js";
import { pretrain } from "./pretrain/index.js";
import { createProgram } from "./program.js";
import { results } from "./results/index.js";

try {
  await createProgram({ mosa: runMosa, pretrain, results }).parseAsync();
} catch (error) {
  console.error(error instanceof PeftError ? `${error.code}: ${error.message}` : error);
  process.exitCode = 1;
}
