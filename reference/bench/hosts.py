"""The PyTorch side of `pnpm bench hosts`: models of transformers at full size with random weights, as `serving.py` says.

A row is `MODEL-forward` (logits, no gradient), `MODEL-step` (forward, backward, clipping of the global norm to 1 and AdamW, with
PEFT's LoRA of rank 8 on queries and values) or `t5-generate-BEAMS` (64 tokens). Texts are padded, from half the length to the whole. Float32, torch's defaults, no dropout: the
models' default rates draw numbers on one side as on the other, and are not what is compared.
"""

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from peft import LoraConfig, get_peft_model
from transformers import (
    ASTConfig,
    ASTForAudioClassification,
    BartConfig,
    BartForConditionalGeneration,
    RobertaConfig,
    RobertaForSequenceClassification,
    SwinConfig,
    SwinForImageClassification,
    T5Config,
    T5ForConditionalGeneration,
)
from transformers.utils import logging

from serving import row_arguments, serve

logging.set_verbosity_error()
logging.disable_progress_bar()

CLASSES = 10
NEW_TOKENS = 64
NO_DROPOUT = dict(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)


def words(vocabulary: int, batch: int, tokens: int) -> torch.Tensor:
    return torch.randint(3, vocabulary, (batch, tokens))


def padded(batch: int, tokens: int) -> torch.Tensor:
    """The mask of texts from half the length to the whole."""
    longest = torch.tensor([tokens // 2 + (i * tokens) // (2 * max(1, batch - 1)) for i in range(batch)])
    return (torch.arange(tokens)[None] < longest[:, None]).long()


def roberta():
    config = RobertaConfig(vocab_size=50265, max_position_embeddings=514, type_vocab_size=1, num_labels=CLASSES, **NO_DROPOUT)
    inputs = {"input_ids": words(50265, 8, 128), "attention_mask": padded(8, 128), "labels": torch.arange(8)}
    return RobertaForSequenceClassification(config), inputs, ["query", "value"]


def t5():
    config = T5Config(d_model=768, d_kv=64, d_ff=3072, num_layers=12, num_heads=12, dropout_rate=0.0, decoder_start_token_id=0)
    inputs = {"input_ids": words(32128, 4, 256), "attention_mask": padded(4, 256), "labels": words(32128, 4, 64)}
    return T5ForConditionalGeneration(config), inputs, ["q", "v"]


def bart():
    config = BartConfig(
        d_model=768, encoder_layers=6, decoder_layers=6, encoder_attention_heads=12, decoder_attention_heads=12,
        encoder_ffn_dim=3072, decoder_ffn_dim=3072, dropout=0.0,
    )  # fmt: skip
    inputs = {"input_ids": words(50265, 4, 256), "attention_mask": padded(4, 256), "labels": words(50265, 4, 64)}
    return BartForConditionalGeneration(config), inputs, ["q_proj", "v_proj"]


def ast():
    config = ASTConfig(num_labels=CLASSES)
    inputs = {"input_values": torch.randn(2, 1024, 128), "labels": torch.arange(2)}
    return ASTForAudioClassification(config), inputs, ["q_proj", "v_proj", "query", "value"]


def swin():
    config = SwinConfig(embed_dim=128, depths=[2, 2, 18, 2], num_heads=[4, 8, 16, 32], num_labels=CLASSES, drop_path_rate=0.0)
    inputs = {"pixel_values": torch.randn(4, 3, 224, 224), "labels": torch.arange(4)}
    return SwinForImageClassification(config), inputs, ["q_proj", "v_proj", "query", "value"]


MODELS = {"roberta": roberta, "t5": t5, "bart": bart, "ast": ast, "swin": swin}
ROWS = [f"{name}-{what}" for name in MODELS for what in ("forward", "step")] + ["t5-generate-1", "t5-generate-4"]


class Forward:
    def __init__(self, name: str):
        self.model, inputs, _ = MODELS[name]()
        self.model.eval()
        self.inputs = inputs if name in ("t5", "bart") else {key: value for key, value in inputs.items() if key != "labels"}

    def step(self) -> None:
        with torch.no_grad():
            self.model(**self.inputs).logits.sum().item()


class Step:
    def __init__(self, name: str):
        model, self.inputs, targets = MODELS[name]()
        there = {path.split(".")[-1] for path, _ in model.named_modules()}
        wanted = [target for target in targets if target in there]
        head = ["classifier"] if hasattr(model, "classifier") else None
        self.model = get_peft_model(model.train(), LoraConfig(r=8, lora_alpha=8, target_modules=wanted, modules_to_save=head))
        self.trained = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(self.trained, lr=1e-3, weight_decay=0.01)

    def step(self) -> None:
        self.optimizer.zero_grad()
        loss = self.model(**self.inputs).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.trained, 1.0)
        self.optimizer.step()
        loss.item()


class Generation:
    def __init__(self, beams: int):
        self.model, inputs, _ = t5()
        self.model.eval()
        self.inputs = {"input_ids": inputs["input_ids"][:1], "attention_mask": torch.ones(1, 256, dtype=torch.long)}
        self.settings = dict(num_beams=beams, do_sample=False, min_new_tokens=NEW_TOKENS, max_new_tokens=NEW_TOKENS)

    def step(self) -> None:
        with torch.no_grad():
            self.model.generate(**self.inputs, **self.settings)


def make(row: str):
    name, what, *beams = row.split("-")
    if what == "generate":
        return Generation(int(beams[0]))
    return Forward(name) if what == "forward" else Step(name)


if __name__ == "__main__":
    row = row_arguments(__doc__, ROWS).row
    serve(lambda: make(row))
