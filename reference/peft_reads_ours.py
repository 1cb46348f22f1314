"""Reads adapters that the library wrote with Hugging Face PEFT and prints what they compute there, for `pnpm parity --python`.

    python peft_reads_ours.py FOLDER

FOLDER holds 0, 1, ...: an adapter each, with the batch in `inputs.safetensors` and the host's name in `host.txt`. Prints a
JSON list: logits, the logits after merging (null where PEFT does not merge), and the keys that are in the file or in PEFT's
model alone.
"""

import contextlib
import json
import sys
import warnings
from pathlib import Path

import torch
from peft import PeftModel, get_peft_model_state_dict
from safetensors.torch import load_file
from transformers import CLIPTextModel, CLIPVisionModel
from transformers.utils import logging

import make_prompts
import small_host
from common import FIXTURES
from vit_hosts import TINY, classifier

logging.set_verbosity_error()
warnings.simplefilter("ignore")


def host_of(name: str) -> torch.nn.Module:
    if name == "small":
        return small_host.small_host()
    if name == "../vit/tiny":
        return classifier(TINY)
    if name.startswith("../clip"):
        Class = CLIPTextModel if "text" in name else CLIPVisionModel
        return Class.from_pretrained(FIXTURES / name.removeprefix("../")).eval()
    host = make_prompts.host_of(name.removeprefix("../"))
    if name.startswith("../bart"):
        # Where a file of prefixes names no number of heads, PEFT takes the encoder's. In released models the decoder has as many.
        host.config.encoder_attention_heads = host.config.decoder_attention_heads
    return host


def logits_of(model, inputs: dict) -> torch.Tensor:
    with torch.no_grad():
        if "pixelValues" not in inputs:
            output = model(**make_prompts.arguments({name: value.long() for name, value in inputs.items()}))
        elif "inputIds" in inputs:
            return model(inputs["pixelValues"].double(), inputs["inputIds"].long())
        else:
            output = model(pixel_values=inputs["pixelValues"].double())
    return output.logits if "logits" in output else output.pooler_output


def read(folder: Path) -> dict:
    inputs = load_file(folder / "inputs.safetensors")
    host = host_of((folder / "host.txt").read_text())
    model = PeftModel.from_pretrained(host, folder).eval()
    keys = load_file(folder / "adapter_model.safetensors").keys() ^ get_peft_model_state_dict(model).keys()
    model = model.double()
    logits = logits_of(model, inputs)
    if not hasattr(model, "merge_adapter") or model.active_peft_config.is_prompt_learning:
        return {"logits": logits.flatten().tolist(), "merged": None, "strangers": sorted(keys)}
    try:
        # Not merge_and_unload: PEFT 0.21 cannot put back a head of several layers that was trained beside (IA)3.
        model.merge_adapter()
        merged = logits_of(model, inputs).flatten().tolist()
    except NotImplementedError:
        merged = None
    return {"logits": logits.flatten().tolist(), "merged": merged, "strangers": sorted(keys)}


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    with contextlib.redirect_stdout(sys.stderr):
        readings = [read(folder / str(i)) for i in range(len([f for f in folder.iterdir() if f.is_dir()]))]
    print(json.dumps(readings))
