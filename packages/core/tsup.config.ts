import { defineConfig } from "tsup";

export default defineConfig({
  entry: { index: "src/index.ts", testing: "src/testing/index.ts", worker: "src/engine/worker.ts" },
  format: ["esm", "cjs"],
  dts: { entry: { index: "src/index.ts", testing: "src/testing/index.ts" } },
  sourcemap: true,
  clean: true,
  shims: true,
  // One copy of the library behind both entries, in the CommonJS build too, so that `instanceof` holds between them.
  splitting: true,
  target: "es2022",
  // pbf is ESM only; bundled so that the CommonJS build has no require() of an ES module.
  noExternal: ["pbf"],
});
