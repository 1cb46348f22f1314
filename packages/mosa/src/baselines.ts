// What the paper compares MoSA with (`mosa.md` §4), as configs: methods of the core with the paper's settings, and controls
// that are MoSA with something left out.

import {
  BitFitConfig,
  BottleneckConfig,
  FullConfig,
  type HostModel,
  LinearProbeConfig,
  LoraConfig,
  type PeftConfig,
  PeftError,
  type ResidualStyle,
} from "@peft/core";
import { ClsTokenConfig } from "./clsToken.js";
import { MosaConfig, type MosaFields } from "./config.js";
import { MlpHeadConfig } from "./mlpHead.js";
import { SideNetworkConfig } from "./sideNetwork.js";
import { SparseAdapterConfig } from "./sparseAdapter.js";

/** Of every baseline: a head that starts as MoSA's. */
const common = { headInit: "kaiming" } as const;

export const fullFineTuning = (): PeftConfig => new FullConfig({ ...common, modulesToSave: null });
export const linearProbe = (): PeftConfig => new LinearProbeConfig(common);
/** A head of several layers. @param layers before the linear one, @defaultValue 1 */
export const mlpHead = (layers = 1): PeftConfig => new MlpHeadConfig({ ...common, layers });
/** Every bias, and the head: the paper's "tinytl-bias". */
export const biasTuning = (): PeftConfig => new BitFitConfig(common);
export const clsToken = ({ reinit = false }: { reinit?: boolean } = {}): PeftConfig =>
  new ClsTokenConfig({ ...common, reinit });
/** A network beside the host: the paper's "side". Its weights are random before `loadAlexNet`. */
export const sideNetwork = (): PeftConfig => new SideNetworkConfig(common);

/**
 * The last blocks and the final norm, beside the head: "partial-1", "partial-2", "partial-4".
 *
 * @throws PeftError ARGUMENT_INVALID for more blocks than the host has
 */
export function partialFineTuning(host: HostModel, blocks: number): PeftConfig {
  const names = [...host.parameters().keys()];
  const paths = [...new Set(names.flatMap((name) => /^.*\.(?:layer|blocks)\.\d+(?=\.)/.exec(name)?.[0] ?? []))];
  const norm = names.find((name) => /^\w+\.layernorm\.weight$/.test(name))?.replace(/\.weight$/, "");
  if (norm === undefined || blocks < 1 || blocks > paths.length) {
    const message = `the host has ${paths.length} blocks, of which ${blocks} cannot be the last`;
    throw new PeftError("ARGUMENT_INVALID", message, { place: "blocks" });
  }
  return new FullConfig({ ...common, targetModules: [...paths.slice(-blocks), norm] });
}

export interface PlainAdapterOptions {
  /** @defaultValue "adaptformer" */
  readonly style?: ResidualStyle;
  /** r. @defaultValue 64 */
  readonly bottleneck?: number;
  /**
   * On Swin the original's baseline is not given its scale and its dropout, and runs with 1 and 0. @defaultValue false:
   * 0.1 and 0.1, as MoSA on Swin
   */
  readonly legacySwinBaseline?: boolean;
}

/** AdaptFormer, or a plain adapter in another style. */
export function plainAdapter(options: PlainAdapterOptions = {}): PeftConfig {
  const { style = "adaptformer", bottleneck = 64, legacySwinBaseline = false } = options;
  const legacy = legacySwinBaseline && style === "swin" ? { scale: 1, dropout: 0 } : {};
  return new BottleneckConfig({ ...common, style, bottleneck, ...legacy });
}

/** LoRA of attention's query and value, scaled by 1. @param r @defaultValue 16 */
export const plainLora = (r = 16): PeftConfig =>
  new LoraConfig({ ...common, r, loraAlpha: r, targetModules: ["query", "value"] });

/** One sparse module without a mixture. */
export const singleSparseAdapter = (fields: { bottleneck?: number; numExperts?: number } = {}): PeftConfig =>
  new SparseAdapterConfig({ ...common, ...fields });

/** N experts without masks. */
export const denseMixture = (fields: Partial<MosaFields> = {}): PeftConfig =>
  new MosaConfig({ ...common, ...fields, sparse: false });
