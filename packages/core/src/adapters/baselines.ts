// Fine-tuning without an adapter, in the same form as the methods that have one: the head alone, all biases (Ben Zaken et
// al. 2022), and everything.

import * as v from "valibot";
import type { Parameter } from "../engine/index.js";
import type { HostModel } from "../models/index.js";
import { attachCopies } from "./attachment.js";
import {
  type AttachOptions,
  type CommonFields,
  commonEntries,
  fieldsFromJSON,
  PeftConfig,
  setFields,
  targetsEntry,
} from "./config.js";
import type { Attachment } from "./method.js";
import { resolvedNames } from "./resolved.js";
import { savedModules, savedParameters } from "./savedModules.js";
import { findTargets, type Targets } from "./targets.js";
import { copyModulesToSave, startingFrom, TrainedCopies } from "./trainedCopies.js";

const Schema = v.strictObject(commonEntries);
const FullSchema = v.strictObject({
  inPlace: v.optional(v.boolean(), false),
  targetModules: v.optional(targetsEntry),
  ...commonEntries,
});

export interface LinearProbeConfig extends Readonly<CommonFields> {}

/** Trains the head alone. */
export class LinearProbeConfig extends PeftConfig<CommonFields> {
  static readonly peftType = "LINEAR_PROBE";
  readonly peftType = "LINEAR_PROBE";

  /** @throws PeftError CONFIG_INVALID naming the field */
  constructor(fields: Partial<CommonFields> = {}) {
    super();
    setFields(this, Schema, fields);
  }

  static fromJSON(json: unknown, place = "adapter_config.json"): LinearProbeConfig {
    return new LinearProbeConfig(fieldsFromJSON(json, { schema: Schema, place }));
  }

  override attach(host: HostModel, _adapterName: string, { seed = 0 }: AttachOptions = {}): Attachment {
    return attachCopies(copyModulesToSave(host, this, seed));
  }
}

export interface BitFitConfig extends Readonly<CommonFields> {}

/** Trains every bias, and the head. */
export class BitFitConfig extends PeftConfig<CommonFields> {
  static readonly peftType = "BITFIT";
  readonly peftType = "BITFIT";

  /** @throws PeftError CONFIG_INVALID naming the field */
  constructor(fields: Partial<CommonFields> = {}) {
    super();
    setFields(this, Schema, fields);
  }

  static fromJSON(json: unknown, place = "adapter_config.json"): BitFitConfig {
    return new BitFitConfig(fieldsFromJSON(json, { schema: Schema, place }));
  }

  override attach(host: HostModel, _adapterName: string, { seed = 0 }: AttachOptions = {}): Attachment {
    const saved = savedParameters(host, savedModules(host, this.modulesToSave));
    const names = [...host.parameters().keys()].filter((name) => name.endsWith(".bias") && !saved.has(name));
    return attachCopies(copyModulesToSave(host, this, seed), new TrainedCopies(host, names));
  }
}

export interface FullFields extends CommonFields {
  /**
   * Trains the host's own numbers instead of a copy: half the memory of the weights, but neither taking the adapter off
   * nor `disableAdapter` brings the old ones back. @defaultValue false
   */
  inPlace: boolean;
  /**
   * Trains only these modules, with all that is below them, by PEFT's rules for targets, and the head.
   *
   * @defaultValue everything
   */
  targetModules?: Targets;
}

export interface FullConfig extends Readonly<FullFields> {}

/** Trains everything, or some modules as they are. The file holds every tensor that is trained. */
export class FullConfig extends PeftConfig<FullFields> {
  static readonly peftType = "FULL";
  readonly peftType = "FULL";

  /** @throws PeftError CONFIG_INVALID naming the field */
  constructor(fields: Partial<FullFields> = {}) {
    super();
    // Where everything is trained no module is to be told from the others.
    setFields(this, FullSchema, fields.targetModules === undefined ? { modulesToSave: null, ...fields } : fields);
  }

  static fromJSON(json: unknown, place = "adapter_config.json"): FullConfig {
    return new FullConfig(fieldsFromJSON(json, { schema: FullSchema, place }));
  }

  override attach(host: HostModel, _adapterName: string, { seed = 0 }: AttachOptions = {}): Attachment {
    const otherwise = this.inPlace ? (parameter: Parameter) => parameter : undefined;
    const make = startingFrom(host, this.headInit, seed, otherwise);
    if (this.targetModules === undefined) return attachCopies(new TrainedCopies(host, host.parameters().keys(), make));
    const modulesToSave = savedModules(host, this.modulesToSave);
    const targets = findTargets(host, { targetModules: this.targetModules, modulesToSave });
    const names = [...host.parameters().keys()].filter((name) => targets.some((path) => name.startsWith(`${path}.`)));
    const saved = savedParameters(host, modulesToSave);
    const inside = names.filter((name) => !saved.has(name));
    return {
      ...attachCopies(copyModulesToSave(host, this, seed, otherwise), new TrainedCopies(host, inside, make)),
      describe: (naming) => ({ ...this.toJSON(), target_modules: resolvedNames(host, targets, naming) }),
    };
  }
}
