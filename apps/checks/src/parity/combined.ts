// Adapters made of several, against what Python's PEFT makes of the same (fixtures/peft/*-combined).
import { join } from "node:path";
import { type CombinationOptions, PeftModel } from "@peft/core";
import { readFixture } from "@peft/core/testing";
import { hostOf } from "./hosts.js";
import type { Row } from "./rows.js";
import { outputRows } from "./tensors.js";

interface CombinedInfo {
  readonly host: string;
  readonly combinations: Readonly<Record<string, Combined>>;
  /** The adapter of each example of the batch. */
  readonly mixed?: readonly string[];
}

interface Combined {
  readonly adapters: readonly string[];
  readonly weights: readonly number[];
  readonly combination_type?: CombinationOptions["combinationType"];
  readonly svd_rank?: number;
  readonly density?: number;
  readonly majority_sign_method?: CombinationOptions["majoritySignMethod"];
}

/** One row for the logits of each combination, and one for a batch whose examples have adapters of their own. @param method "lora" or "ia3", as the fixtures' names have it */
export async function combinedRows(fixtures: string, method: string): Promise<Row[]> {
  const fixture = readFixture<CombinedInfo>(join(fixtures, "peft"), `${method}-combined`);
  const inputs = { pixelValues: fixture.input("pixels"), inputIds: fixture.input("ids") };
  const found = new Map<string, Float32Array>();
  for (const [label, { adapters, weights, ...options }] of Object.entries(fixture.info.combinations)) {
    const model = new PeftModel(await hostOf(fixtures, fixture.info.host));
    for (const adapterName of adapters) {
      await model.loadAdapter(join(fixtures, "peft", `${method}-${adapterName}`), { adapterName });
    }
    await model.addWeightedAdapter(adapters, weights, "combined", {
      combinationType: options.combination_type,
      svdRank: options.svd_rank,
      density: options.density,
      majoritySignMethod: options.majority_sign_method,
    });
    model.setAdapter("combined");
    const { logits } = await model(inputs);
    found.set(label, (await logits.data()) as Float32Array);
    logits.dispose();
    model.dispose();
  }
  const name = method === "ia3" ? "(IA)3" : "LoRA";
  const rows = outputRows(`${name} combined / logits`, found, fixture.group("output"));
  const { mixed } = fixture.info;
  if (!mixed) return rows;
  const model = new PeftModel(await hostOf(fixtures, fixture.info.host));
  const names = [...new Set(mixed)].filter((adapterName) => adapterName !== "__base__");
  for (const adapterName of names) {
    await model.loadAdapter(join(fixtures, "peft", `${method}-${adapterName}`), { adapterName });
  }
  model.setAdapter(names);
  const { logits } = await model({ ...inputs, adapterIndices: model.adapterIndices(mixed) });
  const ours = new Map([["logits", (await logits.data()) as Float32Array]]);
  logits.dispose();
  model.dispose();
  return [...rows, ...outputRows(`${name}, an adapter for each example / logits`, ours, fixture.group("mixed"))];
}
