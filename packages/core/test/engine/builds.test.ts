// The ES module and the CommonJS build in one process: one engine, one set of kernels, and functions, parameters and draws
// of either work under the engine that the other opened.

import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

const SCRIPT = `
import { createRequire } from "node:module";
import * as tf from "@tensorflow/tfjs";
const warnings = [];
console.warn = (text) => warnings.push(String(text));
const esm = await import("@peft/core");
const cjs = createRequire(import.meta.url)("@peft/core");
const found = {};
for (const name of ["compiled", "eager"]) {
  await esm.useEngine(name);
  const results = [];
  for (const build of [esm, cjs]) {
    const p = new build.Parameter([2, 2], Float32Array.of(1, 2, 3, 4));
    const step = build.compile((x) => {
      const y = build.gelu(build.linear(build.dropout(x, 0.5, "dropout"), p.value()));
      const noise = build.draw("noise", [2], "normal");
      const { gradients } = build.gradients(() => tf.sum(tf.mul(build.linear(x, p.value()), noise)), [p]);
      p.assign(tf.sub(p.value(), gradients[0]));
      return tf.add(y, noise);
    });
    const y = await step.at({ seed: 1, step: 2 })({ data: Float32Array.of(1, 2), shape: [1, 2], dtype: "float32" });
    results.push([...(await y.data()), ...(await p.read())]);
  }
  found[name] = { results, infos: [esm.engineInfo(), cjs.engineInfo()] };
}
console.log(JSON.stringify({ found, warnings, backends: tf.engine().backendNames() }));
process.exit(0);
`;

describe("both builds in one process", () => {
  const output = execFileSync(process.execPath, ["--input-type=module", "-e", SCRIPT], {
    cwd: join(import.meta.dirname, "../.."),
    encoding: "utf8",
  });
  const last = output.trim().split("\n").at(-1)!;
  const { found, warnings, backends } = JSON.parse(last) as {
    found: Record<string, { results: number[][]; infos: { engine: string }[] }>;
    warnings: string[];
    backends: string[];
  };

  it.each(["compiled", "eager"])("give the same numbers under the %s engine that one of them opened", (engine) => {
    const { results, infos } = found[engine]!;
    expect(results[1]).toEqual(results[0]);
    expect(infos.map((info) => info.engine)).toEqual([engine, engine]);
  });

  it("register backends and kernels once", () => {
    expect(warnings.filter((text) => /already (been )?registered|Overriding/.test(text))).toEqual([]);
    expect(backends.filter((name) => name === "peft-trace")).toHaveLength(1);
  });
});
