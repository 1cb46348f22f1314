"""fixtures/prompts: prompt and prefix tuning of Hugging Face PEFT on the tiny hosts of the other fixtures, as `save_pretrained`
writes them; visual prompts by their formula on the modules of transformers' ViT, since PEFT has none.

Case folders hold `adapter_config.json` and `adapter_model.safetensors`; the pair beside a folder holds what the adapted
model computes. Keys of gradients and steps are the keys of the adapter file.

transformers 5 has no longer the method that PEFT's class for encoder-decoder models asks for when it is made; it is put
back, unused, so that PEFT's own forward pass is what runs. PEFT's logits of single tokens come with those of the prompts,
which cannot be compared with labels: here they are cut to the words'.
"""

import json
import math
import shutil

import torch
import torch.nn.functional as F
from peft import PeftModel, PrefixTuningConfig, PromptTuningConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import BartForConditionalGeneration, T5ForConditionalGeneration
from transformers.utils import logging

import text_hosts
import vit_hosts
from common import FIXTURES, arr, prefixed, training_run, write
from vit_hosts import TINY, classifier

logging.set_verbosity_error()
logging.disable_progress_bar()
SUITE = "prompts"
for seq2seq in (T5ForConditionalGeneration, BartForConditionalGeneration):
    seq2seq._prepare_encoder_decoder_kwargs_for_generation = None

CLASSES = dict(task_type="SEQ_CLS", num_virtual_tokens=3)
TOKENS = dict(task_type="TOKEN_CLS", num_virtual_tokens=2)
SEQ2SEQ = dict(task_type="SEQ_2_SEQ_LM", num_virtual_tokens=3)
# Name: host folder, config.
CASES = {
    "prompt-bert": ("bert/tiny-sequence", PromptTuningConfig(**CLASSES)),
    "prompt-bert-tokens": ("bert/odd-token", PromptTuningConfig(**TOKENS)),
    "prompt-roberta": ("roberta/tiny-sequence", PromptTuningConfig(**CLASSES)),
    "prompt-t5": ("t5/v1.0", PromptTuningConfig(**SEQ2SEQ)),
    "prompt-bart": ("bart/generation", PromptTuningConfig(**SEQ2SEQ, num_transformer_submodules=1)),
    "prefix-bert": ("bert/tiny-sequence", PrefixTuningConfig(**CLASSES)),
    "prefix-bert-tokens": ("bert/odd-token", PrefixTuningConfig(**TOKENS)),
    "prefix-roberta": ("roberta/tiny-sequence", PrefixTuningConfig(**CLASSES)),
    "prefix-t5": ("t5/v1.1", PrefixTuningConfig(**SEQ2SEQ, num_layers=2, token_dim=16)),
    "prefix-bart": ("bart/generation", PrefixTuningConfig(**SEQ2SEQ, num_layers=3, num_attention_heads=2)),
    "prefix-projected": ("bert/tiny-sequence", PrefixTuningConfig(**CLASSES, prefix_projection=True, encoder_hidden_size=12)),
}
LABELS = {
    "bert/tiny-sequence": torch.tensor([1, 2, 0, 2]),
    "roberta/tiny-sequence": torch.tensor([1, 2, 0, 2]),
    "bert/odd-token": torch.tensor([[-100, 2, 3, -100, 3, 2, 2, 3, 2, 0, -100], [-100, 3, 1, -100, 0, -100, -100, -100, -100, -100, -100], [-100, 3, 1, -100, 1, 0, 1, -100, -100, -100, -100]]),
}


def text_family(folder: str) -> tuple[str, str, str] | None:
    family, _, case = folder.partition("/")
    if family not in text_hosts.FAMILIES:
        return None
    size, _, head = case.partition("-")
    return family, size, head


def host_of(folder: str) -> torch.nn.Module:
    text = text_family(folder)
    if text:
        return text_hosts.build(*text, num_labels=4 if text[2] == "token" else 3)
    classes = {"t5": T5ForConditionalGeneration, "bart": BartForConditionalGeneration}
    model = classes[folder.split("/")[0]].from_pretrained(FIXTURES / folder).eval()
    # Where it lay would get into the adapter's config.
    model.name_or_path = None
    return model


def inputs_of(folder: str) -> dict:
    text = text_family(folder)
    if text:
        return text_hosts.batch(text[0], text[1]) | {"labels": LABELS[folder]}
    family, case = folder.split("/")
    fixture = load_file(FIXTURES / family / f"{case}.safetensors")
    names = ("inputIds", "attentionMask", "decoderInputIds", "labels")
    batch = {name: fixture[name].long() for name in names if name in fixture}
    if "decoderInputIds" not in batch:
        labels = batch["labels"]
        batch["decoderInputIds"] = torch.cat([torch.zeros_like(labels[:, :1]), labels[:, :-1].clamp(min=0)], 1)
    if "labels" not in batch:
        batch["labels"] = batch["decoderInputIds"].roll(-1, 1)
    return batch


def arguments(batch: dict) -> dict:
    names = {"inputIds": "input_ids", "attentionMask": "attention_mask", "tokenTypeIds": "token_type_ids", "decoderInputIds": "decoder_input_ids"}
    return {names[name]: value for name, value in batch.items() if name in names}


def move(model, seed: int) -> None:
    trained = sorted((name, p) for name, p in model.named_parameters() if p.requires_grad)
    with torch.no_grad():
        for index, (name, parameter) in enumerate(trained):
            values = arr(seed + index, parameter.shape, 0.3).float()
            parameter.copy_(values if "prompt_encoder" in name else parameter + 0.3 * values)


def build(case: str):
    folder, config = CASES[case]
    model = get_peft_model(host_of(folder), config)
    move(model, 6000)
    return model.eval()


def adapter_key(name: str) -> str:
    if "prompt_encoder" in name:
        return "prompt_embeddings" if name.endswith("embedding.weight") else name.replace("prompt_encoder.default.", "")
    return name.replace(".modules_to_save.default.", ".")


def save(model, case: str) -> None:
    folder = FIXTURES / SUITE / case
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    (folder / "README.md").unlink()
    (folder / "adapter_model.safetensors").chmod(0o644)


def loss_of(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(logits.flatten(0, -2), labels.flatten(), ignore_index=-100)


def outputs_with(batch: dict):
    def outputs_of(model, dtype):
        logits = model(**arguments(batch)).logits
        if logits.dim() == 3 and "decoderInputIds" not in batch:
            logits = logits[:, -batch["inputIds"].shape[1] :]
        return {"logits": logits, "loss": loss_of(logits, batch["labels"])}

    return outputs_of


def measure(case: str) -> None:
    folder, config = CASES[case]
    batch = inputs_of(folder)
    save(build(case), case)
    outputs_of = outputs_with(batch)
    info = {"host": f"../{folder}", "adapter": case, "inputs": [*batch], "made": f"peft {type(config).__name__} on transformers, float64 on the float32 weights"}
    if case == "prefix-projected":
        # The file holds what the projection comes to; there is nothing else in it to be trained as it was.
        with torch.no_grad():
            outputs = outputs_of(build(case).double(), torch.float64)
        parameters = {name.removeprefix("prompt_encoder.default."): p for name, p in build(case).named_parameters() if "prompt_encoder" in name}
        write(SUITE, case, batch | prefixed("output", outputs) | prefixed("encoder", parameters), info)
        return
    run = training_run(lambda: build(case), outputs_of, eps=1e-5, rename=adapter_key)
    kept = load_file(FIXTURES / SUITE / case / "adapter_model.safetensors").keys()
    assert kept == run["gradients"].keys(), (kept, run["gradients"].keys())
    finish(case, batch, run, info)


def finish(case: str, batch: dict, run: dict, info: dict) -> None:
    tensors = batch | prefixed("output", run["outputs"]) | prefixed("grad", run["gradients"]) | prefixed("delta", run["deltas"])
    optimizer = {"name": "AdamW", "learningRate": 1e-3, "weightDecay": 0.01, "betas": [0.9, 0.999], "eps": 1e-5, "steps": 5}
    write(SUITE, case, tensors, info | {"optimizer": optimizer, "losses": run["losses"], "zeroGradient": run["zeroGradient"]})


class Prompted(torch.nn.Module):
    """VPT (Jia et al. 2022): tokens behind the class token; deep, other ones in their places before every later block."""

    def __init__(self, count: int, deep: bool):
        super().__init__()
        self.host = classifier(TINY).eval()
        self.host.requires_grad_(False)
        self.host.classifier.requires_grad_(True)
        width, blocks = self.host.config.hidden_size, self.host.config.num_hidden_layers
        self.prompt_embeddings = torch.nn.Parameter(arr(6100, [count, width], 0.3).float())
        self.deep = deep
        if deep:
            self.deep_prompt_embeddings = torch.nn.Parameter(arr(6101, [blocks - 1, count, width], 0.3).float())

    def forward(self, pixels):
        vit, count = self.host.vit, len(self.prompt_embeddings)
        put = lambda prompts, x, end: torch.cat([x[:, :1], prompts.expand(len(x), -1, -1), x[:, end:]], 1)
        x = put(self.prompt_embeddings, vit.embeddings(pixels), 1)
        for i, block in enumerate(blocks_of(vit)):
            if self.deep and i > 0:
                x = put(self.deep_prompt_embeddings[i - 1], x, 1 + count)
            x = block(x)
            x = x[0] if isinstance(x, tuple) else x
        return self.host.classifier(vit.layernorm(x)[:, 0])


def blocks_of(vit):
    return vit.layers if hasattr(vit, "layers") else vit.encoder.layer


def visual(case: str, count: int, deep: bool) -> None:
    batch = {"pixelValues": vit_hosts.pixels(TINY), "labels": vit_hosts.labels(TINY)}

    def outputs_of(model, dtype):
        logits = model(batch["pixelValues"].to(dtype))
        return {"logits": logits, "loss": F.cross_entropy(logits, batch["labels"])}

    key = lambda name: name.replace("host.", "base_model.")
    run = training_run(lambda: Prompted(count, deep), outputs_of, eps=1e-5, rename=key)
    folder = FIXTURES / SUITE / case
    folder.mkdir(parents=True, exist_ok=True)
    trained = {key(name): p.detach().contiguous() for name, p in Prompted(count, deep).named_parameters() if p.requires_grad}
    save_file(trained, folder / "adapter_model.safetensors", {"format": "pt"})
    (folder / "adapter_model.safetensors").chmod(0o644)
    config = {"peft_type": "VISUAL_PROMPT", "num_virtual_tokens": count, "deep": deep, "modules_to_save": ["classifier"], "inference_mode": True}
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2, sort_keys=True))
    info = {"host": "../vit/tiny", "adapter": case, "inputs": [*batch], "made": "the formula of visual prompt tuning on the modules of transformers' ViT, float64 on the float32 weights"}
    finish(case, batch, run, info)


if __name__ == "__main__":
    for name in CASES:
        print(name, flush=True)
        measure(name)
    visual("visual-shallow", 3, False)
    visual("visual-deep", 3, True)
