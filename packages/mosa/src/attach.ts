// How MoSA is attached: which adapters stand where, which of their tensors are trained, and what merging into the host is.

import {
  type Attachment,
  adapterParameters,
  attachToResiduals,
  composeAttachment,
  copyModulesToSave,
  type HostModel,
  type Merges,
  mergeAll,
  type Parameter,
  type Part,
  unmergeAll,
} from "@peft/core";
import { MosaAdapter } from "./adapter.js";
import type { MosaConfig } from "./config.js";
import type { Experts } from "./experts.js";
import { mosaHooks } from "./hooks.js";
import { attachLoras } from "./lora.js";

/** The adapters of a model, of either kind. */
interface Placed {
  readonly parameters: readonly (readonly [string, Parameter])[];
  readonly experts: readonly Experts[];
  readonly parts: readonly Part[];
  readonly layers: readonly string[];
  readonly blocks: number;
  readonly merges?: Merges;
}

const NOT_LINEAR =
  "its adapters are not linear, so no weight of the host can hold them; mergeExperts makes one plain adapter of its experts";

export function attachMosa(host: HostModel, config: MosaConfig, seed: number): Attachment {
  const heads = copyModulesToSave(host, config, seed);
  const { parameters, experts, parts, layers, blocks, merges } =
    config.style === "lora" ? placeLoras(host, config, seed) : placeAdapters(host, config, seed);
  const fixed = new Set(experts.flatMap((side) => side.fixed));
  const hooks = mosaHooks(experts, config, blocks);
  return composeAttachment({
    parameters: new Map([...parameters, ...heads.parameters]),
    trainable: new Map([...parameters.filter(([, parameter]) => !fixed.has(parameter)), ...heads.parameters]),
    bytes: new Map(experts.flatMap((side) => side.owners.map(({ name }) => [name, side.count]))),
    hooks,
    own: [...hooks.state!.values()],
    layers,
    parts: [heads, ...parts],
    copies: [heads],
    merge: merges ? () => mergeAll(merges) : NOT_LINEAR,
    ...(merges && { unmerge: () => unmergeAll(merges) }),
  });
}

function placeAdapters(host: HostModel, config: MosaConfig, seed: number): Placed {
  const options = { ...config.adapterOptions(), ...config.sideOptions(seed) };
  const style = config.residualStyle;
  const placed = attachToResiduals(host, style, ({ width }) => new MosaAdapter(width, options));
  return {
    parameters: placed.flatMap(({ place: { block, side }, adapter }) => [
      ...adapterParameters(adapter, [block, "mosa", side].filter(Boolean).join(".")),
    ]),
    experts: placed.flatMap(({ adapter }) => adapter.experts),
    parts: placed.map(({ part }) => part),
    layers: placed.map(({ place }) => place.path),
    blocks: new Set(placed.map(({ place }) => place.block)).size,
  };
}

function placeLoras(host: HostModel, config: MosaConfig, seed: number): Placed {
  const { bottleneck, scale, dropout } = config.adapterOptions();
  const placed = attachLoras(host, config.mode!, { bottleneck, scale, dropout, ...config.sideOptions(seed) });
  return {
    parameters: placed.flatMap(({ parameters }) => [...parameters]),
    experts: placed.flatMap(({ adapter }) => adapter.experts),
    parts: placed.flatMap(({ parts }) => parts),
    layers: placed.map(({ path }) => path),
    blocks: placed.length / config.mode!.length,
    merges: placed.map(({ merge }) => merge),
  };
}
