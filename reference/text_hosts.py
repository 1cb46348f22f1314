"""The tiny BERT and RoBERTa hosts that other fixtures stand on: their configurations, weights and batches (encoder-hosts.md §6.2, §6.3)."""

import shutil

import torch
from safetensors.torch import load_file
from torch.nn import LayerNorm
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertModel,
    RobertaConfig,
    RobertaForMaskedLM,
    RobertaForSequenceClassification,
    RobertaForTokenClassification,
    RobertaModel,
)

from common import FIXTURES, arr, close, prefixed, training_run, write

NO_DROPOUT = dict(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
SIZES = {
    "tiny": dict(vocab_size=50, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64, max_position_embeddings=40, **NO_DROPOUT),
    # Nothing is a power of two, and the activation is another.
    "odd": dict(vocab_size=37, hidden_size=18, num_hidden_layers=3, num_attention_heads=3, intermediate_size=29, max_position_embeddings=13, hidden_act="gelu_new", **NO_DROPOUT),
}
FAMILIES = {
    "bert": dict(type_vocab_size=2, pad_token_id=0, layer_norm_eps=1e-12),
    "roberta": dict(type_vocab_size=1, pad_token_id=1, bos_token_id=0, eos_token_id=2, layer_norm_eps=1e-5),
}
CONFIGS = {"bert": BertConfig, "roberta": RobertaConfig}
CLASSES = {
    "bert": dict(mlm=BertForMaskedLM, sequence=BertForSequenceClassification, token=BertForTokenClassification, bare=BertModel),
    "roberta": dict(mlm=RobertaForMaskedLM, sequence=RobertaForSequenceClassification, token=RobertaForTokenClassification, bare=RobertaModel),
}
# The first two rows of the tiny batches are those of the golden values. The others, and the labels, are chosen so that no
# gradient is lost in rounding (see common.training_run).
IDS = {
    ("bert", "tiny"): [[2, 5, 7, 3, 9, 3, 0], [2, 11, 12, 3, 14, 15, 3], [2, 19, 28, 3, 13, 17, 3], [2, 7, 10, 3, 0, 0, 0]],
    ("roberta", "tiny"): [[0, 5, 7, 9, 2, 1, 1], [0, 11, 12, 13, 14, 15, 2], [0, 44, 21, 2, 49, 46, 2], [0, 38, 6, 2, 1, 1, 1]],
    ("bert", "odd"): [[2, 14, 33, 3, 15, 20, 20, 36, 14, 9, 3], [2, 27, 6, 3, 12, 3, 0, 0, 0, 0, 0], [2, 36, 24, 3, 31, 35, 28, 3, 0, 0, 0]],
    ("roberta", "odd"): [[0, 8, 10, 2, 28, 15, 24, 21, 18, 7, 2], [0, 15, 32, 2, 28, 2, 1, 1, 1, 1, 1], [0, 33, 22, 2, 6, 28, 34, 2, 1, 1, 1]],
    # Padding before a text: for a head that reads every token. One that reads the first would read padding.
    ("roberta", "left"): [[0, 7, 32, 2, 5, 18, 34, 36, 22, 15, 2], [1, 1, 0, 7, 36, 2, 9, 2, 1, 1, 1], [0, 20, 28, 2, 31, 13, 27, 2, 1, 1, 1]],
}
SEPARATOR = {"bert": 3, "roberta": 2}


def batch(family: str, rows: str) -> dict:
    """inputIds, attentionMask and, of BERT, tokenTypeIds: 1 from the token after the first separator on."""
    ids = torch.tensor(IDS[family, rows])
    mask = (ids != FAMILIES[family]["pad_token_id"]).long()
    result = {"inputIds": ids, "attentionMask": mask}
    if family == "bert":
        ended = (ids == SEPARATOR[family]).long()
        result["tokenTypeIds"] = ((ended.cumsum(1) - ended > 0).long() * mask)
    return result


def arguments(tensors: dict) -> dict:
    """The same by transformers' names."""
    names = {"inputIds": "input_ids", "attentionMask": "attention_mask", "tokenTypeIds": "token_type_ids"}
    return {names[name]: value for name, value in tensors.items() if name in names}


def build(family: str, size: str, head: str, **extra):
    """In float32, with weights of encoder-hosts.md §6.1: by sorted name, seed 1000 + index, norms around 1."""
    model = CLASSES[family][head](CONFIGS[family](**SIZES[size], **FAMILIES[family], **extra)).eval()
    norms = {f"{name}.weight" for name, module in model.named_modules() if isinstance(module, LayerNorm)}
    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for index, name in enumerate(sorted(parameters)):
            shape = parameters[name].shape
            values = 1 + arr(1000 + index, shape, 0.1) if name in norms else arr(1000 + index, shape, 0.2)
            parameters[name].copy_(values.float())
    return model


def save_checkpoint(model, folder) -> None:
    """The folder as transformers writes it: no tied duplicates, no buffers."""
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    (folder / "model.safetensors").chmod(0o644)
    (folder / "generation_config.json").unlink(missing_ok=True)
    saved = load_file(folder / "model.safetensors")
    assert saved.keys() == {name for name, _ in model.named_parameters()}
    for name, parameter in model.named_parameters():
        assert torch.equal(saved[name], parameter), name


def trained_case(family: str, case: str, size: str, head: str, labels: torch.Tensor, check=None, rows: str | None = None, checkpoint: str | None = None, hidden_padding: bool = True, eps: float = 1e-8, **extra) -> None:
    """A checkpoint, unless another case's is named, and outputs, gradients and steps of its training on one batch."""
    make = lambda: build(family, size, head, **extra)
    if checkpoint is None:
        save_checkpoint(make(), FIXTURES / family / case)
    inputs = batch(family, rows or size)
    if not hidden_padding:
        del inputs["attentionMask"]

    def outputs_of(model, dtype):
        targets = labels.to(dtype) if labels.is_floating_point() else labels
        result = model(**arguments(inputs), labels=targets, output_hidden_states=True)
        hidden = {f"hidden.{i}": h for i, h in enumerate(result.hidden_states)}
        return hidden | {"logits": result.logits, "loss": result.loss}

    run = training_run(make, outputs_of, eps=eps)
    if check:
        check(run["outputs"])
    tensors = inputs | {"labels": labels} | prefixed("output", run["outputs"]) | prefixed("grad", run["gradients"]) | prefixed("delta", run["deltas"])
    info = {
        "checkpoint": checkpoint or case,
        "made": f"transformers {CLASSES[family][head].__name__}, float64 on the float32 weights",
        "inputs": [*inputs, "labels"],
        "outputs": "hidden.0 is the embeddings' output, hidden.i the output of layer i",
        "optimizer": {"name": "AdamW", "learningRate": 1e-3, "weightDecay": 0.01, "betas": [0.9, 0.999], "eps": eps, "steps": 5, "trained": "all parameters, the same batch each step"},
        "losses": run["losses"],
        "zeroGradient": run["zeroGradient"],
    }
    write(family, case, tensors, info)


def bare_case(family: str, case: str, size: str) -> None:
    """A bare model with its pooler."""
    model = build(family, size, "bare")
    save_checkpoint(model, FIXTURES / family / case)
    inputs = batch(family, size)
    with torch.no_grad():
        result = model.double()(**arguments(inputs))
    tensors = inputs | {"output.lastHidden": result.last_hidden_state, "output.pooler": result.pooler_output}
    write(family, case, tensors, {"checkpoint": case, "made": f"transformers {type(model).__name__} with pooler, float64", "inputs": [*inputs]})


def word_labels(family: str, places: dict) -> torch.Tensor:
    labels = torch.full(torch.tensor(IDS[family, "tiny"]).shape, -100)
    for (row, token), word in places.items():
        labels[row, token] = word
    return labels


def golden_rows(outputs: dict, first: list, second: list) -> None:
    close(outputs["logits"][0, 0, :4], first, "logits", 2e-6)
    close(outputs["logits"][1, 6, :4], second, "logits", 2e-6)
