// Foreign layouts of adapters by name, each with how it is written and read.

import type { HostModel } from "../models/index.js";
import { readAdapterHub, writeAdapterHub } from "./adapterHub.js";
import { DEFAULT_ADAPTER, PeftModel } from "./peftModel.js";

export interface Layout {
  /** Writes a model's default adapter into a folder: all of its files, or none. */
  write(model: PeftModel, directory: string): Promise<void>;
  /** Loads such a folder onto a host. @throws PeftError as `PeftModel.fromPretrained`; the host is then as it was */
  read(host: HostModel, directory: string): Promise<PeftModel>;
}

const read = (host: HostModel, directory: string): Promise<PeftModel> => PeftModel.fromPretrained(host, directory);

/** PEFT's with the module names of transformers 5 or 4, and that of AdapterHub's library `adapters`. */
export const LAYOUTS: Readonly<Record<string, Layout>> = {
  "peft-hf5": { write: (model, directory) => model.savePretrained(directory, { naming: "hf5" }), read },
  "peft-hf4": { write: (model, directory) => model.savePretrained(directory, { naming: "hf4" }), read },
  adapterhub: { write: (model, directory) => writeAdapterHub(model, DEFAULT_ADAPTER, directory), read: readAdapterHub },
};
