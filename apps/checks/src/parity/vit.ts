// Vision transformers against Hugging Face's and timm's (fixtures/vit).
import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compile, readSafetensors, ViTForImageClassification, ViTModel, writeSafetensors } from "@peft/core";
import { readFixture } from "@peft/core/testing";
import { onBothEngines } from "./engines.js";
import type { Row } from "./rows.js";
import { engineRows, numbersOf, outputRows, type Tensors } from "./tensors.js";
import { type TrainedCase, type TrainedInfo, trainedRows } from "./trained.js";

export async function vit(fixtures: string): Promise<Row[]> {
  const folder = join(fixtures, "vit");
  const renamed = await mkdtemp(join(tmpdir(), "parity-vit-"));
  try {
    await writeRenamed(join(folder, "tiny"), renamed);
    return [
      ...(await trainedRows([
        trained("ViT tiny", folder, "tiny"),
        trained("ViT odd", folder, "odd"),
        trained("ViT tiny, names of transformers 5", folder, "tiny", renamed),
      ])),
      ...(await forwardRows("ViT tiny, timm's file", folder, "tiny-timm", timmLogits)),
      ...(await forwardRows("ViT tiny, bare with pooler", folder, "tiny-bare", bareOutputs)),
    ];
  } finally {
    await rm(renamed, { recursive: true });
  }
}

/** Full fine-tuning of a whole model. */
function trained(
  subject: string,
  folder: string,
  name: string,
  checkpoint: string = join(folder, name),
): TrainedCase<ViTForImageClassification> {
  const fixture = readFixture<TrainedInfo>(folder, name);
  return {
    subject,
    fixture,
    outputs: fixture.group("output"),
    open: () => ViTForImageClassification.fromPretrained(checkpoint),
    trained: (model) => model.parameters(),
    measure: async (model) => {
      const run = compile((pixels) => {
        const { hiddenStates, lastHiddenState } = model.vit.forward(pixels!);
        return { ...Object.fromEntries(hiddenStates.map((x, i) => [`hidden.${i}`, x])), lastHidden: lastHiddenState };
      });
      return numbersOf(await run(fixture.input("pixels")));
    },
  };
}

type Pixels = ReturnType<ReturnType<typeof readFixture>["input"]>;

/** A checkpoint that the original only ran. */
async function forwardRows(
  subject: string,
  folder: string,
  name: string,
  run: (checkpoint: string, pixels: Pixels) => Promise<Tensors>,
): Promise<Row[]> {
  const fixture = readFixture(folder, name);
  const { eager, compiled } = await onBothEngines(async () => {
    const outputs = await run(join(folder, name), fixture.input("pixels"));
    return { outputs, gradients: new Map() };
  });
  return [
    ...outputRows(`${subject} / outputs`, compiled.outputs, fixture.group("output")),
    ...engineRows(subject, { compiled, eager }),
  ];
}

async function timmLogits(checkpoint: string, pixelValues: Pixels): Promise<Tensors> {
  const model = await ViTForImageClassification.fromPretrained(checkpoint);
  const outputs = await numbersOf(await model({ pixelValues }));
  model.dispose();
  return outputs;
}

async function bareOutputs(checkpoint: string, pixels: Pixels): Promise<Tensors> {
  const model = await ViTModel.fromPretrained(checkpoint);
  const run = compile((x) => {
    const output = model.forward(x!);
    return { lastHidden: output.lastHiddenState, pooler: model.pool(output) };
  });
  return numbersOf(await run(pixels));
}

/** How transformers 5 calls the modules of a vision transformer (`encoder-hosts.md` §1); the longer names first. */
const NAMES_OF_5: readonly (readonly [RegExp, string])[] = [
  [/\.encoder\.layer\.(\d+)\./, ".layers.$1."],
  [/\.attention\.attention\.query\./, ".attention.q_proj."],
  [/\.attention\.attention\.key\./, ".attention.k_proj."],
  [/\.attention\.attention\.value\./, ".attention.v_proj."],
  [/\.attention\.output\.dense\./, ".attention.o_proj."],
  [/\.intermediate\.dense\./, ".mlp.fc1."],
  [/\.output\.dense\./, ".mlp.fc2."],
];

/** The same checkpoint under those names: the originals write the names of transformers 4 only. */
async function writeRenamed(from: string, to: string): Promise<void> {
  const tensors = await readSafetensors(join(from, "model.safetensors"));
  const rename = (key: string) => NAMES_OF_5.reduce((name, [found, by]) => name.replace(found, by), key);
  await writeSafetensors(
    join(to, "model.safetensors"),
    new Map([...tensors].map(([key, tensor]) => [rename(key), tensor])),
  );
  await copyFile(join(from, "config.json"), join(to, "config.json"));
}
