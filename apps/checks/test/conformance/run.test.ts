// A conformance run over processes that stand for the real ones.
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { formatConformance } from "../../src/conformance/format.js";
import { runRoad } from "../../src/conformance/run.js";

const command = (mode: string) => [process.execPath, join(import.meta.dirname, "fakes/program.mjs"), mode] as const;
const ok = (op: string) => ({ op, road: "compiled:cpu", forward_error: 1e-7, gradient_error: 2e-7, ok: true });

describe("a road", () => {
  it("has a row for every op in order, from as many processes as it takes", async () => {
    const ops = Array.from({ length: 95 }, (_, i) => `op ${i}`);
    const seen: string[] = [];
    const { rows, skipped } = await runRoad("compiled:cpu", ops, command("run"), "fixtures", ({ op }) => seen.push(op));
    expect(skipped).toBeUndefined();
    expect(rows).toEqual(ops.map(ok));
    expect(seen).toEqual(ops);
  });

  it("loses one row to an op that ends its process, and says how it ended", async () => {
    const { rows } = await runRoad("compiled:cpu", ["a", "crash", "b", "infinite", "c"], command("run"), "fixtures");
    expect(rows.map(({ op }) => op)).toEqual(["a", "crash", "b", "infinite", "c"]);
    expect(rows.map((row) => row.ok)).toEqual([true, false, true, false, true]);
    expect(rows[1]).toMatchObject({
      forward_error: Number.POSITIVE_INFINITY,
      failure: expect.stringContaining("SIGSEGV"),
    });
    expect(rows[3]!.forward_error).toBe(Number.POSITIVE_INFINITY);
  });

  it("is skipped with its reason where it cannot be taken", async () => {
    const result = await runRoad("compiled:webgpu", ["a"], command("absent"), "fixtures");
    expect(result).toEqual({ rows: [], skipped: "no card" });
  });
});

describe("the table", () => {
  it("names what missed, what was skipped, and each road's worst", async () => {
    const { rows } = await runRoad("compiled:cpu", ["a", "crash"], command("run"), "fixtures");
    const skipped = [{ road: "compiled:webgpu", reason: "no card" }] as const;
    const text = formatConformance({ roads: ["compiled:cpu"], rows, skipped });
    expect(text).toContain("ok      compiled:cpu  a      forward 1.0e-7  gradient 2.0e-7");
    expect(text).toContain("MISSED compiled:cpu crash: forward Infinity\n  the process: ended by SIGSEGV");
    expect(text).toContain("skipped compiled:webgpu: no card");
    expect(text).toContain(
      "compiled:cpu: 1 of 2 rows within their bounds; of these the worst forward 1.0e-7, gradient 2.0e-7",
    );
  });
});
