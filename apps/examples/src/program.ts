// The examples' command line: names, options and their checks. What a command does is handed in, so that parsing can be
// tested without running anything.
import { Command, InvalidArgumentError, Option } from "commander";
import { ENGINES, type MosaOptions } from "./mosa/index.js";
import type { PretrainOptions } from "./pretrain/index.js";
import type { ResultsOptions } from "./results/index.js";

export interface Commands {
  mosa(options: MosaOptions): Promise<unknown>;
  pretrain(options: PretrainOptions): Promise<unknown>;
  results(options: ResultsOptions): Promise<unknown>;
}

export function createProgram(commands: Commands): Command {
  const program = new Command("example")
    .description("Runnable examples: each fine-tunes, compares, saves and reports.")
    .showHelpAfterError("(--help lists the options)");
  program
    .command("mosa")
    .description("Adapts a small ViT to pictures by five methods, MoSA among them, and compares them.")
    .option(
      "--data <dir>",
      "a folder of class folders, or the folder of a CIFAR-10 container (default: the shipped pictures)",
    )
    .option("--per-class <n>", "pictures of each class with --data", positiveInteger, 100)
    .option("--epochs <n>", "passes over the training pictures (default: the recipe's)", positiveInteger)
    .option("--seeds <n>", "how often each method is trained, with seeds 0, 1, …", positiveInteger, 1)
    .addOption(new Option("--engine <engine>", "what runs the steps").choices(ENGINES).default("compiled"))
    .option("--out <dir>", "the run folder (default: runs/mosa-<time>)")
    .addOption(
      new Option("--resume <dir>", "go on with the interrupted run in this folder, whose options it keeps").conflicts([
        "data",
        "perClass",
        "epochs",
        "seeds",
        "engine",
        "out",
      ]),
    )
    .option("--json", "print the run's summary.json and nothing else on standard output", false)
    .action(async (options: MosaOptions) => {
      await commands.mosa(options);
    });
  program
    .command("pretrain")
    .description("Pretrains the small ViT that the examples adapt, on six classes of CIFAR-10.")
    .requiredOption("--data <dir>", "the folder of the CIFAR-10 container")
    .option("--epochs <n>", "passes over the training pictures", positiveInteger, 12)
    .option("--share <fraction>", "share of the training pictures that is used", fraction, 1)
    .option("--out <dir>", "where checkpoints and the finished model go", "runs/pretrain")
    .option("--resume", "go on from the checkpoint in --out", false)
    .action(async (options: PretrainOptions) => {
      await commands.pretrain(options);
    });
  program
    .command("results")
    .description("Tables of stored runs, and what they say to the findings of the paper.")
    .command("mosa")
    .description(
      "MoSA, its variants and what it is compared with, on few pictures of classes that the host has not seen.",
    )
    .option("--rerun", "make the runs that are missing; run again, it goes on where it was stopped", false)
    .option("--data <dir>", "the folder of the CIFAR-10 container, for --rerun")
    .option("--out <dir>", "the folder of the results (default: the repository's)")
    .option("--only <pattern>", "with --rerun: runs whose name the regular expression fits", regularExpression)
    .option("--json", "print one JSON document instead of tables", false)
    .action(async (options: ResultsOptions) => {
      await commands.results(options);
    });
  return program;
}

function regularExpression(text: string): RegExp {
  try {
    return new RegExp(text);
  } catch {
    throw new InvalidArgumentError("It must be a regular expression.");
  }
}

function fraction(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value <= 1)) throw new InvalidArgumentError("It must be above 0 and at most 1.");
  return value;
}

function positiveInteger(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < 1) {
    throw new InvalidArgumentError("It must be a whole number of at least 1.");
  }
  return value;
}
