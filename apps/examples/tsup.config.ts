import { defineConfig } from "tsup";

export default defineConfig({
  entry: ["src/cli.ts"],
  format: "esm",
  sourcemap: true,
  clean: true,
  target: "es2022",
  // Shared source inside the workspace, never built by itself.
  noExternal: ["@peft/machine"],
});
