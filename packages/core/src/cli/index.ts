#!/usr/bin/env node
// The command line `peft`.

import { PeftError } from "../errors.js";
import { type Command, columns, UsageError } from "./command.js";
import { convert } from "./convert.js";
import { doctor } from "./doctor.js";
import { exportModel } from "./export.js";
import { inspect } from "./inspect.js";
import { merge } from "./merge.js";

const COMMANDS: Readonly<Record<string, Command>> = { doctor, inspect, merge, convert, export: exportModel };

const HELP = `Usage: peft COMMAND [OPTIONS]

${columns(Object.entries(COMMANDS).map(([name, { summary }]) => [`  ${name}`, summary]))}

peft COMMAND --help says more of each.`;

async function main([name, ...args]: readonly string[]): Promise<number> {
  const command = name === undefined ? undefined : COMMANDS[name];
  const wantsHelp = name === "--help" || name === "-h" || args.includes("--help") || args.includes("-h");
  if (!command) {
    (wantsHelp ? console.log : console.error)(
      wantsHelp ? HELP : `${name ? `peft has no command "${name}"\n\n` : ""}${HELP}`,
    );
    return wantsHelp ? 0 : 2;
  }
  if (wantsHelp) {
    console.log(`Usage: ${command.usage}`);
    return 0;
  }
  try {
    console.log(await command.run(args));
    return 0;
  } catch (error) {
    if (error instanceof UsageError) {
      console.error(`peft ${name}: ${error.message}\n\nUsage: ${command.usage}`);
      return 2;
    }
    if (!(error instanceof PeftError)) throw error;
    console.error(`peft ${name}: ${error.message} [${error.code}]`);
    return 1;
  }
}

void main(process.argv.slice(2)).then((code) => {
  process.exitCode = code;
});
