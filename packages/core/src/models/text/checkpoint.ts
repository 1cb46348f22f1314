// BERT and RoBERTa on disk: Hugging Face's files, with or without the prefix of the bare model, with any head.

import type { OpenModel, Translate } from "../loading.js";
import type { TextModelType } from "./config.js";

/** The part of a model that makes its logits. */
export interface TextHead {
  /** The class's name in transformers, after the model's: `BertForMaskedLM` is of the task "MaskedLM". */
  readonly task: "MaskedLM" | "SequenceClassification" | "TokenClassification";
  /** The beginning of its parameters' names. */
  readonly prefix: string;
}

/** How heads begin in files: those of any task, which a model of another leaves out. */
const HEADS = /^(cls|lm_head|classifier|qa_outputs)\./;
/** A masked LM's last layer is the table of words, and its bias the head's: what older files hold of it is a copy. */
const TIED = /^(cls\.predictions|lm_head)\.decoder\.(weight|bias)$/;
/** What the classes that call their head `classifier` are for. */
const CLASSIFIERS = /For(SequenceClassification|TokenClassification|MultipleChoice)$/;

/** Whether the file has this head. Heads of several tasks look alike; then the config says which it is. */
export function hasHead({ weights, config }: OpenModel, { task, prefix }: TextHead): boolean {
  if (![...weights.tensors.keys()].some((name) => name.startsWith(prefix))) return false;
  const [architecture] = (config as { architectures?: unknown[] | null } | null)?.architectures ?? [];
  const other = CLASSIFIERS.exec(String(architecture))?.[1];
  return other === undefined || other === task || !prefix.startsWith("classifier");
}

export function hasPooler({ weights }: OpenModel, type: TextModelType): boolean {
  return weights.tensors.has("pooler.dense.weight") || weights.tensors.has(`${type}.pooler.dense.weight`);
}

/**
 * From a file's names to a model's.
 *
 * @param prefix of the bare model's names in this model: its type and a dot, or nothing
 * @param parts those that are wanted from the file: the beginning of a head's names, and whether the pooler is
 */
export function textNames(type: TextModelType, prefix: string, parts: { head?: string; pooler: boolean }): Translate {
  return (fileName) => {
    const name = fileName.replace(/(layer_?norm)\.gamma$/i, "$1.weight").replace(/(layer_?norm)\.beta$/i, "$1.bias");
    if (TIED.test(name)) return [];
    if (HEADS.test(name)) return parts.head && name.startsWith(parts.head) ? [name] : [];
    const bare = name.replace(new RegExp(`^${type}\\.`), "");
    if (bare.startsWith("pooler.") && !parts.pooler) return [];
    return [prefix + bare];
  };
}
