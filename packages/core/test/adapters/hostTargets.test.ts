// Which modules LoRA adapts in each host, by default and with "all-linear", and (IA)3 by default: PEFT's
// (fixtures/peft/targets.json), but for heads, which are here trained as a whole or left alone.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { getPeftModel, IA3Config, LoraConfig, loadHost, type Targets } from "../../src/index.js";
import { FIXTURES } from "../fixtures.js";

interface Found extends Readonly<Record<"default" | "all-linear", readonly string[] | null>> {
  /** Whether the input of a layer is multiplied, and not the output. */
  readonly ia3: Readonly<Record<string, boolean>> | null;
}

const fixture: Record<string, Found> = JSON.parse(readFileSync(join(FIXTURES, "peft", "targets.json"), "utf8"));

const ENDING = ".ia3_l";

async function targetsOf(folder: string, targetModules?: Targets): Promise<{ found: string[]; head?: string }> {
  const host = await loadHost(join(FIXTURES, folder));
  const model = getPeftModel(host, new LoraConfig({ r: 2, modulesToSave: null, targetModules }));
  const keys = [...model.adapterParameters().keys()].filter((key) => key.endsWith(".lora_A.weight"));
  const found = keys.map((key) => host.names.to("hf5", key.slice(0, -".lora_A.weight".length))).sort();
  const head = host.headPath;
  model.dispose();
  return { found, head };
}

describe.each(Object.entries(fixture))("%s", (folder, theirs) => {
  it("has PEFT's linear layers, without those of the head", async () => {
    const { found, head } = await targetsOf(folder, "all-linear");
    const isHead = (path: string) => head !== undefined && (path === head || path.startsWith(`${head}.`));
    expect(found).toEqual(theirs["all-linear"]!.filter((path) => !isHead(path)));
  });

  const known = theirs.default;
  const claim = known ? "PEFT's targets" : "targets of this library's own, PEFT having none,";
  it(`has ${claim} where none are named`, async () => {
    const { found } = await targetsOf(folder);
    if (known) expect(found).toEqual(known);
    else expect(found.length).toBeGreaterThan(0);
  });

  it(`has ${theirs.ia3 ? "PEFT's targets" : "no targets, as in PEFT,"} for (IA)3 where none are named`, async () => {
    const host = await loadHost(join(FIXTURES, folder));
    const attach = () => getPeftModel(host, new IA3Config({ modulesToSave: null }));
    if (!theirs.ia3) {
      expect(attach).toThrow(expect.objectContaining({ code: "TARGET_NOT_FOUND" }));
      host.dispose();
      return;
    }
    const model = attach();
    const vectors = [...model.adapterParameters()].filter(([key]) => key.endsWith(ENDING));
    const found = vectors.map(([key, { shape }]) => [
      host.names.to("hf5", key.slice(0, -ENDING.length)),
      shape[0] === 1,
    ]);
    expect(Object.fromEntries(found)).toEqual(theirs.ia3);
    model.dispose();
  });
});
