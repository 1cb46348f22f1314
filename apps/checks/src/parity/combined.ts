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
}

interface Combined {
  readonly adapters: readonly string[];
  readonly weights: readonly number[];
  readonly combination_type?: CombinationOptions["combinationType"];
  readonly svd_rank?: number;
  readonly density?: number;
  readonly majority_sign_method?: CombinationOptions["majoritySignMethod"];
}

/** One row for the logits of each combination. @param method "lora" or "ia3", as the fixtures' names have it */
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
  return outputRows(`${method === "ia3" ? "(IA)3" : "LoRA"} combined / logits`, found, fixture.group("output"));
}
