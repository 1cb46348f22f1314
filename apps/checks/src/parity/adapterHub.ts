// AdapterHub's files, made by the library's own modules, read and written (fixtures/adapterhub).
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { env, LAYOUTS, readSafetensors } from "@peft/core";
import { readFixture } from "@peft/core/testing";
import { onBothEngines } from "./engines.js";
import { hostOf } from "./hosts.js";
import { type Row, row } from "./rows.js";
import { engineRows, numbersOf, outputRows } from "./tensors.js";
import { batchOf } from "./trained.js";

const CASES: readonly [subject: string, name: string][] = [
  ["AdapterHub, AdaptFormer on ViT", "vit-adaptformer"],
  ["AdapterHub, Pfeiffer on ViT", "vit-pfeiffer"],
  ["AdapterHub, Houlsby on ViT", "vit-houlsby"],
  ["AdapterHub, double_seq_bn on ViT", "vit-double"],
  ["AdapterHub, double_seq_bn on BERT", "bert-double"],
  ["AdapterHub, par_bn on BERT", "bert-parallel"],
  ["AdapterHub, par_bn with a learnt scale on BERT", "bert-parallel-learned"],
];

const layout = LAYOUTS.adapterhub!;

export async function adapterHub(fixtures: string): Promise<Row[]> {
  const { warn } = env;
  // Of the norms' epsilon, which is the same in these fixtures.
  env.warn = () => {};
  try {
    const rows: Row[] = [];
    for (const [subject, name] of CASES) rows.push(...(await caseRows(fixtures, subject, name)));
    return rows;
  } finally {
    env.warn = warn;
  }
}

async function caseRows(fixtures: string, subject: string, name: string): Promise<Row[]> {
  const fixture = readFixture<{ readonly host: string }>(join(fixtures, "adapterhub"), name);
  const folder = join(fixtures, "adapterhub", name);
  let written = Number.POSITIVE_INFINITY;
  const measured = await onBothEngines(async () => {
    const model = await layout.read(await hostOf(fixtures, fixture.info.host), folder);
    const outputs = await numbersOf(await model(batchOf(fixture)));
    const out = await mkdtemp(join(tmpdir(), "peft-adapterhub-"));
    try {
      await layout.write(model, out);
      written = await differences(out, folder);
    } finally {
      await rm(out, { recursive: true });
      model.dispose();
    }
    return { outputs, gradients: new Map() };
  });
  return [
    ...outputRows(`${subject} / outputs`, measured.compiled.outputs, fixture.group("output")),
    ...engineRows(subject, measured),
    row(`${subject} / written again`, "exact", written),
  ];
}

/** How many tensors of the two files are not the same; an adapter's name is part of its keys. */
async function differences(ours: string, theirs: string): Promise<number> {
  const read = async (folder: string, name: string) => {
    const tensors = await readSafetensors(join(folder, "adapter.safetensors"));
    return new Map([...tensors].map(([key, tensor]) => [key.replace(`.adapters.${name}.`, ".adapters."), tensor]));
  };
  const [written, wanted] = [await read(ours, "default"), await read(theirs, "task")];
  const keys = new Set([...written.keys(), ...wanted.keys()]);
  return [...keys].filter((key) => {
    const [a, b] = [written.get(key), wanted.get(key)];
    return !a || !b || String(a.shape) !== String(b.shape) || String(a.data) !== String(b.data);
  }).length;
}
