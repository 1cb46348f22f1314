// A baseline of the paper (`mosa.md` §3.1, §4): a head of several layers on the frozen host. Before the linear layer come k
// blocks of Linear(d, d), ReLU, batch norm and dropout.

import {
  type Attachment,
  type AttachOptions,
  adapterParameters,
  BatchNorm,
  type CommonFields,
  commonEntries,
  composeAttachment,
  copyModulesToSave,
  Dropout,
  fieldsFromJSON,
  type HostModel,
  Layer,
  Linear,
  normal,
  PeftConfig,
  PeftError,
  setFields,
  slots,
  unwrap,
  wrap,
} from "@peft/core";
import * as tf from "@tensorflow/tfjs";
import * as v from "valibot";

const DROPOUT = 0.1;
/** No head has more; a number in a file that is larger is no number of layers. */
const MOST_LAYERS = 16;

const Schema = v.strictObject({
  layers: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(MOST_LAYERS)), 1),
  ...commonEntries,
});

export interface MlpHeadFields extends CommonFields {
  /** k, how many blocks come before the linear layer. @defaultValue 1 */
  layers: number;
}

/** dropout(norm(relu(W x + b))): [batch, width] to the same. */
class HeadBlock extends Layer {
  /** weight [width, width], N(0, 2 / width); bias [width], 0 */
  readonly dense: Linear;
  readonly norm: BatchNorm;
  readonly dropout = new Dropout(DROPOUT);

  constructor(width: number, seed: number) {
    super();
    this.dense = new Linear(width, width, { init: normal(Math.sqrt(2 / width), seed) });
    this.norm = new BatchNorm(width);
  }

  override forward(x: tf.Tensor): tf.Tensor {
    return this.dropout.forward(this.norm.forward(tf.relu(this.dense.forward(x))));
  }
}

export interface MlpHeadConfig extends Readonly<MlpHeadFields> {}

/** Trains a head of several layers. */
export class MlpHeadConfig extends PeftConfig<MlpHeadFields> {
  static readonly peftType = "MLP_HEAD";
  readonly peftType = "MLP_HEAD";

  /** @throws PeftError CONFIG_INVALID naming the field */
  constructor(fields: Partial<MlpHeadFields> = {}) {
    super();
    setFields(this, Schema, fields);
  }

  /** From `adapter_config.json`'s object. @throws PeftError CONFIG_INVALID */
  static fromJSON(json: unknown, place = "adapter_config.json"): MlpHeadConfig {
    return new MlpHeadConfig(fieldsFromJSON(json, { schema: Schema, place }));
  }

  override attach(host: HostModel, _adapterName: string, { seed = 0 }: AttachOptions = {}): Attachment {
    const { headPath = "" } = host;
    const slot = slots(host).get(headPath);
    const last = slot && unwrap(slot.get() as Layer);
    if (!slot || !(last instanceof Linear)) {
      throw new PeftError("TARGET_UNSUPPORTED", "the model has no linear head for layers to come before");
    }
    const heads = copyModulesToSave(host, this, seed);
    const blocks = Array.from({ length: this.layers }, () => new HeadBlock(last.inFeatures, seed));
    const own = new Map(blocks.flatMap((block, i) => [...adapterParameters(block, `${headPath}_mlp.${i}`)]));
    const part = wrap(slot, (forward, x) => forward(blocks.reduce((h, block) => block.forward(h), x!)));
    const running = new Map(
      blocks.flatMap(({ norm }) => {
        const { running_mean, running_var, num_batches_tracked } = norm;
        return [running_mean, running_var, num_batches_tracked].map(
          (parameter) => [parameter.name, parameter] as const,
        );
      }),
    );
    return composeAttachment({
      parameters: new Map([...own, ...heads.parameters]),
      trainable: new Map([...[...own].filter(([key]) => !running.has(key)), ...heads.parameters]),
      // Training moves them, and a checkpoint is to hold them.
      hooks: { state: running },
      layers: [headPath],
      parts: [heads, part],
      copies: [heads],
      merge: "a head of several layers is not linear",
    });
  }
}
