// What stands where: the layers that adapters are attached to, and the model as a whole, in the words of PEFT's
// `get_layer_status` and `get_model_status`.

import type { HostModel } from "../models/index.js";
import { namedModules } from "../nn/index.js";
import type { PeftConfig } from "./config.js";
import type { Attachment } from "./method.js";
import { unwrap } from "./wrap.js";

/** One layer of the host that some adapter is attached to. */
export interface LayerStatus {
  /** The module's path. */
  readonly name: string;
  /** The class of the host's module. */
  readonly moduleType: string;
  /** The adapters that are attached here, those of them that are at work, and those that are merged. */
  readonly availableAdapters: readonly string[];
  readonly activeAdapters: readonly string[];
  readonly mergedAdapters: readonly string[];
  /** Of each adapter, whether a training step changes it when it is active. */
  readonly trainable: Readonly<Record<string, boolean>>;
}

export interface ModelStatus {
  /** The class of the host. */
  readonly baseModelType: string;
  /** The method of each adapter, by PEFT's name. */
  readonly peftTypes: Readonly<Record<string, string>>;
  readonly trainableParams: number;
  readonly totalParams: number;
  readonly numAdapterLayers: number;
  /** Whether this is asked outside of `disableAdapter`. */
  readonly enabled: boolean;
  readonly availableAdapters: readonly string[];
  readonly activeAdapters: readonly string[];
  readonly mergedAdapters: readonly string[];
  readonly trainable: Readonly<Record<string, boolean>>;
}

/** An adapter as the status sees it. */
export interface AdapterState {
  readonly name: string;
  readonly config: PeftConfig;
  readonly attachment: Attachment;
  readonly isTrainable: boolean;
  readonly isActive: boolean;
  readonly isMerged: boolean;
}

/** In the order of the host. */
export function layerStatus(host: HostModel, adapters: readonly AdapterState[]): LayerStatus[] {
  const places = adapters.map((adapter) => ({ adapter, layers: new Set(layersOf(adapter.attachment)) }));
  return [...namedModules(host)].flatMap(([path, module]) => {
    const here = places.filter(({ layers }) => layers.has(path)).map(({ adapter }) => adapter);
    if (here.length === 0) return [];
    const names = (chosen: readonly AdapterState[]) => chosen.map(({ name }) => name);
    return [
      {
        name: path,
        moduleType: unwrap(module).constructor.name,
        availableAdapters: names(here),
        activeAdapters: names(here.filter(({ isActive }) => isActive)),
        mergedAdapters: names(here.filter(({ isMerged }) => isMerged)),
        trainable: Object.fromEntries(here.map(({ name, isTrainable }) => [name, isTrainable])),
      },
    ];
  });
}

export function modelStatus(
  host: HostModel,
  adapters: readonly AdapterState[],
  whole: Pick<ModelStatus, "trainableParams" | "totalParams" | "enabled">,
): ModelStatus {
  const names = (chosen: readonly AdapterState[]) => chosen.map(({ name }) => name);
  return {
    ...whole,
    baseModelType: host.constructor.name,
    peftTypes: Object.fromEntries(adapters.map(({ name, config }) => [name, config.peftType])),
    numAdapterLayers: layerStatus(host, adapters).length,
    availableAdapters: names(adapters),
    activeAdapters: names(adapters.filter(({ isActive }) => isActive)),
    mergedAdapters: names(adapters.filter(({ isMerged }) => isMerged)),
    trainable: Object.fromEntries(adapters.map(({ name, isTrainable }) => [name, isTrainable])),
  };
}

/** Layers that an adapter is attached to, and modules of which it holds a copy. */
function layersOf({ layers = [], replaces = new Map() }: Attachment): string[] {
  const copied = [...replaces.keys()].map((name) => name.slice(0, name.lastIndexOf(".")));
  return [...layers, ...copied];
}
