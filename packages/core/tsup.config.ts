import { defineConfig } from "tsup";

const libraries = {
  index: "src/index.ts",
  testing: "src/testing/index.ts",
  conformance: "src/testing/conformance/index.ts",
};

export default defineConfig({
  entry: { ...libraries, worker: "src/engine/worker.ts", cli: "src/cli/index.ts" },
  format: ["esm", "cjs"],
  dts: { entry: libraries },
  sourcemap: true,
  clean: true,
  shims: true,
  // One copy of the library behind both entries, in the CommonJS build too, so that `instanceof` holds between them.
  splitting: true,
  target: "es2022",
  // A class that names itself is another's inside a bundle, and errors and models' status tell classes' names.
  keepNames: true,
  // pbf is ESM only; bundled so that the CommonJS build has no require() of an ES module.
  noExternal: ["pbf"],
});
