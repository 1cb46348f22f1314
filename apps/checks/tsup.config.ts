import { readdirSync } from "node:fs";
import { defineConfig } from "tsup";

// Each file of src/sides/ but the protocol is a program: our side of one benchmark suite.
const sides = readdirSync("src/sides").filter((file) => file !== "protocol.ts");

export default defineConfig({
  entry: {
    bench: "src/bench/cli.ts",
    parity: "src/parity/cli.ts",
    conformance: "src/conformance/cli.ts",
    conformanceProgram: "src/conformance/program.ts",
    ...Object.fromEntries(sides.map((file) => [`sides/${file.replace(/\.ts$/, "")}`, `src/sides/${file}`])),
  },
  format: "esm",
  sourcemap: true,
  clean: true,
  target: "es2022",
  // Shared source inside the workspace, never built by itself.
  noExternal: ["@peft/machine"],
});
