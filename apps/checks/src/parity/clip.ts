// CLIP and its encoders against Hugging Face's, and with LoRA of Python's PEFT (fixtures/clip).
import { join } from "node:path";
import { CLIPModel, CLIPTextModel, CLIPVisionModel, compile, PeftModel } from "@peft/core";
import { readFixture } from "@peft/core/testing";
import { callOf, forwardRows, type Inputs, trainedHost } from "./forward.js";
import type { Row } from "./rows.js";
import { numbersOf } from "./tensors.js";
import { trainedRows } from "./trained.js";

export async function clip(fixtures: string): Promise<Row[]> {
  const folder = join(fixtures, "clip");
  const rows = await trainedRows([
    trainedHost("CLIP, both encoders", folder, "joint", () => CLIPModel.fromPretrained(join(folder, "joint"))),
  ]);
  for (const name of ["vision-quick", "vision-gelu", "vision-bare", "text", "text-old"]) {
    const load = name.startsWith("text") ? CLIPTextModel.fromPretrained : CLIPVisionModel.fromPretrained;
    rows.push(...(await encoderRows(folder, name, load)));
  }
  // Under the names of transformers 5, which has no prefix for these encoders.
  for (const [adapter, host, load] of [
    ["lora-text", "text-old", CLIPTextModel.fromPretrained],
    ["lora-vision", "vision-bare", CLIPVisionModel.fromPretrained],
  ] as const) {
    const fixture = readFixture<Inputs>(folder, adapter);
    const open = async () => PeftModel.fromPretrained(await load(join(folder, host)), join(folder, adapter));
    rows.push(...(await forwardRows(`CLIP, ${adapter}`, fixture, async () => callOf(await open(), fixture))));
  }
  return rows;
}

function encoderRows(
  folder: string,
  name: string,
  load: (checkpoint: string) => Promise<CLIPTextModel | CLIPVisionModel>,
): Promise<Row[]> {
  const fixture = readFixture<Inputs>(folder, name);
  const wanted = fixture.group("output");
  const { inputs } = fixture.info;
  return forwardRows(`CLIP, ${name}`, fixture, async () => {
    const model = await load(join(folder, name));
    const run = compile((...tensors) => {
      const batch = Object.fromEntries(inputs.map((input, i) => [input, tensors[i]!]));
      const { hiddenStates, lastHiddenState } = model.encode(batch);
      const hidden = Object.fromEntries(hiddenStates.map((x, i) => [`hidden.${i}`, x]));
      return { ...hidden, lastHidden: lastHiddenState, logits: model.forward(batch).logits };
    });
    const found = await numbersOf(await run(...inputs.map((input) => fixture.input(input))));
    model.dispose();
    return new Map([...found].filter(([output]) => wanted.has(output)));
  });
}
