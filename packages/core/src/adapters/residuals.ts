// The places of bottleneck adapters in a transformer block, whatever the adapter is made of: beside the feed-forward
// layers, behind them, or behind both residual sums (`mosa.md` §2.3). Hosts mark them with `Residual` children.

import * as tf from "@tensorflow/tfjs";
import { PeftError } from "../errors.js";
import type { HostModel } from "../models/index.js";
import { Branch, type Layer, Residual, type Slot, slots } from "../nn/index.js";
import { type Part, unwrap, wrap } from "./wrap.js";

/**
 * With a block's residual stream h (after attention), attention's output a and feed-forward output f:
 * `adaptformer` y = h + f + A(h) (Chen et al. 2022); `pfeiffer` y = h + f + A(f) (Pfeiffer et al. 2021);
 * `houlsby` h = (x + a) + A1(x + a), y = (h + f) + A2(h + f) (Houlsby et al. 2019);
 * `swin` y = h + dropPath(f + A(u)), u = LN2(h) what the feed-forward layers work on (MoSA's Swin; hosts with an `ffn_branch`).
 */
export type ResidualStyle = "adaptformer" | "pfeiffer" | "houlsby" | "swin";

/** The sums of a block, by what their branch is. */
export const RESIDUAL_SIDES = ["attention", "cross_attention", "ffn"] as const;
export type ResidualSide = (typeof RESIDUAL_SIDES)[number];

export const RESIDUAL_STYLES = ["adaptformer", "pfeiffer", "houlsby", "swin"] as const;

/** One place of an adapter. */
export interface ResidualPlace {
  /** The block's path, such as `vit.encoder.layer.0`. */
  readonly block: string;
  /** The path of the residual sum. */
  readonly path: string;
  /** Which adapter of a block it is; undefined where there is one, at the feed-forward layers. */
  readonly side?: ResidualSide;
  /** Size of the last axis. */
  readonly width: number;
}

/** The hosts' names of the sums. */
const SUMS: Readonly<Record<ResidualSide, string>> = {
  attention: "attention_residual",
  cross_attention: "cross_attention_residual",
  ffn: "ffn_residual",
};
/** The only branch with a place of its own. */
const BRANCHES: Readonly<Partial<Record<ResidualSide, string>>> = { ffn: "ffn_branch" };

/** The sums that have an adapter where nothing is said. */
export function usualSides(style: ResidualStyle): readonly ResidualSide[] {
  return style === "houlsby" ? ["attention", "ffn"] : ["ffn"];
}

export interface ResidualChoice {
  /** Which sums have an adapter. @defaultValue for houlsby those of attention and feed-forward layers, else the latter's */
  readonly sides?: readonly ResidualSide[];
  /** Numbers of blocks that have none. */
  readonly leaveOut?: readonly number[];
}

/**
 * Puts an adapter at every place that a style has. The adapter is everything of A: its norm and its scale are its own.
 *
 * @param make the adapter of a place, a layer over [batch, tokens, width]; called for all places before any is changed
 * @throws PeftError TARGET_UNSUPPORTED for a host without such places
 */
export function attachToResiduals<A extends Layer>(
  host: HostModel,
  style: ResidualStyle,
  make: (place: ResidualPlace) => A,
  { sides = usualSides(style), leaveOut = [] }: ResidualChoice = {},
): { place: ResidualPlace; adapter: A; part: Part }[] {
  const isNamed = sides.length > 1 || sides[0] !== "ffn";
  const [Kind, children] = style === "swin" ? [Branch, BRANCHES] : [Residual, SUMS];
  const found = [...slots(host).values()].flatMap((slot) => {
    const side = sides.find((name) => slot.path.endsWith(`.${children[name]}`));
    const module = side && unwrap(slot.get() as Layer);
    if (!side || !(module instanceof Kind)) return [];
    const block = slot.path.slice(0, slot.path.lastIndexOf("."));
    if (leaveOut.includes(Number(block.match(/\d+/)?.[0]))) return [];
    const place = { block, path: slot.path, side: isNamed ? side : undefined, width: module.width };
    return [{ slot, place, adapter: make(place) }];
  });
  if (found.length === 0) {
    const names = sides.map((side) => children[side] ?? side).join(", ");
    const what = style === "swin" ? "branches" : "residual sums";
    throw new PeftError("TARGET_UNSUPPORTED", `the model has no ${what} where a bottleneck adapter could go`, {
      hint: `its blocks need children of the type ${Kind.name} named ${names}`,
    });
  }
  return found.map(({ slot, place, adapter }) => ({ place, adapter, part: attachAt(slot, style, adapter) }));
}

function attachAt(slot: Slot, style: ResidualStyle, adapter: Layer): Part {
  return wrap(slot, (forward, skip, branch) => {
    const sum = forward(skip!, branch!);
    const input = style === "pfeiffer" ? branch! : style === "houlsby" ? sum : skip!;
    return tf.add(sum, adapter.forward(input));
  });
}
