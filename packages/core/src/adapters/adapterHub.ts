// Bottleneck adapters as AdapterHub's library `adapters` 1.x has them on disk: `adapter_config.json` and `adapter.safetensors`.
// Its keys have the module names of transformers 4; heads are files of their own there, and are left out.

import { join } from "node:path";
import * as v from "valibot";
import { env } from "../env.js";
import { PeftError } from "../errors.js";
import {
  type HostTensor,
  openCheckpoint,
  readJson,
  toFloat32,
  writeFileAtomic,
  writeSafetensors,
} from "../files/index.js";
import { writeTogether } from "../models/folder.js";
import { type HostModel, TextHost, ViTForImageClassification } from "../models/index.js";
import { checkTensors } from "../models/mismatch.js";
import { BottleneckConfig, STYLE_DEFAULTS } from "./bottleneck/config.js";
import { getPeftModel } from "./getPeftModel.js";
import type { PeftModel } from "./peftModel.js";
import { type ResidualSide, type ResidualStyle, usualSides } from "./residuals.js";

const CONFIG_FILE = "adapter_config.json";
const WEIGHTS_FILE = "adapter.safetensors";
/** The library's version whose layout this is: without one it takes a file for an old one. */
const VERSION = "adapters.1.2.0";
/** The library's names of activations that have another here. */
const ACTIVATIONS: Readonly<Record<string, string>> = { swish: "silu" };

const off = v.optional(v.literal(false), false);
const none = v.optional(v.literal(0), 0);

/** What of its `BnConfig` means something here. The rest must be switched off, since it would compute something else. */
const BnSchema = v.object({
  mh_adapter: v.boolean(),
  output_adapter: v.boolean(),
  reduction_factor: v.pipe(v.number(), v.minValue(1)),
  non_linearity: v.string(),
  is_parallel: v.optional(v.boolean(), false),
  scaling: v.optional(v.union([v.number(), v.literal("learned")]), 1),
  ln_before: v.optional(v.boolean(), false),
  init_weights: v.optional(v.string(), "bert"),
  leave_out: v.optional(v.array(v.number()), []),
  original_ln_after: v.optional(v.literal(true), true),
  original_ln_before: v.optional(v.boolean(), false),
  residual_before_ln: v.optional(v.literal(true), true),
  cross_adapter: off,
  ln_after: off,
  adapter_residual_before_ln: off,
  use_gating: off,
  phm_layer: off,
  dropout: none,
  stochastic_depth: none,
  inv_adapter: v.nullish(v.null()),
});
const FileSchema = v.object({ name: v.string(), config: BnSchema });

/** Its switches that tell the styles apart. */
const SWITCHES = {
  adaptformer: { is_parallel: true, original_ln_before: false },
  pfeiffer: { is_parallel: false, original_ln_before: false },
  houlsby: { is_parallel: false, original_ln_before: true },
} as const;
type HubStyle = keyof typeof SWITCHES;

/**
 * Writes a bottleneck adapter of the styles "adaptformer" (parallel there), "pfeiffer" (`double_seq_bn` there) and, on a ViT,
 * "houlsby".
 *
 * @throws PeftError TARGET_UNSUPPORTED for an adapter or a host that the layout cannot hold, FILE_UNWRITABLE
 */
export async function writeAdapterHub(model: PeftModel, adapterName: string, directory: string): Promise<void> {
  const host = model.getBaseModel();
  const parameters = model.adapterParameters(adapterName);
  const config = model.peftConfig.get(adapterName) as BottleneckConfig;
  if (config.peftType !== BottleneckConfig.peftType) {
    throw unsupported(`bottleneck adapters can be written, and this is ${config.peftType}`);
  }
  const style = hubStyleOf(config.style, host);
  const { activation, norm, scale } = { ...STYLE_DEFAULTS[style], ...given(config) };
  const keys = keysOf(host, config, adapterName, parameters.keys());
  const width = parameters.get([...keys.keys()].find((key) => key.endsWith(".up.bias"))!)!.size;
  const inside = parameters.get([...keys.keys()].find((key) => key.endsWith(".down.bias"))!)!.size;
  const tensors = new Map<string, HostTensor>();
  for (const [key, names] of keys) {
    const parameter = parameters.get(key)!;
    const data = (await parameter.read()) as Float32Array;
    for (const name of names) tensors.set(name, { dtype: "float32", shape: parameter.shape, data });
  }
  const sides = config.sides ?? usualSides(style);
  const bn = {
    adapter_residual_before_ln: false,
    architecture: null,
    cross_adapter: false,
    dropout: 0,
    init_weights: config.initWeights,
    inv_adapter: null,
    leave_out: config.leaveOut ?? [],
    ln_after: false,
    ln_before: norm,
    mh_adapter: sides.includes("attention"),
    non_linearity: Object.keys(ACTIVATIONS).find((name) => ACTIVATIONS[name] === activation) ?? activation,
    original_ln_after: true,
    output_adapter: sides.includes("ffn"),
    phm_layer: false,
    // It rounds the width over this down.
    reduction_factor: width % inside === 0 ? width / inside : width / (inside + 0.5),
    residual_before_ln: true,
    scaling: scale,
    stochastic_depth: 0,
    use_gating: false,
    ...SWITCHES[style],
  };
  const json = {
    config: bn,
    hidden_size: width,
    model_class: host.constructor.name,
    model_name: host.nameOrPath ?? null,
    model_type: (host.configJSON().model_type as string | undefined) ?? null,
    name: adapterName,
    version: VERSION,
  };
  warnOf(
    norm,
    [...parameters.keys()].some((key) => !keys.has(key)),
    directory,
  );
  // In Python a scale without a point is no float, and the library takes none but floats.
  const text = JSON.stringify(json, null, 2).replace(/("scaling": -?\d+)(,?\n)/, "$1.0$2");
  await writeTogether(directory, CONFIG_FILE, async (folder) => {
    await writeSafetensors(join(folder, WEIGHTS_FILE), tensors, { format: "pt" });
    await writeFileAtomic(join(folder, CONFIG_FILE), `${text}\n`);
  });
}

/**
 * Loads an adapter of the library onto a host, without a head.
 *
 * @throws PeftError CONFIG_INVALID for one that computes something else, naming the field; KEY_MISMATCH with
 *   `{ missing, unexpected, misshapen }`; TARGET_UNSUPPORTED; what reading files throws. The host is then as it was
 */
export async function readAdapterHub(host: HostModel, directory: string): Promise<PeftModel> {
  const place = join(directory, CONFIG_FILE);
  const parsed = v.safeParse(FileSchema, await readJson(place));
  if (!parsed.success) {
    const [issue] = parsed.issues;
    const field = issue.path?.map((part) => String(part.key)).join(".") ?? "";
    throw new PeftError("CONFIG_INVALID", `${field}: ${issue.message}`, {
      place,
      hint: "parallel adapters and those like double_seq_bn can be read, and Houlsby's of a ViT",
    });
  }
  const { name, config: bn } = parsed.output;
  const sides: ResidualSide[] = [
    ...(bn.mh_adapter ? (["attention"] as const) : []),
    ...(bn.output_adapter ? (["ffn"] as const) : []),
  ];
  const act = bn.non_linearity.toLowerCase();
  const config = new BottleneckConfig({
    style: hubStyleOf(bn.is_parallel ? "adaptformer" : bn.original_ln_before ? "houlsby" : "pfeiffer", host),
    reductionFactor: bn.reduction_factor,
    sides,
    leaveOut: bn.leave_out,
    scale: bn.scaling,
    norm: bn.ln_before,
    initWeights: bn.init_weights === "mam_adapter" ? "mam_adapter" : "bert",
    dropout: 0,
    activation: (ACTIVATIONS[act] ?? act) as BottleneckConfig["activation"],
    modulesToSave: null,
  });
  const path = join(directory, WEIGHTS_FILE);
  const weights = await openCheckpoint(path);
  const model = getPeftModel(host, config);
  try {
    const parameters = model.adapterParameters();
    const keys = keysOf(host, config, name, parameters.keys());
    const known = new Set([...keys.values()].flat());
    const strangers = [...weights.tensors.keys()].filter((key) => !known.has(key));
    const expected = [...keys].map(([key, [source]]) => {
      const { shape, dtype } = parameters.get(key)!;
      return [source!, { shape, dtype, source: weights.tensors.has(source!) ? source : undefined }] as const;
    });
    checkTensors(weights, new Map(expected), strangers, path);
    const numbers = new Map<string, Float32Array>();
    for (const [key, [source]] of keys) numbers.set(key, toFloat32(await weights.read(source!)));
    for (const [key, data] of numbers) parameters.get(key)!.adopt(data);
  } catch (error) {
    model.unload();
    throw error;
  } finally {
    await weights.close();
  }
  warnOf(bn.ln_before, false, directory);
  return model;
}

/** The names in the file of each tensor of an adapter; a norm's numbers are there twice. A head's are not among them. */
function keysOf(
  host: HostModel,
  config: BottleneckConfig,
  name: string,
  keys: Iterable<string>,
): Map<string, readonly string[]> {
  const hasNorm = given(config).norm ?? STYLE_DEFAULTS[config.style].norm;
  const found = new Map<string, readonly string[]>();
  for (const key of keys) {
    const [, block, side = "ffn", part] =
      /^(.*)\.bottleneck\.(?:(attention|cross_attention|ffn)\.)?([^.]+(?:\.\w+)?)$/.exec(key) ?? [];
    if (block === undefined || part === undefined) continue;
    const [layer, kind] = part.split(".") as [string, string | undefined];
    const inFile: Readonly<Record<string, readonly string[]>> = {
      norm: [`adapter_down.0.${kind}`, `adapter_norm_before.${kind}`],
      down: [`adapter_down.${hasNorm ? 1 : 0}.${kind}`],
      up: [`adapter_up.${kind}`],
      scaling: ["scaling"],
    };
    const at = `${placeOf(host, host.names.to("hf4", block), side as ResidualSide)}.adapters.${name}`;
    found.set(
      key,
      inFile[layer]!.map((ending) => `${at}.${ending}`),
    );
  }
  return found;
}

/** @throws PeftError TARGET_UNSUPPORTED for a style that the library does not have on the host */
function hubStyleOf(style: ResidualStyle, host: HostModel): HubStyle {
  if (style in SWITCHES && (style !== "houlsby" || host instanceof ViTForImageClassification)) return style as HubStyle;
  // Where a host's norm follows the sum, the library's adapter reads the normalised sum, which no residual sum here has.
  throw unsupported(`an adapter of the style ${style} has no place in this layout on a ${host.constructor.name}`);
}

/** The module of the library that holds the adapters of a sum. @throws PeftError TARGET_UNSUPPORTED */
function placeOf(host: HostModel, block: string, side: ResidualSide): string {
  if (host instanceof TextHost && side === "attention") return `${block}.attention.output`;
  if (host instanceof TextHost && side === "ffn") return `${block}.output`;
  if (host instanceof ViTForImageClassification && side === "attention") return `${block}.attention_adapters`;
  if (host instanceof ViTForImageClassification && side === "ffn") return `${block}.output.output_adapters`;
  throw unsupported(`an adapter at ${side} of a ${host.constructor.name} has no place in this layout here`);
}

function given({
  activation,
  norm,
  scale,
}: BottleneckConfig): Partial<Pick<BottleneckConfig, "activation" | "norm" | "scale">> {
  return Object.fromEntries(Object.entries({ activation, norm, scale }).filter(([, value]) => value !== undefined));
}

function warnOf(hasNorm: boolean | undefined, hasHead: boolean, place: string): void {
  if (hasNorm) {
    env.warn({ code: "LAYOUT_PARTIAL", message: `${place}: the adapters' own norms add 1e-5 there and 1e-6 here` });
  }
  if (hasHead) env.warn({ code: "LAYOUT_PARTIAL", message: `${place}: the head is left out` });
}

function unsupported(message: string): PeftError {
  return new PeftError("TARGET_UNSUPPORTED", message, {
    place: "adapterhub",
    hint: "AdapterHub's layout here is for bottleneck adapters on BERT, RoBERTa and ViT",
  });
}
