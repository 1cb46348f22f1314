// A baseline of the paper (`mosa.md` §4, "side"; Zhang et al. 2020, "Side-Tuning"): a network beside the frozen host looks at
// the same picture, and the head sees a mixture of both features. The network is AlexNet's convolutions (alexNet.ts).

import {
  type Attachment,
  type AttachOptions,
  adapterParameters,
  type CommonFields,
  Conv2d,
  commonEntries,
  composeAttachment,
  copyModulesToSave,
  fieldsFromJSON,
  type HostModel,
  kaimingUniform,
  Layer,
  Linear,
  Parameter,
  PeftConfig,
  PeftError,
  type Slot,
  setFields,
  slots,
  unwrap,
  wrap,
} from "@peft/core";
import * as tf from "@tensorflow/tfjs";
import * as v from "valibot";
import { ALEXNET_WIDTH, type AlexNet, alexNet, alexNetFeatures } from "./alexNet.js";

/** Where the network's tensors stand in the file. */
export const SIDE_PATH = "side_network";

const Schema = v.strictObject({ ...commonEntries });

/** g x + (1 - g) P side(pixels), with g = sigmoid(alpha): [batch, width] to the same. */
class SideNetwork extends Layer {
  /** [1], at first 0: half of each */
  readonly alpha: Parameter = Parameter.zeros([1]);
  readonly features: AlexNet;
  /** P, [width, 9216], Kaiming-uniform */
  readonly projection: Linear;
  #pixels: tf.Tensor | undefined;

  constructor(width: number, seed: number) {
    super();
    this.features = alexNet(seed);
    this.projection = new Linear(ALEXNET_WIDTH, width, { bias: false, init: kaimingUniform(seed) });
  }

  /** Tells which pictures the next features are of: [batch, 3, height, width]. */
  see(pixels: tf.Tensor): void {
    this.#pixels = pixels;
  }

  override forward(x: tf.Tensor): tf.Tensor {
    const side = this.projection.forward(alexNetFeatures(this.features, this.#pixels!));
    const gate = tf.sigmoid(this.alpha.value());
    return tf.add(tf.mul(x, gate), tf.mul(side, tf.sub(1, gate)));
  }
}

export interface SideNetworkConfig extends Readonly<CommonFields> {}

/**
 * Trains a network beside the host, how much of each the head sees, and the head. The network starts at random; `loadAlexNet`
 * gives it trained weights, as the original has them. The original runs the frozen host without dropout here: load it so.
 */
export class SideNetworkConfig extends PeftConfig<CommonFields> {
  static readonly peftType = "SIDE_NETWORK";
  readonly peftType = "SIDE_NETWORK";

  /** @throws PeftError CONFIG_INVALID naming the field */
  constructor(fields: Partial<CommonFields> = {}) {
    super();
    setFields(this, Schema, fields);
  }

  /** From `adapter_config.json`'s object. @throws PeftError CONFIG_INVALID */
  static fromJSON(json: unknown, place = "adapter_config.json"): SideNetworkConfig {
    return new SideNetworkConfig(fieldsFromJSON(json, { schema: Schema, place }));
  }

  override attach(host: HostModel, _adapterName: string, { seed = 0 }: AttachOptions = {}): Attachment {
    const [pictures, head, width] = placesOf(host);
    const heads = copyModulesToSave(host, this, seed);
    const side = new SideNetwork(width, seed);
    const own = adapterParameters(side, SIDE_PATH);
    const seeing = wrap(pictures, (forward, pixels, ...rest) => {
      side.see(pixels!);
      return forward(pixels!, ...rest);
    });
    const mixing = wrap(head, (forward, x) => forward(side.forward(x!)));
    return composeAttachment({
      parameters: new Map([...own, ...heads.parameters]),
      layers: [head.path],
      parts: [heads, seeing, mixing],
      copies: [heads],
      merge: "the network is beside the host, not in it",
    });
  }
}

/** Where pictures go in, where features come out, and how wide these are. */
function placesOf(host: HostModel): [pictures: Slot, head: Slot, width: number] {
  const places = slots(host);
  const pictures = [...places.values()].find(({ path }) => /^\w+\.embeddings$/.test(path));
  const patches = pictures && places.get(`${pictures.path}.patch_embeddings.projection`);
  const projection = patches && unwrap(patches.get() as Layer);
  const head = places.get(host.headPath ?? "");
  const last = head && unwrap(head.get() as Layer);
  if (pictures && projection instanceof Conv2d && projection.inChannels === 3 && head && last instanceof Linear) {
    return [pictures, head, last.inFeatures];
  }
  throw new PeftError("TARGET_UNSUPPORTED", "the model is no classifier of pictures in colour with a linear head", {
    hint: "a side network is for ViT and Swin",
  });
}
