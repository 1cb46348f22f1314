"""The PyTorch side of `pnpm bench mosa`: the paper's training step on transformers' ViT-B/16, driven as `serving.py` says.

MoSA's step is two forward calls over the batch, each with draws and dropout of its own, cross-entropy of the first and the
symmetric divergence of both, backward, gradients masked by owner, and the paper's AdamW; AdaptFormer's is one call and
cross-entropy. Written from mosa.md §2-3 and §6.1. Before anything is timed, the same classes replay ten steps of the official
ones from fixtures/mosa and must give their losses (`check`).
"""

import json
import os
import random
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
import torch.nn as nn
import torch.nn.functional as F
from safetensors.torch import load_file
from transformers import ViTConfig, ViTForImageClassification
from transformers.utils import logging

from serving import row_arguments, serve

logging.set_verbosity_error()
logging.disable_progress_bar()

FIXTURES = Path(__file__).resolve().parent.parent.parent / "fixtures"
CLASSES, IMAGE, BATCH = 10, 224, 16
BOTTLENECK, EXPERTS, SCALE, DROPOUT = 64, 4, 0.1, 0.1
RATE, DECAY = 1e-3, 0.01
# row: how many experts, whose activation
ROWS = {"vit-b-adaptformer-b16": (1, nn.ReLU), "vit-b-mosa-b16": (EXPERTS, nn.GELU)}


class Adapter(nn.Module):
    """scale · up(drop(act(down(norm(h))))), of whose up projections a pass draws one; all start at zero."""

    def __init__(self, hidden: int, bottleneck: int, experts: int, activation: type[nn.Module], dropout: float, scale: float):
        super().__init__()
        self.scale = scale
        self.norm = nn.LayerNorm(hidden, eps=1e-6)
        self.down = nn.Linear(hidden, bottleneck)
        self.up = nn.ModuleList(nn.Linear(bottleneck, hidden) for _ in range(experts))
        self.activation, self.drop = activation(), nn.Dropout(dropout)
        self.draws: list[int] = []  # what a replay draws; by chance once there are none
        nn.init.zeros_(self.down.bias)
        for up in self.up:
            nn.init.zeros_(up.weight)
            nn.init.zeros_(up.bias)
        self.own(torch.randperm(hidden * bottleneck).reshape(hidden, bottleneck) % experts)

    def own(self, owner: torch.Tensor) -> None:
        self.masks = [(owner == e).to(self.norm.weight.dtype) for e in range(len(self.up))]

    def forward(self, h):
        expert = self.draws.pop(0) if self.draws else random.randrange(len(self.up))
        return self.up[expert](self.drop(self.activation(self.down(self.norm(h))))) * self.scale

    def mask_gradients(self) -> None:
        for up, mask in zip(self.up, self.masks, strict=True):
            if up.weight.grad is not None:
                up.weight.grad *= mask


class AdaptedLayer(nn.Module):
    """A ViT layer of transformers with an adapter parallel to its feed-forward network, whose two layers have dropout."""

    def __init__(self, layer: nn.Module, adapter: Adapter, dropout: float):
        super().__init__()
        self.layer, self.adapter, self.drop = layer, adapter, nn.Dropout(dropout)

    def forward(self, x, attention_mask=None, **kwargs):
        h = x + self.layer.attention(self.layer.layernorm_before(x), attention_mask, **kwargs)[0]
        mlp = self.layer.mlp
        inner = self.drop(mlp.activation_fn(mlp.fc1(self.layer.layernorm_after(h))))
        return h + self.drop(mlp.fc2(inner)) + self.adapter(h)


class AdamW:
    """mosa.md §6.1: eps before the bias correction, decay after the step and of no bias; what has no gradient yet stays."""

    def __init__(self, named):
        self.named, self.state = list(named), {}

    def zero_grad(self) -> None:
        """Zeros, as torch 1.11 had it: an expert that is not drawn moves on its moments."""
        for _, p in self.named:
            if p.grad is not None:
                p.grad.zero_()

    @torch.no_grad()
    def step(self, rate: float) -> None:
        for name, p in self.named:
            if p.grad is None:
                continue
            t, m, v = self.state.get(name, (0, torch.zeros_like(p), torch.zeros_like(p)))
            t += 1
            self.state[name] = (t, m, v)
            m.mul_(0.9).add_(p.grad, alpha=0.1)
            v.mul_(0.999).addcmul_(p.grad, p.grad, value=0.001)
            p.addcdiv_(m, v.sqrt().add_(1e-6), value=-rate * (1 - 0.999**t) ** 0.5 / (1 - 0.9**t))
            if "bias" not in name:
                p.mul_(1 - rate * DECAY)


def symmetric_kl(p, q):
    def kl(target, logits):
        return F.kl_div(logits.log_softmax(-1), target.detach().softmax(-1), reduction="batchmean")

    return (kl(q, p) + kl(p, q)) / 2


class Training:
    """A model with its optimizer and one fixed batch."""

    def __init__(self, model, pixels, labels, *, bottleneck: int, experts: int, activation=nn.GELU, dropout: float, scale: float):
        width = model.config.hidden_size
        for p in model.parameters():
            p.requires_grad_(False)
        model.classifier.requires_grad_(True)
        model.vit.embeddings.dropout = nn.Dropout(dropout)
        for i, layer in enumerate(model.vit.layers):
            model.vit.layers[i] = AdaptedLayer(layer, Adapter(width, bottleneck, experts, activation, dropout, scale), dropout)
        self.model, self.pixels, self.labels, self.experts = model.to(pixels.dtype).train(), pixels, labels, experts
        self.adapters = [layer.adapter for layer in model.vit.layers]
        self.optimizer = AdamW((name, p) for name, p in model.named_parameters() if p.requires_grad)

    def loss(self):
        p = self.model(self.pixels).logits
        loss = F.cross_entropy(p, self.labels)
        return loss if self.experts == 1 else loss + symmetric_kl(p, self.model(self.pixels).logits)

    def step(self, rate: float = RATE) -> float:
        loss = self.loss()
        self.optimizer.zero_grad()
        loss.backward()
        if self.experts > 1:
            for adapter in self.adapters:
                adapter.mask_gradients()
        self.optimizer.step(rate)
        return loss.item()


def replayed(case: str) -> tuple[Training, list[dict]]:
    """A case of fixtures/mosa, in float64 and without dropout: what it starts from, and what the official classes did."""
    tensors = load_file(FIXTURES / "mosa" / f"{case}.safetensors")
    info = json.loads((FIXTURES / "mosa" / f"{case}.json").read_text())
    host = ViTForImageClassification.from_pretrained(FIXTURES / "vit" / "tiny", layer_norm_eps=info["layerNormEps"])
    pixels, labels = tensors["pixels"].double(), tensors["labels"].long()
    sizes = dict(bottleneck=info["bottleneck"], experts=info["numExperts"], scale=info["scale"])
    training = Training(host, pixels, labels, dropout=0.0, **sizes)
    with torch.no_grad():
        for kind in ("weight", "bias"):
            getattr(host.classifier, kind).copy_(tensors[f"start.base_model.model.classifier.{kind}"])
        for place, (path, adapter) in enumerate(zip(info["places"], training.adapters, strict=True)):
            start = f"start.base_model.model.{path}."
            for part in ("norm", "down"):
                for kind in ("weight", "bias"):
                    getattr(getattr(adapter, part), kind).copy_(tensors[f"{start}{part}.{kind}"])
            adapter.own(tensors[f"base_model.model.{path}.up.owner"])
            adapter.draws = tensors["draws"][:, :, place, 1].flatten().tolist()
            for expert, (up, mask) in enumerate(zip(adapter.up, adapter.masks, strict=True)):
                up.weight.copy_(tensors[f"{start}up.weight"] * mask)
                up.bias.copy_(tensors[f"{start}up.experts.bias"][expert])
    return training, info["steps"]


def check() -> None:
    training, steps = replayed("adaptformer-up-4")
    errors = [training.step(step["learningRate"]) - step["loss"] for step in steps]
    # Where the adapters have learnt something the divergence weighs; the second pass's own cross-entropy is not taken there.
    training, [first, *_] = replayed("adaptformer-up-4-trained")
    errors.append(training.loss().item() - first["ce"] - first["kl"])
    assert max(map(abs, errors)) < 1e-9, f"losses are off by {errors}"


def make(row: str) -> Training:
    check()
    experts, activation = ROWS[row]
    model = ViTForImageClassification(ViTConfig(image_size=IMAGE, num_labels=CLASSES, layer_norm_eps=1e-6))
    pixels, labels = torch.randn(BATCH, 3, IMAGE, IMAGE), torch.randint(0, CLASSES, (BATCH,))
    sizes = dict(bottleneck=BOTTLENECK, experts=experts, scale=SCALE)
    return Training(model, pixels, labels, activation=activation, dropout=DROPOUT, **sizes)


if __name__ == "__main__":
    row = row_arguments(__doc__, ROWS).row
    serve(lambda: make(row))
