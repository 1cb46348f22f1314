"""The PyTorch side of `pnpm bench merge`: folding PEFT's LoRA of rank 8 on every linear layer into a ViT-B/16, for good.

The protocol is that of `engine.py`; the first step is the only one.
"""

import argparse
import json
import os
import sys
import time

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from peft import LoraConfig, get_peft_model
from transformers import ViTForImageClassification
from transformers.utils import logging

logging.set_verbosity_error()
logging.disable_progress_bar()


def setup(checkpoint: str):
    host = ViTForImageClassification.from_pretrained(checkpoint)
    model = get_peft_model(host, LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", modules_to_save=None))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.copy_(torch.rand_like(parameter) * 0.02 - 0.01)
            # The file is mapped into memory: every page is read here, so that merging is what is timed.
            parameter.view(-1)[::1024].sum().item()
    return model


def peak_mb() -> float:
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) * 1024 / 1e6


def say(message: dict) -> None:
    print(json.dumps(message), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("row", choices=["vit-b-lora-r8"])
    parser.add_argument("--checkpoint", required=True)
    arguments = parser.parse_args()
    start = time.perf_counter()
    model = setup(arguments.checkpoint)
    loaded = time.perf_counter()
    model.merge_and_unload()
    say({"ready": True, "load_s": loaded - start, "first_step_s": time.perf_counter() - loaded})
    for line in sys.stdin:
        if line.strip() == "quit":
            break
        sys.exit(f"this side does not know the line {line!r}")
    say({"peak_mb": peak_mb()})
