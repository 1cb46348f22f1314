// Merged adapters of a ViT in the layout of the Python library `adapters` (AdapterHub), and back (`mosa.md` §7). That library
// has no Swin; a head has files of its own there and is not part of these.

import { join } from "node:path";
import {
  type ActivationName,
  BottleneckConfig,
  env,
  type HostModel,
  type HostTensor,
  makeFolder,
  PeftError,
  type PeftModel,
  readJson,
  readSafetensors,
  toFloat32,
  writeJson,
  writeSafetensors,
} from "@peft/core";
import * as v from "valibot";

const CONFIG_FILE = "adapter_config.json";
const WEIGHTS_FILE = "adapter.safetensors";

/** The styles that it can hold, with what tells them apart there. */
const LAYOUTS = {
  adaptformer: { is_parallel: true, original_ln_before: false, residual_before_ln: true, mh_adapter: false },
  pfeiffer: { is_parallel: false, original_ln_before: false, residual_before_ln: true, mh_adapter: false },
  houlsby: { is_parallel: false, original_ln_before: true, residual_before_ln: true, mh_adapter: true },
} as const;

type HubStyle = keyof typeof LAYOUTS;

const HubConfig = v.object({
  name: v.string(),
  hidden_size: v.pipe(v.number(), v.integer(), v.minValue(1)),
  config: v.object({
    mh_adapter: v.boolean(),
    is_parallel: v.boolean(),
    ln_before: v.boolean(),
    non_linearity: v.string(),
    reduction_factor: v.pipe(v.number(), v.gtValue(0)),
    scaling: v.number(),
    dropout: v.optional(v.number(), 0),
  }),
});

export interface AdapterHubOptions {
  /** The adapter in the model, made by `mergeExperts`. @defaultValue "merged" */
  readonly adapterName?: string;
}

/**
 * Writes `adapter_config.json` and `adapter.safetensors` as the library `adapters` has them. The norm inside an adapter has
 * another epsilon there, 1e-5 to 1e-6 here, which is warned of (EXPORT_APPROXIMATE): outputs differ by as much.
 *
 * @throws PeftError ADAPTER_UNKNOWN; ARGUMENT_INVALID for an adapter that is not a plain one of a ViT
 */
export async function saveAdapterHub(
  model: PeftModel,
  directory: string,
  { adapterName = "merged" }: AdapterHubOptions = {},
): Promise<void> {
  const parameters = model.adapterParameters(adapterName);
  const { json, style } = describe(model, adapterName);
  const tensors = new Map<string, HostTensor>();
  for (const [key, parameter] of parameters) {
    for (const name of hubNames(key, adapterName, style)) {
      const data = (await parameter.read()) as Float32Array;
      tensors.set(name, { dtype: "float32", shape: parameter.shape, data });
    }
  }
  if (style !== "houlsby") {
    const message = "the library adapters normalises with an epsilon of 1e-5 where this one has 1e-6";
    env.warn({ code: "EXPORT_APPROXIMATE", message });
  }
  await makeFolder(directory);
  // The config last: without it the folder is no adapter.
  await writeSafetensors(join(directory, WEIGHTS_FILE), tensors, { format: "pt" });
  await writeJson(join(directory, CONFIG_FILE), json, { sortKeys: true });
}

/**
 * Reads such a folder as a plain adapter; not active until `setAdapter`.
 *
 * @throws PeftError CONFIG_INVALID, KEY_MISMATCH with `{ missing, unexpected, misshapen }`, ADAPTER_EXISTS, and what reading
 *   files throws; the model is then as it was
 */
export async function loadAdapterHub(
  model: PeftModel,
  directory: string,
  { adapterName = "merged" }: AdapterHubOptions = {},
): Promise<void> {
  const place = join(directory, CONFIG_FILE);
  const parsed = v.safeParse(HubConfig, await readJson(place));
  if (!parsed.success) {
    const [issue] = parsed.issues;
    throw new PeftError("CONFIG_INVALID", `${v.getDotPath(issue) ?? "it"}: ${issue.message}`, { place });
  }
  const { name, hidden_size: width, config } = parsed.output;
  const tensors = await readSafetensors(join(directory, WEIGHTS_FILE));
  const style: HubStyle = config.mh_adapter ? "houlsby" : config.is_parallel ? "adaptformer" : "pfeiffer";
  const plain = new BottleneckConfig({
    style,
    norm: config.ln_before,
    bottleneck: Math.max(1, Math.floor(width / config.reduction_factor)),
    activation: config.non_linearity as ActivationName,
    scale: config.scaling,
    dropout: config.dropout,
    modulesToSave: null,
  });
  model.addAdapter(adapterName, plain);
  try {
    const numbers = matched(model, adapterName, { tensors, name, style, place });
    for (const [key, data] of numbers) model.adapterParameters(adapterName).get(key)!.adopt(data);
  } catch (error) {
    model.deleteAdapter(adapterName);
    throw error;
  }
}

interface Found {
  readonly tensors: ReadonlyMap<string, HostTensor>;
  readonly name: string;
  readonly style: HubStyle;
  readonly place: string;
}

/** The numbers of every parameter, none missing and none left over. */
function matched(model: PeftModel, adapterName: string, { tensors, name, style, place }: Found) {
  const numbers = new Map<string, Float32Array>();
  const [missing, misshapen, used] = [[] as string[], [] as string[], new Set<string>()];
  for (const [key, { shape }] of model.adapterParameters(adapterName)) {
    for (const hub of hubNames(key, name, style)) {
      const tensor = tensors.get(hub);
      used.add(hub);
      if (!tensor) missing.push(hub);
      else if (String(tensor.shape) !== String(shape)) misshapen.push(hub);
      else numbers.set(key, toFloat32(tensor));
    }
  }
  const unexpected = [...tensors.keys()].filter((hub) => !used.has(hub));
  if (missing.length + misshapen.length + unexpected.length === 0) return numbers;
  throw new PeftError("KEY_MISMATCH", "the file's tensors are not those that its config says", {
    place,
    details: { missing, unexpected, misshapen },
  });
}

function describe(model: PeftModel, adapterName: string): { json: object; style: HubStyle } {
  const config = model.peftConfig.get(adapterName)!;
  const { style } = config as BottleneckConfig;
  const host: HostModel = model.getBaseModel();
  const { model_type: type, architectures } = host.configJSON() as { model_type?: string; architectures?: string[] };
  if (config.peftType !== BottleneckConfig.peftType || !(style in LAYOUTS) || type !== "vit") {
    const message = `the library adapters has plain adapters of a ViT, and this is ${config.peftType} of ${type}, ${style}`;
    throw new PeftError("ARGUMENT_INVALID", message, { place: adapterName, hint: "merge experts with mergeExperts" });
  }
  const { scale, activation } = config as BottleneckConfig;
  if (typeof scale !== "number") {
    throw new PeftError("ARGUMENT_INVALID", "a learnt scale has no place there", { place: adapterName });
  }
  const [up] = [...model.adapterParameters(adapterName)].filter(([key]) => key.endsWith(".up.weight"));
  const [width, r] = up![1].shape as [number, number];
  const hubStyle = style as HubStyle;
  const json = {
    name: adapterName,
    model_type: type,
    model_class: architectures?.[0] ?? null,
    model_name: host.nameOrPath ?? null,
    hidden_size: width,
    config: {
      ...LAYOUTS[hubStyle],
      output_adapter: true,
      reduction_factor: width / r,
      non_linearity: activation,
      ln_before: hubStyle !== "houlsby",
      ln_after: false,
      original_ln_after: true,
      scaling: scale,
      init_weights: "mam_adapter",
      dropout: 0,
    },
  };
  return { json, style: hubStyle };
}

/** The names there of a tensor of a plain adapter; of a norm two; none of what is no part of it, such as a head. */
function hubNames(key: string, name: string, style: HubStyle): string[] {
  const found = /^(.*)\.bottleneck\.(?:(attention|ffn)\.)?(norm|down|up)\.(weight|bias)$/.exec(key);
  if (!found) return [];
  const [, block, side, part, kind] = found;
  const group = side === "attention" ? "attention_adapters" : "output.output_adapters";
  const path = `${block}.${group}.adapters.${name}`;
  if (part === "up") return [`${path}.adapter_up.${kind}`];
  if (part === "norm") return [`${path}.adapter_down.0.${kind}`, `${path}.adapter_norm_before.${kind}`];
  return [`${path}.adapter_down.${style === "houlsby" ? 0 : 1}.${kind}`];
}
