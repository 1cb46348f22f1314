// Foreign layouts of adapters by name, each with how it is written and read.

import type { HostModel, Naming } from "../models/index.js";
import { DEFAULT_ADAPTER } from "./adapterFiles.js";
import { readAdapterHub, writeAdapterHub } from "./adapterHub.js";
import { PeftModel } from "./peftModel.js";

export interface Layout {
  /** Writes an adapter of a model into a folder: all of its files, or none. @param adapterName @defaultValue "default" */
  write(model: PeftModel, directory: string, adapterName?: string): Promise<void>;
  /** Loads such a folder onto a host. @throws PeftError as `PeftModel.fromPretrained`; the host is then as it was */
  read(host: HostModel, directory: string): Promise<PeftModel>;
}

const read = (host: HostModel, directory: string): Promise<PeftModel> => PeftModel.fromPretrained(host, directory);

/** As PEFT does, which has adapters that are not the default in folders of their names. */
const write =
  (naming: Naming): Layout["write"] =>
  (model, directory, adapterName = DEFAULT_ADAPTER) =>
    model.savePretrained(directory, { naming, selectedAdapters: [adapterName] });

/** PEFT's with the module names of transformers 5 or 4, and that of AdapterHub's library `adapters`. */
export const LAYOUTS: Readonly<Record<string, Layout>> = {
  "peft-hf5": { write: write("hf5"), read },
  "peft-hf4": { write: write("hf4"), read },
  adapterhub: {
    write: (model, directory, adapterName = DEFAULT_ADAPTER) => writeAdapterHub(model, adapterName, directory),
    read: readAdapterHub,
  },
};
