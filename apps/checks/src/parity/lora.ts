// LoRA against Python's PEFT, from the files that it writes (fixtures/lora).
import { join } from "node:path";
import { type Argument, PeftModel, ViTForImageClassification } from "@peft/core";
import { countDifferences, type Fixture, type Numbers, readAll, readFixture } from "@peft/core/testing";
import { type Row, row } from "./rows.js";
import { type TrainedCase, type TrainedInfo, textRow, trainedRows } from "./trained.js";

interface LoraInfo extends TrainedInfo {
  readonly trainableLine: string;
}

interface LoraCase extends TrainedCase<PeftModel> {
  readonly fixture: Fixture<LoraInfo>;
}

export async function lora(fixtures: string): Promise<Row[]> {
  const cases = [
    loraCase(fixtures, "qv"),
    loraCase(fixtures, "patterns"),
    loraCase(fixtures, "regex"),
    loraCase(fixtures, "qv-hf4", "qv"),
  ];
  const rows = await trainedRows(cases);
  for (const one of cases) rows.push(...(await exactRows(fixtures, one)));
  return rows;
}

/** @param numbers the fixture of what the adapter computes, where it is not of the same name */
function loraCase(fixtures: string, name: string, numbers: string = name): LoraCase {
  const fixture = readFixture<LoraInfo>(join(fixtures, "lora"), numbers);
  const outputs = fixture.group("output");
  if (name === "patterns") {
    // Where biases are trained, PEFT leaves the trained ones in the host: `exactRows` has ours, which is the bare host's.
    outputs.delete("disabledLogits");
    console.error(
      "left out: LoRA patterns / outputs / disabledLogits (PEFT's disabled model keeps the trained biases)",
    );
  }
  for (const [key, numbers] of fixture.group("merged")) outputs.set(`merged ${key}`, numbers);
  return {
    subject: `LoRA ${name}`,
    fixture,
    outputs,
    open: async () =>
      PeftModel.fromPretrained(await hostOf(fixtures), join(fixtures, "lora", name), { isTrainable: true }),
    trained: (model) =>
      new Map(
        [...model.trainableParameters()].map(([key, parameter]) => [
          `base_model.model.${model.names.to("hf5", key)}`,
          parameter,
        ]),
      ),
    measure: async (model) => {
      const pixelValues = fixture.input("pixels");
      const measured = new Map<string, Numbers>([
        ["disabledLogits", await model.disableAdapter(() => logitsOf(model, pixelValues))],
      ]);
      await model.merge();
      measured.set("mergedLogits", await logitsOf(model, pixelValues));
      const merged = await readAll(model.getBaseModel().parameters());
      for (const key of fixture.group("merged").keys()) {
        const numbers = merged.get(key);
        if (numbers) measured.set(`merged ${key}`, numbers);
      }
      model.unmerge();
      return measured;
    },
  };
}

/** PEFT's line of what is trained; and that the disabled model is the bare host to the last bit. */
async function exactRows(fixtures: string, { subject, fixture, open }: LoraCase): Promise<Row[]> {
  const pixelValues = fixture.input("pixels");
  const host = await hostOf(fixtures);
  const bare = await logitsOf(host, pixelValues);
  host.dispose();
  const model = await open();
  const disabled = await model.disableAdapter(() => logitsOf(model, pixelValues));
  const line = model.printTrainableParameters();
  model.dispose();
  return [
    textRow(`${subject} / trainable parameters`, line, fixture.info.trainableLine),
    row(`${subject} / disabled logits, to the bare host's`, "exact", countDifferences(disabled, bare)),
  ];
}

function hostOf(fixtures: string): Promise<ViTForImageClassification> {
  return ViTForImageClassification.fromPretrained(join(fixtures, "vit", "tiny"));
}

async function logitsOf(model: ViTForImageClassification | PeftModel, pixelValues: Argument): Promise<Numbers> {
  const { logits } = await model({ pixelValues });
  const numbers = await logits.data();
  logits.dispose();
  return numbers;
}
