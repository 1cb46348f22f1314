// `node scripts/run.mjs PACKAGE PROGRAM …arguments`: install and build what the package needs, then run one of its
// built programs. Standard output holds what the program prints and nothing else.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { build, install, packageFolders, requireNode, runForeground } from "./workspace.mjs";

const [name, program, ...args] = process.argv.slice(2);
requireNode();
await install();
await build([`${name}...`]);
const folder = packageFolders().find(
  (path) => JSON.parse(readFileSync(join(path, "package.json"), "utf8")).name === name,
);
process.exitCode = await runForeground([process.execPath, [join(folder, "dist", program), ...args]]);
