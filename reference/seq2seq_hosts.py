"""Small T5 and BART hosts, their weights and their batches (seq2seq-hosts.md §6, mhr.md §8.1)."""

import json
import re
import shutil

import torch
from transformers.utils import logging

from common import arr, mulberry32

logging.set_verbosity_error()
logging.disable_progress_bar()

NORM = re.compile(r"(layer_norm|layernorm_embedding|LayerNorm)\.weight$")
MASK32 = 0xFFFFFFFF


def fnv1a(text: str) -> int:
    h = 0x811C9DC5
    for byte in text.encode():
        h = ((h ^ byte) * 0x01000193) & MASK32
    return h


def hashed(name: str, shape, norm: bool) -> torch.Tensor:
    """seq2seq-hosts.md §6: the weights of a tensor are a function of its name."""
    numbers = mulberry32(fnv1a(name))
    s, c = (0.1, 1.0) if norm else (0.5, 0.0)
    count = int(torch.Size(shape).numel())
    return torch.tensor([(2 * next(numbers) - 1) * s + c for _ in range(count)], dtype=torch.float64).reshape(tuple(shape)).float()


def fill_hashed(model: torch.nn.Module) -> None:
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(hashed(name, parameter.shape, bool(NORM.search(name))))


def fill_sorted(model: torch.nn.Module, seed: int = 1000, amplitude: float = 0.2) -> None:
    """mhr.md §8.1: by sorted name, seed 1000 + index."""
    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for index, name in enumerate(sorted(parameters)):
            parameter = parameters[name]
            values = 1 + arr(seed + index, parameter.shape, 0.1) if NORM.search(name) else arr(seed + index, parameter.shape, amplitude)
            parameter.copy_(values.float())


def ids(seed: int, shape, low: int, high: int) -> torch.Tensor:
    """Whole numbers in low..high-1."""
    numbers = mulberry32(seed)
    count = int(torch.Size(shape).numel())
    return torch.tensor([low + int(next(numbers) * (high - low)) for _ in range(count)]).reshape(tuple(shape))


def save(model, folder) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    (folder / "model.safetensors").chmod(0o644)


def save_adapter(model, folder) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    (folder / "adapter_model.safetensors").chmod(0o644)
    (folder / "README.md").unlink()
    path = folder / "adapter_config.json"
    config = json.loads(path.read_text())
    # PEFT holds the targets as a set and writes them in an order that changes from run to run.
    config["target_modules"].sort()
    path.write_text(json.dumps(config, indent=2, sort_keys=True))
