"""fixtures/tokenizers: small tokenizers learnt from the text below, in the files that checkpoints have, and what they make of texts.

A folder holds the files; `<folder>.json` beside it the texts, and the ids that Python's tokenizers give them.
"""

import json
import shutil
from collections import Counter

from tokenizers import AddedToken, normalizers, pre_tokenizers
from transformers import BertTokenizer, CLIPTokenizer, RobertaTokenizer

from common import FIXTURES, write_json

FOLDER = FIXTURES / "tokenizers"
CORPUS = [
    "The small adapters learn quickly, and the large model stays as it was; nothing is forgotten.",
    "Unbelievably, the unhappy workers rewrote the internationalisation of 3,141 documents in 1999.",
    "Die Bären aßen früh am Morgen süße Äpfel über der Straße, naïve Gäste tranken Café crème.",
    "Le garçon a mangé des crêpes à l'œuf près de l'hôtel où il pleuvait déjà.",
    "Маленькие модели быстро учатся, а большие остаются прежними.",
    "Μικρά μοντέλα μαθαίνουν γρήγορα.",
    "小さなモデルはすぐに学ぶ。大きな模型保持不变。我们喜欢学习语言模型。",
    "작은 모델은 빨리 배웁니다.",
    "النماذج الصغيرة تتعلم بسرعة.",
    "हम भाषा के नमूने सीखते हैं।",
    "I'm sure they'll say we've done it, don't you? He'd agree; it's what she's read.",
    "print(f'{x:>10}') # => 42, 3.14e-10, a_b-c/d\\e @user #tag https://example.org/?q=1&r=2",
]
TEXTS = [
    "The small model learns.",
    "THE UNHAPPY WORKERS",
    "Café crème, naïve Äpfel; Straße",
    "Cafe\u0301 with a combining accent",
    "Маленькие модели, Μικρά μοντέλα",
    "小さなモデルと大きな模型",
    "작은 모델은 배웁니다",
    "النماذج الصغيرة हम भाषा",
    "I'm sure they'll say don't — it's 3,141!",
    "I'M SURE THEY'LL",
    "print(f'{x:>10}') # => 3.14e-10",
    "tabs\tand\nlines\r\nand  two   spaces",
    "no-break\u00a0space, thin\u2009space, ideographic\u3000space",
    "  leading and trailing  ",
    "zero\u200bwidth, soft\u00adhyphen, bell\u0007, nul\u0000, unknown \ufffd",
    "emoji 🙂 and 👩‍👩‍👧 flags 🇩🇪",
    "x" * 120 + " after a long word",
    "internationalisation" * 4,
    "½ ² ﬁ Ǆ İ ſ K",
    "",
    " ",
]
PAIRS = [
    ["The small model learns.", "Nothing is forgotten."],
    ["小さなモデル", "Die Bären aßen früh am Morgen süße Äpfel"],
    ["a", "The large model stays as it was; nothing is forgotten by the small adapters."],
    ["The large model stays as it was; nothing is forgotten by the small adapters.", "a"],
    ["The large model stays as it was", "nothing is forgotten by the small adapters"],
]
# Of two texts that are both longer, Python's tokenizers give an odd token to the one whose word passed the length further,
# which is a matter of how they stop early; such cases are left out.
ROOMS = [2, 8, 11]


def measure(case: str, tokenizer, special_texts: list, made: str) -> None:
    """What a tokenizer makes of the texts, of pairs, cut to lengths."""

    def encode(*texts, **options) -> dict:
        result = tokenizer(*texts, **options)
        return {key: value for key, value in result.items() if key in ("input_ids", "token_type_ids")}

    singles = TEXTS + special_texts
    lengths = [room + tokenizer.num_special_tokens_to_add(pair=True) for room in ROOMS]
    info = {
        "made": made,
        "types": "token_type_ids" in tokenizer("a"),
        "singles": [{"text": text, **encode(text)} for text in singles],
        "pairs": [{"texts": pair, **encode(*pair)} for pair in PAIRS],
        "cut": [
            {"texts": texts, "maxLength": length, **encode(*texts, truncation=True, max_length=length)}
            for texts in [[TEXTS[0]], *PAIRS]
            for length in lengths
        ],
        "decoded": [{"ids": (ids := encode(text)["input_ids"]), "text": tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)} for text in TEXTS[:10]],
        "special": {name: getattr(tokenizer, f"{name}_token_id") for name in ("cls", "sep", "pad", "mask", "unk", "bos", "eos")},
        "size": len(tokenizer),
    }
    write_json(FOLDER / f"{case}.json", info)


def empty(case: str):
    folder = FOLDER / case
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def dump(path, value) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=0) + "\n")


def word_pieces(lowercase: bool) -> dict:
    """Special tokens, every character, the frequent words, the frequent ends of words: by count, then by code point. (The
    library's own trainer settles ties by chance.)"""
    normalizer, split = normalizers.BertNormalizer(lowercase=lowercase), pre_tokenizers.BertPreTokenizer()
    words = Counter(word for line in CORPUS for word, _ in split.pre_tokenize_str(normalizer.normalize_str(line)))
    ends = Counter({f"##{word[at:]}": 0 for word in words for at in range(1, len(word)) if len(word) - at in range(2, 6)})
    for word, count in words.items():
        for at in range(1, len(word)):
            if f"##{word[at:]}" in ends:
                ends[f"##{word[at:]}"] += count
    frequent = lambda counts, most: [piece for piece, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:most]]
    characters = sorted({character for word in words for character in word})
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *characters, *(f"##{character}" for character in characters)]
    return {piece: index for index, piece in enumerate(dict.fromkeys(pieces + frequent(words, 60) + frequent(ends, 60)))}


def word_piece(case: str, files_only: str, **options) -> None:
    """BERT's: as transformers writes it, and as old checkpoints have it, a list of words."""
    vocabulary = word_pieces(options.get("do_lower_case", True))
    tokenizer = BertTokenizer(vocab=vocabulary, model_max_length=64, **options)
    tokenizer.save_pretrained(empty(case))
    specials = ["The [MASK] model", "[CLS] in [SEP] the text", "a[MASK]b"]
    measure(case, tokenizer, specials, "transformers BertTokenizer")
    folder = empty(files_only)
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n")
    write_json(folder / "tokenizer_config.json", {"model_max_length": 64, **options})
    measure(files_only, BertTokenizer.from_pretrained(folder), specials, "transformers BertTokenizer, from vocab.txt")


def merges_of(words: Counter, count: int) -> list:
    """Byte pairs in the order in which they are merged: the most frequent first, then by code point."""
    merges = []
    while len(merges) < count:
        pairs = Counter()
        for symbols, times in words.items():
            for pair in zip(symbols, symbols[1:]):
                pairs[pair] += times
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        words = Counter({merged(symbols, best): times for symbols, times in words.items()})
    return merges


def merged(symbols: tuple, pair: tuple) -> tuple:
    out: list = []
    for symbol in symbols:
        if out and (out[-1], symbol) == pair:
            out[-1] += symbol
        else:
            out.append(symbol)
    return tuple(out)


def byte_pairs(case: str, files_only: str) -> None:
    """RoBERTa's and BART's."""
    split = pre_tokenizers.ByteLevel(add_prefix_space=False)
    merges = merges_of(Counter(tuple(word) for line in CORPUS for word, _ in split.pre_tokenize_str(line)), 300)
    words = ["<s>", "<pad>", "</s>", "<unk>", *sorted(split.alphabet()), *("".join(pair) for pair in merges), "<mask>"]
    vocabulary = {word: index for index, word in enumerate(dict.fromkeys(words))}
    # As in the published files: the mask takes the space before it, so that it stands for a word with its space.
    mask = AddedToken("<mask>", lstrip=True, special=True, normalized=False)
    tokenizer = RobertaTokenizer(vocab=vocabulary, merges=merges, mask_token=mask, model_max_length=64)
    tokenizer.save_pretrained(empty(case))
    specials = ["The <mask> model", "<s> in </s> the text", "a<mask>b", "two  <mask>  spaces"]
    measure(case, tokenizer, specials, "transformers RobertaTokenizer")
    folder = empty(files_only)
    write_files(folder, vocabulary, merges)
    write_json(folder / "tokenizer_config.json", {"model_max_length": 64})
    measure(files_only, RobertaTokenizer.from_pretrained(folder, mask_token=mask), specials, "transformers RobertaTokenizer, from vocab.json and merges.txt")


def clip(case: str, files_only: str) -> None:
    """CLIP's: words end in </w>."""
    backend = CLIPTokenizer().backend_tokenizer
    normalize, split = backend.normalizer.normalize_str, backend.pre_tokenizer.pre_tokenize_str
    merges = merges_of(Counter((*word[:-1], f"{word[-1]}</w>") for line in CORPUS for word, _ in split(normalize(line))), 300)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = [*alphabet, *(f"{symbol}</w>" for symbol in alphabet), *("".join(pair) for pair in merges), "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {word: index for index, word in enumerate(dict.fromkeys(words))}
    tokenizer = CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=77)
    tokenizer.save_pretrained(empty(case))
    specials = ["a <|endoftext|> b", "A  Photo of a CAT!!"]
    measure(case, tokenizer, specials, "transformers CLIPTokenizer")
    folder = empty(files_only)
    write_files(folder, vocabulary, merges)
    write_json(folder / "tokenizer_config.json", {"model_max_length": 77})
    measure(files_only, CLIPTokenizer.from_pretrained(folder), specials, "transformers CLIPTokenizer, from vocab.json and merges.txt")


def write_files(folder, vocabulary: dict, merges: list) -> None:
    dump(folder / "vocab.json", vocabulary)
    (folder / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges))


if __name__ == "__main__":
    word_piece("bert-uncased", "bert-uncased-vocab")
    word_piece("bert-cased", "bert-cased-vocab", do_lower_case=False)
    byte_pairs("roberta", "roberta-vocab")
    clip("clip", "clip-vocab")
