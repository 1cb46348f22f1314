// Where prompts and prefixes go in a host: it marks the places with `TokenPlace` children named `prompts`, and `prefix.keys`
// and `prefix.values`.

import { PeftError } from "../../errors.js";
import { type HostModel, Seq2SeqModel, TextHost, TokenPlace } from "../../models/index.js";
import { namedModules } from "../../nn/index.js";

function placesNamed(host: HostModel, ending: string): [path: string, place: TokenPlace][] {
  return [...namedModules(host)].flatMap(([path, module]) =>
    module instanceof TokenPlace && `.${path}`.endsWith(`.${ending}`) ? [[path, module] as const] : [],
  ) as [string, TokenPlace][];
}

/**
 * The place of prompts.
 *
 * @param kind those of words stand before the first; those of pictures and sounds behind a class token
 * @throws PeftError TARGET_UNSUPPORTED for a host without such a place, or with several
 */
export function promptPlace(host: HostModel, kind: "words" | "patches"): { path: string; place: TokenPlace } {
  const found = placesNamed(host, "prompts").filter(([, { leading }]) => leading > 0 === (kind === "patches"));
  const [first] = found;
  if (first && found.length === 1) return { path: first[0], place: first[1] };
  throw new PeftError("TARGET_UNSUPPORTED", `the model has ${found.length} places for prompts among ${kind}, not one`, {
    hint:
      kind === "words"
        ? "prompts of words are for BERT, RoBERTa and the encoders of T5 and BART; for pictures and sounds there are visual prompts"
        : "visual prompts are for vision transformers whose tokens stay apart: ViT, CLIP's vision encoder, AST",
  });
}

/**
 * The places of prefixes, in the order of the layers.
 *
 * @throws PeftError TARGET_UNSUPPORTED for a host without any, or with layers of several widths
 */
export function prefixPlacesOf(host: HostModel): { path: string; keys: TokenPlace; values: TokenPlace }[] {
  const values = new Map(placesNamed(host, "prefix.values"));
  const found = placesNamed(host, "prefix.keys").map(([path, keys]) => {
    const attention = path.slice(0, -".prefix.keys".length);
    return { path: attention, keys, values: values.get(`${attention}.prefix.values`)! };
  });
  const widths = new Set(found.map(({ keys }) => keys.width));
  if (widths.size === 1) return found;
  const problem = found.length === 0 ? "no attention that takes prefixes" : "attention of several widths";
  throw new PeftError("TARGET_UNSUPPORTED", `the model has ${problem}`, {
    hint: "attach the prefix to one encoder; hosts whose attention is over windows take none",
  });
}

const TEXT_TASKS = { SequenceClassification: "SEQ_CLS", TokenClassification: "TOKEN_CLS", MaskedLM: null } as const;

/** PEFT's name of a host's task, by which it chooses the class that puts prompts in. */
export function taskOf(host: HostModel): string | null {
  if (host instanceof Seq2SeqModel) return "SEQ_2_SEQ_LM";
  return host instanceof TextHost ? TEXT_TASKS[host.head.task] : null;
}
