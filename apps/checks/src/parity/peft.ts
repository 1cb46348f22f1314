// Adapters against Python's PEFT, from the files that it writes (fixtures/lora and fixtures/peft).
import { dirname, join } from "node:path";
import { type HostModel, PeftModel } from "@peft/core";
import { countDifferences, type Fixture, type Numbers, readAll, readFixture } from "@peft/core/testing";
import { combinedRows } from "./combined.js";
import { hostOf } from "./hosts.js";
import { type Row, row } from "./rows.js";
import { batchOf, type TrainedCase, type TrainedInfo, textRow, trainedRows } from "./trained.js";

interface PeftInfo extends TrainedInfo {
  readonly host: string;
  /** The adapter's folder, or those of several by their names, which are active together. */
  readonly adapter: string | Readonly<Record<string, string>>;
  readonly trainableLine: string;
}

interface PeftCase extends TrainedCase<PeftModel> {
  readonly fixture: Fixture<PeftInfo>;
  host(): Promise<HostModel>;
}

/** LoRA on BERT and T5 is among the rows of those hosts. */
const ON_TEXT = [
  ...["lora-roberta", "lora-bart"],
  ...["dora-bert", "dora-roberta", "dora-bart", "dora-t5"],
  ...["ia3-bert", "ia3-roberta", "ia3-bart", "ia3-t5"],
];

export async function peft(fixtures: string): Promise<Row[]> {
  const cases = [
    peftCase(fixtures, "LoRA qv", "lora/qv"),
    peftCase(fixtures, "LoRA patterns", "lora/patterns"),
    peftCase(fixtures, "LoRA regex", "lora/regex"),
    peftCase(fixtures, "LoRA qv-hf4", "lora/qv-hf4", "lora/qv"),
    peftCase(fixtures, "LoRA layers", "peft/lora-layers"),
    peftCase(fixtures, "LoRA groups", "peft/lora-groups"),
    peftCase(fixtures, "LoRA bias", "peft/lora-bias"),
    peftCase(fixtures, "DoRA layers", "peft/dora-layers"),
    peftCase(fixtures, "DoRA ViT", "peft/dora-vit"),
    peftCase(fixtures, "(IA)3 layers", "peft/ia3-layers"),
    peftCase(fixtures, "(IA)3 ViT", "peft/ia3-vit"),
    peftCase(fixtures, "LoRA and DoRA together", "peft/lora-and-dora"),
    ...ON_TEXT.map((name) => peftCase(fixtures, `PEFT ${name}`, `peft/${name}`)),
  ];
  const rows = await trainedRows(cases);
  for (const one of cases) rows.push(...(await exactRows(one)));
  for (const method of ["lora", "ia3"]) rows.push(...(await combinedRows(fixtures, method)));
  return rows;
}

/** @param numbers the fixture of what the adapter computes, where it is not of the same name */
function peftCase(fixtures: string, subject: string, folder: string, numbers: string = folder): PeftCase {
  const fixture = readFixture<PeftInfo>(fixtures, numbers);
  const outputs = fixture.group("output");
  if (folder === "lora/patterns") {
    // Where biases are trained, PEFT leaves the trained ones in the host: `exactRows` has ours, which is the bare host's.
    outputs.delete("disabledLogits");
    console.error(
      "left out: LoRA patterns / outputs / disabledLogits (PEFT's disabled model keeps the trained biases)",
    );
  }
  for (const [key, values] of fixture.group("merged")) outputs.set(`merged ${key}`, values);
  const host = () => hostOf(fixtures, fixture.info.host);
  return {
    subject,
    fixture,
    outputs,
    host,
    open: async () => load(await host(), join(fixtures, folder), fixture.info.adapter),
    trained: (model) =>
      new Map([...model.trainableParameters()].map(([key, parameter]) => [keyOf(model, key), parameter])),
    measure: async (model) => {
      const measured = new Map<string, Numbers>([
        ["disabledLogits", await model.disableAdapter(() => logitsOf(model, fixture))],
      ]);
      if (!outputs.has("mergedLogits")) return measured;
      await model.merge();
      measured.set("mergedLogits", await logitsOf(model, fixture));
      const merged = await readAll(model.getBaseModel().parameters());
      for (const key of fixture.group("merged").keys()) {
        const values = merged.get(key);
        if (values) measured.set(`merged ${key}`, values);
      }
      model.unmerge();
      return measured;
    },
  };
}

async function load(host: HostModel, directory: string, adapter: PeftInfo["adapter"]): Promise<PeftModel> {
  if (typeof adapter === "string") return PeftModel.fromPretrained(host, directory, { isTrainable: true });
  const model = new PeftModel(host);
  for (const [adapterName, folder] of Object.entries(adapter)) {
    await model.loadAdapter(join(dirname(directory), folder), { adapterName, isTrainable: true });
  }
  model.setAdapter(Object.keys(adapter));
  return model;
}

/** The fixture's name of a parameter; of several adapters each key begins with the adapter's name. */
function keyOf(model: PeftModel, name: string): string {
  const colon = name.indexOf(":") + 1;
  return `${name.slice(0, colon)}base_model.model.${model.names.to("hf5", name.slice(colon))}`;
}

/** PEFT's line of what is trained; and that the disabled model is the bare host to the last bit. */
async function exactRows({ subject, fixture, host: hostOfCase, open }: PeftCase): Promise<Row[]> {
  const host = await hostOfCase();
  const bare = await logitsOf(host, fixture);
  host.dispose();
  const model = await open();
  const disabled = await model.disableAdapter(() => logitsOf(model, fixture));
  const line = model.printTrainableParameters();
  model.dispose();
  return [
    textRow(`${subject} / trainable parameters`, line, fixture.info.trainableLine),
    row(`${subject} / disabled logits, to the bare host's`, "exact", countDifferences(disabled, bare)),
  ];
}

async function logitsOf(model: HostModel, fixture: Fixture<PeftInfo>): Promise<Numbers> {
  const { labels: _, ...inputs } = batchOf(fixture);
  const { logits } = await model(inputs);
  const numbers = await logits.data();
  logits.dispose();
  return numbers;
}
