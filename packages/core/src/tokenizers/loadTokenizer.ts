// Opening the tokenizer of a checkpoint's folder: its `tokenizer.json`, or the older files that say the same.

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { PeftError } from "../errors.js";
import { unreadable } from "../files/fileErrors.js";
import { readJson } from "../files/index.js";
import { findFolder } from "../models/folder.js";
import { loadPeer } from "../peer.js";
import { bytePairTokenizer, usualTokens } from "./bytePairFile.js";
import { type SpecialTokens, specialTokensOf } from "./specialTokens.js";
import { type HubTokenizer, Tokenizer } from "./tokenizer.js";
import { wordPieceTokenizer } from "./wordPieceFile.js";

/** transformers writes 1e30 where a tokenizer has no limit. */
const NO_LIMIT = 1e9;
const SENTENCE_PIECE = ["spiece.model", "sentencepiece.bpe.model", "tokenizer.model"];

type Fields = Readonly<Record<string, unknown>>;

/**
 * Loads the tokenizer of a model's folder: `tokenizer.json` with `tokenizer_config.json` beside it, or BERT's `vocab.txt`, or
 * the `vocab.json` and `merges.txt` of RoBERTa, BART and CLIP.
 *
 * @throws PeftError PEER_MISSING without the optional package @huggingface/tokenizers; HUB_ID, FILE_MISSING, also for a
 *   folder whose tokenizer is a SentencePiece model only; JSON_INVALID, CONFIG_INVALID
 */
export async function loadTokenizer(directory: string): Promise<Tokenizer> {
  const { Tokenizer: HubTokenizer } = await loadPeer<Peer>(
    "@huggingface/tokenizers",
    "texts are split by",
    () => import("@huggingface/tokenizers"),
  );
  const folder = await findFolder(directory);
  const files = new Set(await readdir(folder));
  const optional = async (name: string): Promise<Fields> =>
    files.has(name) ? ((await readJson(join(folder, name))) as Fields) : {};
  const config = await optional("tokenizer_config.json");
  const named = { ...specialTokensOf(await optional("special_tokens_map.json")), ...specialTokensOf(config) };
  const json = await tokenizerJson(folder, files, config, named);
  const special = { ...specialTokensIn(json), ...named };
  const limit = config.model_max_length;
  try {
    return new Tokenizer(new HubTokenizer(json, config), {
      special,
      modelMaxLength: typeof limit === "number" && limit < NO_LIMIT ? limit : undefined,
      hasTypes: hasTypes(json, config),
      place: folder,
    });
  } catch (cause) {
    throw new PeftError("CONFIG_INVALID", `the tokenizer cannot be used: ${(cause as Error).message}`, {
      place: join(folder, "tokenizer.json"),
      hint: "save it again with Python's AutoTokenizer",
      cause,
    });
  }
}

async function tokenizerJson(
  folder: string,
  files: ReadonlySet<string>,
  config: Fields,
  named: SpecialTokens,
): Promise<Fields> {
  if (files.has("tokenizer.json")) return (await readJson(join(folder, "tokenizer.json"))) as Fields;
  const text = (name: string) =>
    readFile(join(folder, name), "utf8").catch((cause) => {
      throw unreadable(join(folder, name), cause);
    });
  if (files.has("vocab.txt")) {
    return wordPieceTokenizer(await text("vocab.txt"), config, named, join(folder, "vocab.txt"));
  }
  if (files.has("vocab.json") && files.has("merges.txt")) {
    const place = join(folder, "vocab.json");
    const vocabulary = (await readJson(place)) as Readonly<Record<string, number>>;
    return bytePairTokenizer(vocabulary, await text("merges.txt"), config, named, place);
  }
  const model = SENTENCE_PIECE.find((name) => files.has(name));
  const command = `from transformers import AutoTokenizer; AutoTokenizer.from_pretrained("${folder}").save_pretrained("${folder}")`;
  throw new PeftError(
    "FILE_MISSING",
    model ? `the tokenizer is a SentencePiece model (${model}), which is not read` : "the folder has no tokenizer",
    { place: folder, hint: `have Python write a tokenizer.json: python -c '${command}'` },
  );
}

/** What older files that name no special tokens mean: those that their vocabulary has. */
function specialTokensIn(json: Fields): SpecialTokens {
  const { added_tokens: added } = json as {
    added_tokens?: readonly { readonly id: number; readonly content: string }[];
  };
  const known = new Map((added ?? []).map(({ id, content }) => [content, id]));
  if (known.has("[CLS]")) return { unk: "[UNK]", sep: "[SEP]", pad: "[PAD]", cls: "[CLS]", mask: "[MASK]" };
  const usual = usualTokens(known);
  if (usual) return usual;
  // T5's, which begin with nothing.
  return known.has("<pad>") && known.has("</s>") ? { eos: "</s>", unk: "<unk>", pad: "<pad>" } : {};
}

/** Whether the model is given `tokenTypeIds`: as the config says, or where the texts of a pair have different types. */
function hasTypes(json: Fields, { model_input_names: names }: Fields): boolean {
  if (Array.isArray(names)) return names.includes("token_type_ids");
  const { post_processor: processor } = json as {
    post_processor?: { type?: string; pair?: readonly unknown[] } | null;
  };
  return processor?.type === "BertProcessing" || /"type_id":1/.test(JSON.stringify(processor?.pair ?? []));
}

interface Peer {
  readonly Tokenizer: new (tokenizer: object, config: object) => HubTokenizer;
}
