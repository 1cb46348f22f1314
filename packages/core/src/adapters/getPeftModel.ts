// The way in: a host and a config make a model to be trained.

import type { HostModel } from "../models/index.js";
import { DEFAULT_ADAPTER } from "./adapterFiles.js";
import type { AttachOptions, PeftConfig } from "./config.js";
import { PeftModel } from "./peftModel.js";

export interface GetPeftModelOptions extends AttachOptions {
  /** @defaultValue "default" */
  readonly adapterName?: string;
}

/**
 * Attaches a method to a host, ready to be trained. The host is changed in place (`unload` gives it back as it was) and
 * no number of it is trained but those that the config says.
 *
 * @throws PeftError TARGET_NOT_FOUND, TARGET_UNSUPPORTED; ARGUMENT_INVALID, also for a model without a head; the host is
 *   then as it was
 */
export function getPeftModel(host: HostModel, config: PeftConfig, options: GetPeftModelOptions = {}): PeftModel {
  const { adapterName = DEFAULT_ADAPTER, ...attach } = options;
  const model = new PeftModel(host);
  model.addAdapter(adapterName, config, attach);
  model.setAdapter(adapterName);
  return model;
}
