import { defineConfig } from "vitest/config";

// One run over every package's own suite.
export default defineConfig({ test: { projects: ["packages/*", "apps/*"] } });
