// The study's tables and findings, on made-up results.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { expectations } from "../../src/results/expectations.js";
import { formatResults, resultsJson } from "../../src/results/format.js";
import { readResults } from "../../src/results/rows.js";
import { GROUPS, type Group, plannedRuns } from "../../src/results/study.js";
import { type Accuracies, groupOf, writeMadeUp } from "./madeUp.js";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "results-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

async function resultsOf(accuracies: Accuracies, group: Group = groupOf(...Object.keys(accuracies))) {
  await writeMadeUp(folder, group, accuracies);
  return readResults(folder, [group]);
}

async function verdictsOf(accuracies: Accuracies): Promise<Record<string, string>> {
  const { groups } = await resultsOf(accuracies);
  return Object.fromEntries(expectations(groups).map(({ claim, verdict }) => [claim, verdict]));
}

describe("the study", () => {
  it("has 96 runs, each with a place of its own", () => {
    const ids = plannedRuns().map(({ id }) => id);
    expect(ids).toHaveLength(96);
    expect(new Set(ids).size).toBe(96);
  });

  it("has AdaptFormer and MoSA of the same width with one learning rate, activation, dropout and scale", () => {
    for (const width of [32, 64, 128]) {
      const [plain, mosa] = ["adaptformer", "mosa"].map(
        (name) => GROUPS[0]!.methods.find((method) => method.folder === `${name}-${width}`)!,
      );
      expect(mosa!.learningRate).toBe(plain!.learningRate);
      const { activation, dropout, scale, bottleneck } = (
        mosa!.config as unknown as { adapterOptions(): Record<string, unknown> }
      ).adapterOptions();
      // What the plain adapter's config leaves open is 0.1, 0.1 of its style.
      expect({ activation, dropout, scale, bottleneck }).toEqual({
        activation: "gelu",
        dropout: 0.1,
        scale: 0.1,
        bottleneck: width,
      });
      expect(plain!.config).toMatchObject({ style: "adaptformer", activation: "gelu", bottleneck: width });
      expect(plain!.config).not.toHaveProperty("dropout", expect.anything());
      expect(plain!.config).not.toHaveProperty("scale", expect.anything());
    }
  });

  it("has stored results that are valid", async () => {
    const { planned, missing } = await readResults(join(import.meta.dirname, "../../results/mosa"));
    expect(planned).toBe(96);
    expect(missing.length).toBeLessThan(planned);
  });
});

describe("a table", () => {
  it("has mean and deviation in percent, the seeds, and the numbers trained and deployed", async () => {
    const text = formatResults(await resultsOf({ probe: [0.7, 0.71, 0.72], "mosa-32": [0.8, 0.8, 0.8] }));
    expect(text).toMatch(/^linear probe +71\.0 ± 1\.0 % +3 +1,234 +1,000$/m);
    expect(text).toMatch(/^MoSA 32, N = 4 +80\.0 ± 0\.0 % +3 +1,234 +1,000$/m);
    expect(text).toMatch(/^MoSA 32, N = 4, ensemble +80\.0 ± 0\.0 % +3 +1,234 +-$/m);
    expect(text).not.toContain("Missing");
  });

  it("says which runs are missing", async () => {
    const results = await resultsOf({ probe: [0.7, 0.72], lora: [], full: [0.8, 0.8, 0.8] });
    const text = formatResults(results);
    expect(text).toMatch(/^linear probe +71\.0 ± 1\.4 % +2 of 3 /m);
    expect(text).toMatch(/^LoRA, r = 8 +no runs +0 of 3 +- +-$/m);
    expect(text).toContain("Missing: 4 of 9 runs\n  vit-cifar6-100: 4\n");
    expect(text).toContain("--rerun --data");
    expect(results.missing).toEqual([
      "vit-cifar6-100/probe-2",
      "vit-cifar6-100/lora-0",
      "vit-cifar6-100/lora-1",
      "vit-cifar6-100/lora-2",
    ]);
  });

  it("is for programs one document with rows, findings and what is missing", async () => {
    const json = JSON.parse(JSON.stringify(resultsJson(await resultsOf({ probe: [0.7, 0.71] }))));
    expect(json).toMatchObject({ format: 1, planned: 3, missing: ["vit-cifar6-100/probe-2"] });
    expect(json.groups[0]).toMatchObject({ folder: "vit-cifar6-100", perClass: 100, epochs: 60 });
    expect(json.groups[0].rows[0]).toMatchObject({ key: "probe", seeds: [0, 1], accuracies: [0.7, 0.71] });
    expect(json.expectations.length).toBeGreaterThan(4);
  });
});

describe("a finding of the paper", () => {
  const ADAPTFORMER = "MoSA is ahead of AdaptFormer at equal deployed size";
  const SIDE = "splitting the up side alone is best";
  const MERGING = "merged experts are ahead of experts drawn at random and of the ensemble";

  it("agrees where the difference is larger than chance makes it, disagrees where it is so the other way", async () => {
    const low = [0.7, 0.701, 0.702];
    const high = [0.75, 0.751, 0.752];
    expect(await verdictsOf({ "mosa-32": high, "adaptformer-32": low })).toMatchObject({ [ADAPTFORMER]: "agrees" });
    expect(await verdictsOf({ "mosa-32": low, "adaptformer-32": high })).toMatchObject({ [ADAPTFORMER]: "disagrees" });
  });

  it("is not decided by a difference within what chance makes", async () => {
    const verdicts = await verdictsOf({ "mosa-32": [0.7, 0.71, 0.72], "adaptformer-32": [0.7, 0.705, 0.71] });
    expect(verdicts[ADAPTFORMER]).toBe("not decided");
  });

  it("is measured by the difference of the means and its standard error over the seeds", async () => {
    const { groups } = await resultsOf({ "mosa-32": [0.72, 0.73, 0.74], "adaptformer-32": [0.7, 0.71, 0.72] });
    const { difference, standardError } = expectations(groups)[0]!.comparisons[0]!;
    expect(difference).toBeCloseTo(0.02, 12);
    // Two means with a variance of 0.01^2 / 3 each.
    expect(standardError).toBeCloseTo(0.01 * Math.sqrt(2 / 3), 12);
    expect(formatResults(await readResults(folder, [groups[0]!.group]))).toMatch(/\+2\.0 ± 0\.8 +not decided/);
  });

  it("has a second digit where the standard error is below a tenth of a point", async () => {
    const shifted = [0.8, 0.7005, 0.75].map(
      (accuracy, i) => [accuracy, accuracy, accuracy + [1e-3, 0, 5e-4][i]!] as const,
    );
    const results = await resultsOf({ "mosa-32": shifted, "mosa-32-down": [0.7, 0.7, 0.7] });
    const text = formatResults(results);
    expect(text).toMatch(/, ensemble +vit-cifar6-100 +-0\.05 ± 0\.03 +not decided/);
    expect(text).toMatch(/down-only +vit-cifar6-100 +\+5\.0 ± 2\.9 +not decided/);
  });

  it("about ways of using the same experts is measured seed by seed", async () => {
    const shifted = [0.7, 0.75, 0.8].map((accuracy) => [accuracy, accuracy - 0.01, accuracy] as const);
    const { groups } = await resultsOf({ "mosa-32": shifted });
    const merging = expectations(groups).find(({ claim }) => claim === MERGING)!;
    expect(merging.comparisons.map(({ verdict }) => verdict)).toEqual(["agrees", "not decided"]);
    expect(merging.comparisons[0]!.standardError).toBeCloseTo(0, 12);
  });

  it.each([
    ["agrees if all do", 0.7, 0.7, "agrees"],
    ["is not decided if one of them is not", 0.7, 0.75, "not decided"],
    ["is not decided if runs of one of them are missing", 0.7, undefined, "not decided"],
    ["disagrees if one does, even where another agrees", 0.7, 0.8, "disagrees"],
    ["disagrees if one does and runs of another are missing", 0.8, undefined, "disagrees"],
    ["is not judged if runs of all are missing", undefined, undefined, "runs are missing"],
  ])("of several comparisons %s", async (_, down, both, wanted) => {
    const three = (accuracy?: number) => (accuracy === undefined ? [] : [accuracy, accuracy, accuracy]);
    const verdicts = await verdictsOf({
      "mosa-32": three(0.75),
      "mosa-32-down": three(down),
      "mosa-32-both": three(both),
    });
    expect(verdicts[SIDE]).toBe(wanted);
  });

  it("is not judged where a run is missing", async () => {
    const { groups } = await resultsOf({ "mosa-32": [0.75, 0.75], "adaptformer-32": [0.7, 0.7, 0.7] });
    expect(expectations(groups)[0]).toMatchObject({
      verdict: "runs are missing",
      comparisons: [{ difference: null, standardError: null }],
    });
  });
});

describe("a stored result", () => {
  const path = () => join(folder, "vit-cifar6-100/probe-0/result.json");
  const change = (fields: object) =>
    writeFileSync(path(), JSON.stringify({ ...JSON.parse(readFileSync(path(), "utf8")), ...fields }));

  it.each([
    ["an accuracy above 1", { accuracy: 70 }],
    ["a field that it does not know", { loss: 1 }],
    ["another format", { format: 2 }],
    ["another run's name", { run: "vit-cifar6-100/probe-1" }],
    ["another number of epochs than planned", { epochs: 7 }],
    ["another learning rate than planned", { learningRate: 1 }],
  ])("with %s is refused, with its place", async (_, fields) => {
    await resultsOf({ probe: [0.7] });
    change(fields);
    const reading = readResults(folder, [groupOf("probe")]);
    await expect(reading).rejects.toMatchObject({ code: "CONFIG_INVALID", place: path() });
  });
});
