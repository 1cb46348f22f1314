"""Fixture `peft/targets.json`: which modules PEFT adapts in each tiny host, by default and with "all-linear".

Of hosts that PEFT has no defaults for there is only the latter. Names are those of transformers 5, as PEFT's files have them.
"""

import json

import transformers
from peft import LoraConfig, get_peft_model
from transformers import AutoConfig
from transformers.utils import logging

from common import FIXTURES

logging.set_verbosity_error()

HOSTS = ["vit/tiny", "swin/tiny", "ast/tiny", "clip/joint", "bert/tiny-mlm", "bert/tiny-sequence", "bert/odd-token", "roberta/tiny-mlm",
         "roberta/tiny-sequence", "t5/v1.0", "t5/v1.1", "bart/generation", "bart/classification"]  # fmt: skip


def targets(folder: str, wanted: str | None) -> list[str] | None:
    config = AutoConfig.from_pretrained(FIXTURES / folder)
    model = getattr(transformers, config.architectures[0])(config)
    try:
        adapted = get_peft_model(model, LoraConfig(r=2, target_modules=wanted))
    except ValueError:
        return None
    prefix = "base_model.model."
    return sorted(name.removeprefix(prefix) for name, module in adapted.named_modules() if hasattr(module, "base_layer"))


if __name__ == "__main__":
    found = {folder: {"default": targets(folder, None), "all-linear": targets(folder, "all-linear")} for folder in HOSTS}
    (FIXTURES / "peft" / "targets.json").write_text(json.dumps(found, indent=1) + "\n")
