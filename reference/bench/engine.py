"""The PyTorch side of `pnpm bench engine`: one row in one process, driven as `serving.py` says.

A step is forward, backward, clipping of the global norm to 1 and AdamW, in float32 with torch's defaults (eager, SDPA
attention). Importing is in none of the times.
"""

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
import torch.nn as nn
import torch.nn.functional as F
from peft import LoraConfig, get_peft_model
from transformers import ViTConfig, ViTForImageClassification
from transformers.utils import logging

from hosts import Step
from parts import PARTS
from serving import row_arguments, serve

logging.set_verbosity_error()
logging.disable_progress_bar()

CLASSES = 10
IMAGE = 224
SIZES = {
    "vit-s": dict(hidden_size=384, num_attention_heads=6, intermediate_size=1536),
    "vit-b": dict(hidden_size=768, num_attention_heads=12, intermediate_size=3072),
}
# row: (size, what is trained, batch)
ROWS = {
    "vit-s-adapter-b4": ("vit-s", "adapter", 4),
    "vit-s-adapter-b16": ("vit-s", "adapter", 16),
    "vit-b-adapter-b4": ("vit-b", "adapter", 4),
    "vit-b-dropout-b4": ("vit-b", "dropout", 4),  # on every residual branch
    "vit-b-adapter-b16": ("vit-b", "adapter", 16),
    "vit-b-checkpointed-b16": ("vit-b", "adapter", 16),  # checkpointed on our side alone
    "vit-b-lora-b16": ("vit-b", "lora", 16),
    "vit-b-probe-b16": ("vit-b", "probe", 16),
    "vit-b-full-b4": ("vit-b", "full", 4),
    "vit-b-first": ("vit-b", "adapter", 4),  # its figure is first_step_s
    "vit-b-load": ("vit-b", "load", 0),
    "vit-b-load-read": ("vit-b", "load-read", 0),
}
# Rows of text hosts with LoRA, those of `pnpm bench hosts`.
TEXT_HOSTS = {"roberta-lora-b8": "roberta", "t5-lora-b4": "t5"}


class Adapter(nn.Module):
    """AdaptFormer's: scale · up(GELU(down(norm(h)))), up starting at zero; without dropout."""

    def __init__(self, hidden: int, bottleneck: int = 64, scale: float = 0.1):
        super().__init__()
        self.norm = nn.LayerNorm(hidden, eps=1e-6)
        self.down = nn.Linear(hidden, bottleneck)
        self.up = nn.Linear(bottleneck, hidden)
        self.scale = scale
        nn.init.zeros_(self.down.bias)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, h):
        return self.up(F.gelu(self.down(self.norm(h)))) * self.scale


class AdaptedLayer(nn.Module):
    """A ViT layer of transformers with an adapter parallel to its feed-forward network.

    Dropout, in the row that has any, stands where our host has it: after attention, after the activation, after the network.
    """

    def __init__(self, layer: nn.Module, hidden: int, dropout: float):
        super().__init__()
        self.layer = layer
        self.adapter = Adapter(hidden)
        self.drop = nn.Dropout(dropout) if dropout > 0 else nn.Identity()

    def forward(self, x, attention_mask=None, **kwargs):
        a, _ = self.layer.attention(self.layer.layernorm_before(x), attention_mask, **kwargs)
        h = x + self.drop(a)
        mlp = self.layer.mlp
        inner = self.drop(mlp.activation_fn(mlp.fc1(self.layer.layernorm_after(h))))
        return h + self.drop(mlp.fc2(inner)) + self.adapter(h)


class Training:
    """A model with its optimizer and one fixed batch."""

    def __init__(self, size: str, method: str, batch: int):
        dropout = 0.1 if method == "dropout" else 0.0
        config = ViTConfig(
            image_size=IMAGE, patch_size=16, num_hidden_layers=12, num_labels=CLASSES, hidden_dropout_prob=dropout, **SIZES[size]
        )
        model = ViTForImageClassification(config).train()
        if method != "full":
            for name, parameter in model.named_parameters():
                parameter.requires_grad_(name.startswith("classifier"))
        if method in ("adapter", "dropout"):
            for i, layer in enumerate(model.vit.layers):
                model.vit.layers[i] = AdaptedLayer(layer, config.hidden_size, dropout)
        if method == "lora":
            model = get_peft_model(model, LoraConfig(r=8, lora_alpha=8, target_modules=["q_proj", "v_proj"], modules_to_save=["classifier"]))
        self.model, self.probe = model, method == "probe"
        self.trained = [p for p in model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(self.trained, lr=1e-3, weight_decay=0.01)
        self.pixels = torch.randn(batch, 3, IMAGE, IMAGE)
        self.labels = torch.randint(0, CLASSES, (batch,))

    def logits(self):
        if not self.probe:
            return self.model(self.pixels).logits
        with torch.no_grad():
            features = self.model.vit(self.pixels).last_hidden_state[:, 0]
        return self.model.classifier(features)

    def step(self) -> None:
        self.optimizer.zero_grad()
        loss = F.cross_entropy(self.logits(), self.labels)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.trained, 1.0)
        self.optimizer.step()
        loss.item()


class Loading:
    """Each step loads the checkpoint anew; the model of the step before is let go first.

    `from_pretrained` maps the file into memory and reads next to nothing of it: the bytes come at the first forward pass.
    With `read`, a step ends only when one number of every page of every weight has been read.
    """

    def __init__(self, checkpoint: str, read: bool):
        self.checkpoint, self.read, self.model = checkpoint, read, None

    def step(self) -> None:
        self.model = None
        self.model = ViTForImageClassification.from_pretrained(self.checkpoint)
        if self.read:
            for parameter in self.model.parameters():
                parameter.detach().view(-1)[::1024].sum().item()


def make(row: str, checkpoint: str | None):
    if row in PARTS:
        return PARTS[row]()
    if row in TEXT_HOSTS:
        return Step(TEXT_HOSTS[row])
    size, method, batch = ROWS[row]
    return Loading(checkpoint, method == "load-read") if method.startswith("load") else Training(size, method, batch)


if __name__ == "__main__":
    args = row_arguments(__doc__, [*ROWS, *PARTS, *TEXT_HOSTS], reads=lambda row: row.startswith("vit-b-load"))
    serve(lambda: make(args.row, args.checkpoint))
