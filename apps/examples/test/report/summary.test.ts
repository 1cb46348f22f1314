import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { toJsonSchema } from "@valibot/to-json-schema";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type RunSummary, readSummary, SummarySchema, summarizeMethod, writeSummary } from "../../src/report/index.js";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "summary-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const method = {
  name: "MoSA",
  seeds: [0, 1, 2],
  accuracies: [0.8, 0.9, 0.85],
  parametersTrained: 12_345,
  parametersDeployed: 4_321,
  stepsPerSecond: 12.5,
};
const summary = (): RunSummary => ({
  format: 1,
  name: "mosa",
  methods: [summarizeMethod(method)],
  data: {
    description: "Fashion-MNIST, 100 of each class",
    classes: ["bag", "coat"],
    train: 140,
    validation: 30,
    test: 30,
  },
  host: "vit-small-cifar6",
  peakMemoryMb: 812.5,
  engine: "compiled (cpu, 2 threads)",
  processor: "AMD EPYC 9R14, 2 vCPUs, AVX-512 yes",
  command: "pnpm example mosa --seeds 3",
  started: "2026-11-23T10:20:30.000Z",
  finished: "2026-11-23T10:25:30.000Z",
});

describe("summary.json", () => {
  it("is read as it was written, and nothing else is left in the folder", async () => {
    await writeSummary(folder, summary());
    expect(await readSummary(folder)).toEqual(summary());
    expect(readdirSync(folder)).toEqual(["summary.json"]);
  });

  it("holds mean and sample deviation, none with one seed", () => {
    expect(summarizeMethod(method)).toMatchObject({
      mean: expect.closeTo(0.85, 12),
      deviation: expect.closeTo(0.05, 12),
    });
    expect(summarizeMethod({ ...method, seeds: [0], accuracies: [0.8] }).deviation).toBeNull();
    expect(() => summarizeMethod({ ...method, seeds: [0] })).toThrow("3 accuracies for 1 seeds");
  });

  it("agrees with itself for accuracies of any run", async () => {
    const accuracies = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 10 });
    await fc.assert(
      fc.asyncProperty(accuracies, async (values) => {
        const entry = summarizeMethod({ ...method, seeds: values.map((_, i) => i), accuracies: values });
        await writeSummary(folder, { ...summary(), methods: [entry] });
        expect((await readSummary(folder)).methods).toEqual([entry]);
      }),
      { numRuns: 50 },
    );
  });

  it.each([
    ["a field is missing", { host: undefined }, "host"],
    ["a field is not known", { colour: "red" }, "colour"],
    [
      "an accuracy is in percent",
      { methods: [{ ...summarizeMethod(method), accuracies: [80, 90, 85] }] },
      "methods.0.accuracies.0",
    ],
    [
      "a mean is not that of the accuracies",
      { methods: [{ ...summarizeMethod(method), mean: 0.9 }] },
      "mean and deviation of MoSA",
    ],
    ["a date is not one", { started: "yesterday" }, "started"],
  ])("is refused when %s, and nothing is written", async (_, change, complaint) => {
    await expect(writeSummary(folder, { ...summary(), ...change } as RunSummary)).rejects.toThrow(complaint);
    expect(readdirSync(folder)).toEqual([]);
  });

  it("of another kind or cut short is a coded error", async () => {
    await expect(readSummary(folder)).rejects.toMatchObject({ code: "FILE_MISSING" });
    writeFileSync(join(folder, "summary.json"), JSON.stringify(summary()).slice(0, 100));
    await expect(readSummary(folder)).rejects.toMatchObject({ code: "DATA_INVALID" });
    writeFileSync(join(folder, "summary.json"), "[]");
    await expect(readSummary(folder)).rejects.toMatchObject({ code: "DATA_INVALID" });
  });

  it("in a folder that is not there is a coded error", async () => {
    await expect(writeSummary(join(folder, "none"), summary())).rejects.toMatchObject({ code: "FILE_UNWRITABLE" });
  });

  it("is written down in summary.schema.json (`vitest -u` writes it again)", async () => {
    // The extra rule of isoTimestamp has no JSON schema of its own; its format is written as date-time.
    const schema = toJsonSchema(SummarySchema);
    await expect(`${JSON.stringify(schema, null, 2)}\n`).toMatchFileSnapshot("../../summary.schema.json");
  });
});
