// A baseline of the paper (`mosa.md` §4, "cls" and "cls-reinit"): the class token is trained, and the head.

import {
  type Attachment,
  type AttachOptions,
  attachCopies,
  type CommonFields,
  commonEntries,
  copyModulesToSave,
  fieldsFromJSON,
  type HostModel,
  normal,
  Parameter,
  PeftConfig,
  PeftError,
  setFields,
  TrainedCopies,
} from "@peft/core";
import * as v from "valibot";

/** Of a token that starts anew. */
const STD = 1e-6;

const Schema = v.strictObject({ reinit: v.optional(v.boolean(), false), ...commonEntries });

export interface ClsTokenFields extends CommonFields {
  /** Whether the token starts anew, N(0, 1e-12). @defaultValue false: as it is in the host */
  reinit: boolean;
}

export interface ClsTokenConfig extends Readonly<ClsTokenFields> {}

/** Trains the class token and the head. */
export class ClsTokenConfig extends PeftConfig<ClsTokenFields> {
  static readonly peftType = "CLS_TOKEN";
  readonly peftType = "CLS_TOKEN";

  /** @throws PeftError CONFIG_INVALID naming the field */
  constructor(fields: Partial<ClsTokenFields> = {}) {
    super();
    setFields(this, Schema, fields);
  }

  static fromJSON(json: unknown, place = "adapter_config.json"): ClsTokenConfig {
    return new ClsTokenConfig(fieldsFromJSON(json, { schema: Schema, place }));
  }

  override attach(host: HostModel, _adapterName: string, { seed = 0 }: AttachOptions = {}): Attachment {
    const names = [...host.parameters().keys()].filter((name) => name.endsWith(".cls_token"));
    if (names.length === 0) throw new PeftError("TARGET_UNSUPPORTED", "the model has no class token");
    const init = normal(STD, seed);
    const make = (original: Parameter): Parameter => {
      const { name, shape } = original;
      return this.reinit ? new Parameter(shape, (key) => init(shape, key), { name }) : original.clone();
    };
    return attachCopies(copyModulesToSave(host, this, seed), new TrainedCopies(host, names, make));
  }
}
