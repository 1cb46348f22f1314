"""fixtures/ast: Hugging Face audio spectrogram transformers in small, and sounds shorter and longer than the checkpoint's."""

import shutil

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from transformers import ASTConfig, ASTForAudioClassification
from transformers.utils import logging

from common import FIXTURES, arr, check_generator, prefixed, training_run, write
from vit_hosts import file_name

logging.set_verbosity_error()
logging.disable_progress_bar()
SUITE = "ast"
TINY = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64, patch_size=4, frequency_stride=3, time_stride=2, max_length=21, num_mel_bins=14, num_labels=5)
ODD = dict(hidden_size=18, num_hidden_layers=1, num_attention_heads=3, intermediate_size=29, patch_size=3, frequency_stride=2, time_stride=2, max_length=10, num_mel_bins=8, num_labels=3, hidden_act="gelu_new", qkv_bias=False, layer_norm_eps=1e-6, problem_type="multi_label_classification")


def fill(model) -> ASTForAudioClassification:
    """In float32, weights of encoder-hosts.md §6.1: by sorted file name, seed 1000 + index, norms around 1."""
    norms = {file_name(f"{name}.weight") for name, module in model.named_modules() if isinstance(module, torch.nn.LayerNorm)}
    parameters = {file_name(name): value for name, value in model.named_parameters()}
    with torch.no_grad():
        for index, name in enumerate(sorted(parameters)):
            shape = parameters[name].shape
            values = 1 + arr(1000 + index, shape, 0.1) if name in norms else arr(1000 + index, shape, 0.2)
            parameters[name].copy_(values.float())
    return model.eval()


def build(config: dict) -> ASTForAudioClassification:
    return fill(ASTForAudioClassification(ASTConfig(**config)))


def spectrograms(config: dict, count: int, seed: int) -> torch.Tensor:
    return arr(seed, [count, config["max_length"], config["num_mel_bins"]], 1).float()


def trained_case(case: str, config: dict, labels: torch.Tensor, seed: int) -> None:
    folder = FIXTURES / SUITE / case
    shutil.rmtree(folder, ignore_errors=True)
    model = build(config)
    model.save_pretrained(folder)
    (folder / "model.safetensors").chmod(0o644)
    assert load_file(folder / "model.safetensors").keys() == {file_name(name) for name, _ in model.named_parameters()}
    x = spectrograms(config, len(labels), seed)

    def outputs_of(model, dtype):
        result = model(x.to(dtype), labels=labels.to(dtype) if labels.is_floating_point() else labels, output_hidden_states=True)
        hidden = {f"hidden.{i}": h for i, h in enumerate(result.hidden_states)}
        return hidden | {"logits": result.logits, "loss": result.loss}

    run = training_run(lambda: build(config), outputs_of, rename=file_name)
    tensors = {"inputValues": x, "labels": labels} | prefixed("output", run["outputs"]) | prefixed("grad", run["gradients"]) | prefixed("delta", run["deltas"])
    info = {
        "checkpoint": case,
        "made": "transformers ASTForAudioClassification, float64 on the float32 weights",
        "inputs": ["inputValues", "labels"],
        "outputs": "hidden.0 is the embeddings' output, hidden.i the output of layer i before the final norm",
        "optimizer": {"name": "AdamW", "learningRate": 1e-3, "weightDecay": 0.01, "betas": [0.9, 0.999], "eps": 1e-8, "steps": 5, "trained": "all parameters, the same batch each step"},
        "losses": run["losses"],
        "zeroGradient": run["zeroGradient"],
    }
    write(SUITE, case, tensors, info)


def adapted(table: torch.Tensor, frequency: int, time: int, wanted: int) -> torch.Tensor:
    """ast-adapter.md §2.1: the middle of the table along time, or the table stretched; the first two rows stay."""
    grid = table[:, 2:].transpose(1, 2).reshape(1, -1, frequency, time)
    if wanted < time:
        start = time // 2 - wanted // 2
        grid = grid[:, :, :, start : start + wanted]
    else:
        grid = F.interpolate(grid, size=(frequency, wanted), mode="bilinear", align_corners=False)
    return torch.cat([table[:, :2], grid.flatten(2).transpose(1, 2)], 1)


def resized_case(case: str, max_length: int, mode: str) -> None:
    """The tiny checkpoint on sounds of another length."""
    config = TINY | {"max_length": max_length}
    model = ASTForAudioClassification(ASTConfig(**config)).eval().double()
    original = build(TINY).double().state_dict()
    key = "audio_spectrogram_transformer.embeddings.position_embeddings"
    frequency, time = ((TINY["num_mel_bins"] - 4) // 3 + 1, (TINY["max_length"] - 4) // 2 + 1)
    wanted = (max_length - 4) // 2 + 1
    original[key] = adapted(original[key], frequency, time, wanted) if mode == "adapt" else torch.zeros(1, 2 + frequency * wanted, 32, dtype=torch.float64)
    model.load_state_dict(original)
    x = spectrograms(config, 2, 7)
    with torch.no_grad():
        logits = model(x.double()).logits
    write(SUITE, case, {"inputValues": x, "output.logits": logits}, {"checkpoint": "tiny", "made": "transformers ASTForAudioClassification, float64, with positions adapted by torch", "inputs": ["inputValues"], "maxLength": max_length, "positionEmbedding": mode})


# Of the sounds, chosen so that no gradient is lost in rounding (see common.training_run).
SEEDS = {"tiny": 9, "odd": 7}

if __name__ == "__main__":
    check_generator()
    trained_case("tiny", TINY, torch.tensor([1, 4, 0]), SEEDS["tiny"])
    trained_case("odd", ODD, torch.tensor([[1.0, 0, 1], [0, 1, 0], [1, 1, 0]]), SEEDS["odd"])
    resized_case("shorter", 14, "adapt")
    resized_case("longer", 34, "adapt")
    resized_case("zeroed", 14, "zero")
