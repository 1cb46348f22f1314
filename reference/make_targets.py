"""Fixture `peft/targets.json`: which modules PEFT adapts in each tiny host, by default, with "all-linear", and by (IA)3's default.

Of hosts that PEFT has no defaults for there is only the second. (IA)3 multiplies the input of those that are marked. Names are those of transformers 5, as PEFT's files have them.
"""

import json

import transformers
from peft import IA3Config, LoraConfig, get_peft_model
from transformers import AutoConfig
from transformers.utils import logging

from common import FIXTURES

logging.set_verbosity_error()

HOSTS = ["vit/tiny", "swin/tiny", "ast/tiny", "clip/joint", "bert/tiny-mlm", "bert/tiny-sequence", "bert/odd-token", "roberta/tiny-mlm",
         "roberta/tiny-sequence", "t5/v1.0", "t5/v1.1", "bart/generation", "bart/classification"]  # fmt: skip


def targets(folder: str, wanted) -> dict | None:
    config = AutoConfig.from_pretrained(FIXTURES / folder)
    model = getattr(transformers, config.architectures[0])(config)
    try:
        adapted = get_peft_model(model, wanted)
    except ValueError:
        return None
    prefix = "base_model.model."
    layers = {name.removeprefix(prefix): module for name, module in adapted.named_modules() if hasattr(module, "base_layer")}
    return {name: getattr(layers[name], "is_feedforward", False) for name in sorted(layers)}


def names(folder: str, wanted: str | None) -> list[str] | None:
    found = targets(folder, LoraConfig(r=2, target_modules=wanted))
    return found and list(found)


if __name__ == "__main__":
    found = {folder: {"default": names(folder, None), "all-linear": names(folder, "all-linear"), "ia3": targets(folder, IA3Config())} for folder in HOSTS}
    (FIXTURES / "peft" / "targets.json").write_text(json.dumps(found, indent=1) + "\n")
