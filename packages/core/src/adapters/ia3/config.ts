// The configuration of (IA)3, field for field PEFT's `IA3Config`.

import * as v from "valibot";
import { PeftError } from "../../errors.js";
import type { HostModel } from "../../models/index.js";
import type { Combination, CombinationSource } from "../combination.js";
import {
  type AttachOptions,
  type CommonFields,
  commonEntries,
  fieldsFromJSON,
  PeftConfig,
  refuseTransposed,
  setFields,
  targetsEntry,
} from "../config.js";
import type { Attachment } from "../method.js";
import type { Targets } from "../targets.js";
import { attachIa3 } from "./attach.js";
import { combineIa3 } from "./combine.js";

export interface IA3Fields extends CommonFields {
  /** Which linear layers and convolutions are adapted. @defaultValue those of PEFT's table for the host, where it has some */
  targetModules?: Targets | null;
  /** Modules that are not, whatever `targetModules` says. */
  excludeModules?: Targets | null;
  /**
   * Those of them whose input is multiplied, and not the output: a pattern for whole paths, or a list of ends, which must
   * be in the list of targets. @defaultValue those of PEFT's table for the host, or none
   */
  feedforwardModules?: string | readonly string[] | null;
  /** Whether the vectors start at one, which changes nothing; else at random. @defaultValue true */
  initIa3Weights: boolean;
}

const Schema = v.strictObject({
  targetModules: v.nullish(targetsEntry),
  excludeModules: v.nullish(targetsEntry),
  feedforwardModules: v.nullish(v.union([v.string(), v.array(v.string())])),
  initIa3Weights: v.optional(v.boolean(), true),
  ...commonEntries,
});

export interface IA3Config extends Readonly<IA3Fields> {}

/** Infused adapters by inhibiting and amplifying inner activations (Liu et al. 2022): one vector a layer, y = l * (W x + b). */
export class IA3Config extends PeftConfig<IA3Fields> {
  static readonly peftType = "IA3";
  readonly peftType = "IA3";

  /** @throws PeftError CONFIG_INVALID naming the field */
  constructor(fields: Partial<IA3Fields> = {}) {
    super();
    setFields(this, Schema, fields);
    const { targetModules, feedforwardModules } = this;
    if (!Array.isArray(targetModules) || !Array.isArray(feedforwardModules)) return;
    const stranger = feedforwardModules.find((name) => !targetModules.includes(name));
    if (stranger === undefined) return;
    throw new PeftError(
      "CONFIG_INVALID",
      `IA3Config: feedforwardModules has "${stranger}", and targetModules has not`,
      {
        place: "feedforwardModules",
      },
    );
  }

  /** From `adapter_config.json`'s object. @throws PeftError CONFIG_INVALID */
  static fromJSON(json: unknown, place = "adapter_config.json"): IA3Config {
    refuseTransposed(json, place);
    const fields = fieldsFromJSON(json, { schema: Schema, unsupported: ["fan_in_fan_out"], place });
    return new IA3Config(fields as Partial<IA3Fields>);
  }

  override attach(host: HostModel, _adapterName: string, { seed = 0 }: AttachOptions = {}): Attachment {
    return attachIa3(host, this, seed);
  }

  override combine(
    host: HostModel,
    sources: readonly CombinationSource<PeftConfig>[],
  ): Promise<Combination<IA3Config>> {
    return combineIa3(host, sources as readonly CombinationSource<IA3Config>[]);
  }
}
