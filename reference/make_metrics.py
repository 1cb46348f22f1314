"""fixtures/metrics: scores by scikit-learn, SciPy, NLTK, and by the evaluation code of the papers, which is run and never copied.

Two environments, since neither has all of it:

    reference/.venv/bin/python reference/make_metrics.py answers          # SQuAD's scores, by transformers
    ROUGE=... COCO=... VQA=... /usr/bin/python3 reference/make_metrics.py # the others, by Debian 12's interpreter

The second has Debian's packages python3-sklearn (1.2.1), python3-scipy (1.10.1), python3-nltk (3.8) and python3-six, and checkouts
of three repositories on GitHub: ROUGE the folder `src` of `yizhongw/Tk-Instruct` (its `rouge` is Google's rouge_score, Apache-2.0),
COCO of `salaniz/pycocoevalcap` at ad63453cfab57a81a02b2949b17a91fab1c3df77, VQA of `GT-Vision-Lab/VQA` at
a013f0043c1e2cdc995922dfe257f7149aa9af06.
"""

import json
import os
import random
import sys
import types
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "fixtures" / "metrics"

ANSWERS = [
    ["The cat.", ["a cat"]],
    ["Denver Broncos", ["Denver Broncos", "the Denver Broncos", "Broncos"]],
    ["the the the", ["the"]],
    ["", [""]],
    ["", ["x"]],
    ["an", ["the", "dog"]],
    ["in 1,999 well-known", ["1999", "1999 wellknown"]],
    ["to be or not to be", ["not to be", "to be be to"]],
    ["Theatre a-an the", ["theatre aan"]],
    ["L'été, the été", ["lété été"]],
    ["the\u2009thin\u00a0blank\u3000wide\u001cfile", ["thin blank wide file"]],
    ["naïve a\u0301 \u00e9the the\u00e9", ["naïve the"]],
    ["ΣΑΣ the_x _the", ["σας thex the"]],
    ["İstanbul", ["i̇stanbul"]],
    ["“quoted” — dash", ["quoted dash", "“quoted” — dash."]],
    ["a1 the2 2the", ["a1 the2"]],
]
TEXTS = [
    ["the cat was found under the bed", ["the cat was under the bed"]],
    ["the tiny little cat was found under the big funny bed", ["the cat was under the bed", "a tiny cat was found"]],
    ["", ["something"]],
    ["something", [""]],
    ["word", ["word"]],
    ["Police killed the gunman.", ["police kill the gunman", "the gunman kill police"]],
    ["It's naïve; 3.5% of workers' models were retrained daily!", ["its naive 3 5 of the workers model was retraining daily"]],
    ["a b a b a b", ["b a b a", "a a a b b b"]],
    ["running runners ran easily, dying skies", ["the runner runs easy; die sky"]],
    ["Маленькие модели", ["Маленькие модели"]],
    ["relational conditional generalizations oscillators", ["relate condition generalize oscillator"]],
]
CAPTIONS = [
    ["a man riding a horse on the beach", ["a man rides a horse along the beach", "a person riding a horse on the sand", "man on horse near the ocean"]],
    ["two dogs play in the park", ["two dogs are playing in a park", "dogs running in the grass", "a pair of dogs play in the park"]],
    ["a bowl of fruit on a table", ["a bowl of fruit sitting on a table", "fruit in a bowl on a wooden table", "a table with a bowl of apples"]],
]
MORE_CAPTIONS = CAPTIONS + [
    ["a table a table a table a table", ["a table with a bowl of apples", "a table"]],
    ["dog", ["two dogs are playing in a park", "dog"]],
    ["", ["a man", "an empty caption"]],
    ["seventeen unseen tokens here", ["a man rides a horse along the beach"]],
]
# Sentences on which the treebank's conventions leave no choice.
SENTENCES = [
    "A man, riding a horse, looks at the camera.",
    "The dog's ball isn't red; it's blue!",
    "They've said they'll go (or we'd stay), haven't they?",
    "I can't see what you're doing: I'm blind...",
    "a t-shirt with 1,000 dots and 3.5 stripes",
    "the dogs' bowls -- and the cats' -- are empty",
    'He said "cannot" and she said "gonna wanna gotta"',
    "Two clocks show 10:30 and 50% of the price is $5 & tax",
    "A black-and-white photo of number #7",
    "James's children's toys",
    "There is at least one tower with exactly two blue blocks.",
    "",
]
# What the COCO toolkit drops of the tokens.
DROPPED = ["''", "'", "``", "`", "-LRB-", "-RRB-", "-LCB-", "-RCB-", ".", "?", "!", ",", ":", "-", "--", "...", ";"]
VQA_ANSWERS = [
    "The cat.", "two dogs", "1,000", "red/white", "U.S.A.", "none", "10:30", "dont know", "Dont", "couldnt've", "couldn'tve", "somebody'd",
    "let's", "3.5 m.p.h.", "a, b", "a,b", "yes!", "what? no", "x - y", "t-shirt", "none of the ten", "\tA\nman ", "(left)", "50%",
    "it's 1,000 red/white (or so)", "." * 40, "ow's'at", "twas", "youve", "an", "$5.00", "2.", "wheres'", "yall", "y'allll", "",
    "5,000,000", "semi;colon", "semi ;colon", "back\\slash", "under_score", "1.5.2", "end. start", "\u0663,\u0664/x", "Im", "Ive",
]  # fmt: skip
VQA_QUESTIONS = [
    ["net", ["net"] * 7 + ["netting", "mesh", "the net"]],
    ["mesh", ["net"] * 7 + ["netting", "mesh", "the net"]],
    ["The Net.", ["net"] * 2 + ["netting"] * 8],
    ["yes", ["yes"] * 10],
    ["2", ["two"] * 5 + ["2"] * 5],
    ["u.s.a.", ["U.S.A."] * 10],
    ["usa", ["u.s.a."] * 4 + ["usa"] * 2 + ["america"] * 4],
    ["red white", ["red/white"] * 3 + ["red", "white", "red and white"] + ["white/red"] * 4],
    ["dog", ["dog", "cat"]],
]
STEMS = """relat condition ration valenc hesit digit conform radic differ vil analog vietnam predic oper feud decis hope call form
    sensit sens triplic electr good reviv allow infer airlin gyroscop adjust defens irrit replac depend adopt homolog commun activ
    angular effect bowdler prob rat ceas control roll sk geo theo archaeo fl sp d l t enjo hopp tann fall hiss fizz fail fil plaster
    motor agr f s conflat troubl siz b syzyg x ax ew yy 3d 1st oo a""".split()
SUFFIXES = """s es sses ies ss ed eed ied ing y ational tional enci anci izer abli bli alli entli eli ousli ization ation ator alism
    iveness fulness ousness aliti iviti biliti fulli logi icate ative alize iciti ical ful ness al ance ence er ic able ible ant ement
    ment ent ion sion tion ou ism ate iti ous ive ize e ll lle abilities ationally fully logy ically""".split()
IRREGULAR = "sky skies dying lying tying news innings inning outings outing cannings canning howe proceed exceed succeed".split()


def write(name: str, info: object) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / f"{name}.json").write_text(json.dumps(info, ensure_ascii=False, separators=(",", ":")).replace("},{", "},\n{") + "\n")


def make_answers() -> None:
    from transformers.data.metrics.squad_metrics import compute_exact, compute_f1, normalize_answer

    write("answers", [
        {
            "prediction": prediction,
            "answers": answers,
            "normalized": normalize_answer(prediction),
            "exact": max(compute_exact(answer, prediction) for answer in answers),
            "f1": max(compute_f1(answer, prediction) for answer in answers),
        }
        for prediction, answers in ANSWERS
    ])  # fmt: skip


def make_classes() -> None:
    from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef

    draw = random.Random(1)
    sets = {
        "binary": [[draw.randint(0, 1) for _ in range(60)] for _ in range(2)],
        "all positive": [[1] * 408, [1] * 279 + [0] * 129],
        "none positive": [[0] * 9, [0] * 9],
        "none right": [[0, 1, 0], [1, 0, 1]],
        "five": [[draw.randint(0, 4) for _ in range(80)] for _ in range(2)],
        "absent": [[0, 2, 2, 7, 7, 7], [0, 2, 5, 5, 7, 0]],
        "constant": [[3] * 7, [0, 1, 2, 3, 3, 2, 1]],
    }
    write("classes", [
        {
            "name": name,
            "predictions": predictions,
            "labels": labels,
            "accuracy": accuracy_score(labels, predictions),
            "micro": f1_score(labels, predictions, average="micro"),
            "macro": f1_score(labels, predictions, average="macro"),
            "binary": f1_score(labels, predictions, zero_division=0) if max(labels + predictions) < 2 else None,
            "matthews": matthews_corrcoef(labels, predictions),
        }
        for name, (predictions, labels) in sets.items()
    ])  # fmt: skip


def make_correlations() -> None:
    from scipy.stats import pearsonr, spearmanr

    draw = random.Random(2)
    line = [draw.gauss(0, 1) for _ in range(40)]
    sets = {
        "noisy": [line, [x + draw.gauss(0, 0.5) for x in line]],
        "ties": [[draw.randint(0, 5) / 5 for _ in range(50)] for _ in range(2)],
        "falling": [[1, 2, 3, 4, 5], [10, 8, 7, 1, 0.5]],
        "straight": [[1, 2, 3], [2, 4, 6]],
        "far from zero": [[1e6 + x for x in line], [1e6 - x * x for x in line]],
        "two": [[1, 2], [4, 3]],
    }
    write("correlations", [
        {"name": name, "x": x, "y": y, "pearson": float(pearsonr(x, y)[0]), "spearman": float(spearmanr(x, y)[0])}
        for name, (x, y) in sets.items()
    ])  # fmt: skip


def make_precisions() -> None:
    import numpy as np
    from sklearn.metrics import average_precision_score

    draw = np.random.default_rng(3)
    cases = []
    for name, scores in {
        "distinct": draw.normal(size=(30, 4)),
        "ties": draw.integers(0, 4, size=(30, 4)) / 4,
        "equal": np.zeros((30, 4)),
    }.items():
        labels = (draw.uniform(size=(30, 4)) < 0.3).astype(int)
        each = average_precision_score(labels, scores, average=None)
        cases.append({"name": name, "scores": scores.ravel().tolist(), "labels": labels.ravel().tolist(), "each": each.tolist(), "mean": float(each.mean())})
    write("precisions", cases)


def make_areas() -> None:
    import numpy as np
    from sklearn.metrics import roc_auc_score

    draw = np.random.default_rng(4)
    labels = (draw.uniform(size=40) < 0.4).astype(int)
    scores = {
        "distinct": draw.normal(size=40) + labels,
        "ties": draw.integers(0, 5, size=40) / 4,
        "equal": np.zeros(40),
        "in order": labels + draw.uniform(size=40) / 2,
        "reversed": -labels + draw.uniform(size=40) / 2,
        "far apart": np.where(draw.uniform(size=40) < 0.3, 1e300, draw.normal(size=40)),
    }
    write("areas", [
        {"name": name, "scores": given.tolist(), "labels": labels.tolist(), "area": float(roc_auc_score(labels, given))}
        for name, given in scores.items()
    ])  # fmt: skip


def make_stems() -> None:
    from nltk.stem.porter import PorterStemmer

    made = sorted({stem + suffix for stem in STEMS for suffix in SUFFIXES})
    stemmer = PorterStemmer()
    # Every third keeps the file small.
    write("stems", {word: stemmer.stem(word) for word in IRREGULAR + made[:: int(os.environ.get("EVERY", 3))]})


def make_rouge() -> None:
    logging = types.ModuleType("absl.logging")
    logging.info = lambda *_: None
    sys.modules["absl"] = types.ModuleType("absl")
    sys.modules["absl"].logging = logging
    sys.path.insert(0, os.environ["ROUGE"])
    from rouge.rouge_scorer import RougeScorer

    kinds = ["rouge1", "rouge2", "rougeL"]
    cases = []
    for prediction, references in TEXTS:
        for stem in (False, True):
            scorer = RougeScorer(kinds, use_stemmer=stem)
            each = [scorer.score(reference, prediction) for reference in references]
            scores = {}
            for kind in kinds:
                best = max((score[kind] for score in each), key=lambda score: score.fmeasure)
                scores[kind] = {"precision": best.precision, "recall": best.recall, "f1": best.fmeasure}
            cases.append({"prediction": prediction, "references": references, "stem": stem, "scores": scores})
    write("rouge", cases)


def make_cider() -> None:
    sys.path.insert(0, os.environ["COCO"])
    from cider.cider import Cider

    cases = []
    for captions in (CAPTIONS, MORE_CAPTIONS, CAPTIONS[:1]):
        wanted = {i: references for i, (_, references) in enumerate(captions)}
        mean, scores = Cider().compute_score(wanted, {i: [caption] for i, (caption, _) in enumerate(captions)})
        cases.append({"captions": captions, "mean": float(mean), "scores": [float(score) for score in scores]})
    assert abs(cases[0]["mean"] - 3.403806) < 1e-6
    write("cider", cases)


def make_captions() -> None:
    from nltk.tokenize.treebank import TreebankWordTokenizer

    tokenizer = TreebankWordTokenizer()
    write("captions", [
        [text, [token for token in tokenizer.tokenize(text.lower(), convert_parentheses=True) if token not in DROPPED]]
        for text in SENTENCES
    ])  # fmt: skip


def make_vqa() -> None:
    path = Path(os.environ["VQA"]) / "PythonEvaluationTools" / "vqaEvaluation" / "vqaEval.py"
    namespace: dict = {}
    # Python 2's two progress messages.
    exec(path.read_text().replace('print "', '"'), namespace)
    evaluation = namespace["VQAEval"](types.SimpleNamespace(getQuesIds=lambda: []), None)

    def normalized(answer: str) -> str:
        answer = answer.replace("\n", " ").replace("\t", " ").strip()
        return evaluation.processDigitArticle(evaluation.processPunctuation(answer))

    def score(prediction: str, answers: list) -> float:
        """vl-adapter.md §6.6 on the official functions: the official evaluation also takes articles off people's answers."""
        prediction = normalized(prediction)
        answers = [answer.replace("\n", " ").replace("\t", " ").strip() for answer in answers]
        if len(set(answers)) > 1:
            answers = [evaluation.processPunctuation(answer) for answer in answers]
        others = [[a for j, a in enumerate(answers) if j != i] for i in range(len(answers))]
        return sum(min(1, rest.count(prediction) / 3) for rest in others) / len(answers)

    write("vqa", {
        "answers": {answer: normalized(answer) for answer in VQA_ANSWERS},
        "contractions": {written: word for written, word in evaluation.contractions.items() if written == written.lower()},
        "questions": [{"prediction": p, "answers": a, "score": score(p, a)} for p, a in VQA_QUESTIONS],
    })  # fmt: skip


if __name__ == "__main__":
    if sys.argv[1:] == ["answers"]:
        make_answers()
    else:
        for make in (make_classes, make_correlations, make_precisions, make_areas, make_stems, make_rouge, make_cider, make_captions, make_vqa):
            make()
