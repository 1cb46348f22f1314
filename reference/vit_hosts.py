"""The two tiny ViT hosts that every other fixture stands on, and the two spellings of their names (encoder-hosts.md §1)."""

import re

import torch
from transformers import ViTConfig, ViTForImageClassification, ViTModel

from common import arr

TINY = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64, image_size=32, patch_size=8, layer_norm_eps=1e-12, num_labels=5)
ODD = dict(hidden_size=48, num_hidden_layers=3, num_attention_heads=6, intermediate_size=80, image_size=24, patch_size=8, layer_norm_eps=1e-6, num_labels=7)

# transformers 5 in memory -> file (transformers 4). Order matters: o_proj becomes `attention.output.dense`, fc2 `output.dense`.
RENAMES = [
    (r"(^|\.)layers\.(\d+)\.", r"\1encoder.layer.\2."),
    (r"\.attention\.q_proj\.", ".attention.attention.query."),
    (r"\.attention\.k_proj\.", ".attention.attention.key."),
    (r"\.attention\.v_proj\.", ".attention.attention.value."),
    (r"\.attention\.o_proj\.", ".attention.output.dense."),
    (r"\.mlp\.fc1\.", ".intermediate.dense."),
    (r"\.mlp\.fc2\.", ".output.dense."),
]


def file_name(memory: str) -> str:
    """The name in a checkpoint file of a parameter that transformers 5 holds as `memory`. Works on adapter keys too."""
    for pattern, replacement in RENAMES:
        memory = re.sub(pattern, replacement, memory)
    return memory


def fill(model: torch.nn.Module) -> None:
    """Weights of encoder-hosts.md §6.1: by sorted file name, seed 1000 + index."""
    parameters = {file_name(name): value for name, value in model.named_parameters()}
    with torch.no_grad():
        for index, name in enumerate(sorted(parameters)):
            parameter = parameters[name]
            is_norm = name.endswith("weight") and "layernorm" in name
            values = 1 + arr(1000 + index, parameter.shape, 0.1) if is_norm else arr(1000 + index, parameter.shape, 0.2)
            parameter.copy_(values.float())


def classifier(config: dict) -> ViTForImageClassification:
    model = ViTForImageClassification(ViTConfig(**config)).eval()
    fill(model)
    return model


def bare(config: dict) -> ViTModel:
    model = ViTModel(ViTConfig(**{k: v for k, v in config.items() if k != "num_labels"}), add_pooling_layer=True).eval()
    fill(model)
    return model


# Seeds of the second and third picture, chosen so that no gradient is lost in rounding (see common.training_run).
PIXEL_SEEDS = {32: 10, 24: 17}


def pixels(config: dict) -> torch.Tensor:
    """[3, 3, S, S]; the first picture of the 32-pixel host is the one of the golden values."""
    size = config["image_size"]
    return torch.cat([arr(7, [1, 3, size, size], 1), arr(PIXEL_SEEDS[size], [2, 3, size, size], 1)]).float()


def labels(config: dict) -> torch.Tensor:
    return torch.tensor([1, config["num_labels"] - 1, 0])
