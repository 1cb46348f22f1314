"""The PyTorch side of `pnpm bench load`: `from_pretrained`, and one pass over eight tokens, as `serving.py` says.

Importing is in none of the times. `from_pretrained` maps the file into memory and reads next to nothing of it; the pass brings the
bytes. The weights become float32 whatever the file holds: without `dtype` transformers keeps a file's half precision.
"""

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from transformers import RobertaForMaskedLM, T5ForConditionalGeneration
from transformers.utils import logging

from serving import row_arguments, serve

logging.set_verbosity_error()
logging.disable_progress_bar()

MODELS = {"t5-base": T5ForConditionalGeneration, "roberta-base": RobertaForMaskedLM}
ROWS = [f"{name}{half}{used}" for name in MODELS for half in ("", "-half") for used in ("", "-pass")]


class Loaded:
    def __init__(self, row: str, checkpoint: str):
        words = torch.arange(3, 11)[None]
        self.inputs = {"input_ids": words, "labels": words} if row.startswith("t5") else {"input_ids": words}
        self.model = MODELS["-".join(row.split("-")[:2])].from_pretrained(checkpoint, dtype=torch.float32)

    def step(self) -> None:
        with torch.no_grad():
            self.model(**self.inputs).logits.sum().item()


if __name__ == "__main__":
    args = row_arguments(__doc__, ROWS, reads=lambda row: True)
    serve(lambda: Loaded(args.row, args.checkpoint))
