"""fixtures/lora: adapters of Hugging Face PEFT on the tiny ViT host (fixtures/vit/tiny), as `save_pretrained` writes them.

Case folders hold `adapter_config.json` and `adapter_model.safetensors`; the pair beside a folder holds what the adapted
model computes. Keys of gradients and steps are the keys of the adapter file.
"""

import contextlib
import io
import json
import shutil

import torch
import torch.nn.functional as F
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers.utils import logging

from common import FIXTURES, arr, prefixed, training_run, write, write_json
from vit_hosts import TINY, classifier, file_name, labels, pixels

logging.set_verbosity_error()
SUITE = "lora"
CASES = {
    "qv": dict(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"], modules_to_save=["classifier"]),
    "patterns": dict(
        r=3,
        lora_alpha=6,
        target_modules="all-linear",
        rank_pattern={"q_proj": 2, r"layers\.1\.mlp\.fc1": 5},
        alpha_pattern={"v_proj": 12, r"layers\.0\.mlp\.fc2": 1},
        use_rslora=True,
        bias="lora_only",
        modules_to_save=["classifier"],
    ),
    "regex": dict(r=2, lora_alpha=2, target_modules=r".*\.layers\.1\.(attention\.o_proj|mlp\.fc[12])"),
}
NOTES = {
    "patterns": [
        "\"all-linear\" is written out as the list of what it matched; the classifier stands in it, and is not adapted, since modules_to_save has it",
        "with bias \"lora_only\" the trained biases are the host's own: disabledLogits has them, as PEFT warns, while the head is the host's",
    ],
}


def build(case: str):
    """The adapted host in float32. A and B are numbers of the specification's generator, so that B is not zero; a trained copy
    of the head and trained biases are moved away from the host's, so that taking the wrong one shows."""
    model = get_peft_model(classifier(TINY), LoraConfig(lora_dropout=0.0, **CASES[case]))
    trained = sorted((name, p) for name, p in model.named_parameters() if p.requires_grad)
    with torch.no_grad():
        for index, (name, parameter) in enumerate(trained):
            values = arr(3000 + index, parameter.shape, 0.2).float()
            parameter.copy_(values if "lora_" in name else parameter + values)
    return model.eval()


def adapter_key(name: str) -> str:
    """The key in the adapter file of a parameter of the PEFT model, as PEFT itself strips it."""
    return name.replace(".modules_to_save.default.", ".").replace(".default.", ".")


def save(case: str) -> None:
    folder = FIXTURES / SUITE / case
    shutil.rmtree(folder, ignore_errors=True)
    model = build(case)
    model.save_pretrained(folder)
    (folder / "README.md").unlink()
    (folder / "adapter_model.safetensors").chmod(0o644)
    config = json.loads((folder / "adapter_config.json").read_text())
    # PEFT holds the targets as a set and writes them in an order that changes from run to run.
    if isinstance(config["target_modules"], list):
        config["target_modules"].sort()
    write_config(folder, config)


def write_config(folder, config: dict) -> None:
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2, sort_keys=True))


def trainable_line(model) -> str:
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        model.print_trainable_parameters()
    return text.getvalue().strip()


def measure(case: str) -> None:
    x, y = pixels(TINY), labels(TINY)

    def outputs_of(model, dtype):
        logits = model(x.to(dtype)).logits
        return {"logits": logits, "loss": F.cross_entropy(logits, y)}

    run = training_run(lambda: build(case), outputs_of, rename=adapter_key)
    model = build(case).double()
    assert load_file(FIXTURES / SUITE / case / "adapter_model.safetensors").keys() == run["gradients"].keys()
    reloaded = PeftModel.from_pretrained(classifier(TINY), FIXTURES / SUITE / case).eval().double()
    with torch.no_grad():
        assert torch.equal(reloaded(x.double()).logits, run["outputs"]["logits"])
    with torch.no_grad(), model.disable_adapter():
        disabled = model(x.double()).logits
    before = {file_name(name): p.clone() for name, p in classifier(TINY).double().named_parameters()}
    line = trainable_line(model)
    merged_model = model.merge_and_unload()
    with torch.no_grad():
        merged_logits = merged_model(x.double()).logits
    assert (merged_logits - run["outputs"]["logits"]).abs().max() < 1e-12
    merged = {file_name(name): p for name, p in merged_model.named_parameters() if not torch.equal(p, before[file_name(name)])}
    tensors = {"pixels": x, "labels": y, "output.disabledLogits": disabled, "output.mergedLogits": merged_logits}
    tensors |= prefixed("output", run["outputs"]) | prefixed("grad", run["gradients"]) | prefixed("delta", run["deltas"]) | prefixed("merged", merged)
    info = {
        "host": "../vit/tiny",
        "adapter": case,
        "made": "peft LoRA on transformers ViTForImageClassification, float64 on the float32 weights",
        "outputs": "logits: adapter active; disabledLogits: within disable_adapter(); mergedLogits: after merge_and_unload(), before training",
        "merged": "the tensors of the host that merge_and_unload() changes, under the names of the checkpoint file",
        "optimizer": {"name": "AdamW", "learningRate": 1e-3, "weightDecay": 0.01, "betas": [0.9, 0.999], "eps": 1e-8, "steps": 5},
        "losses": run["losses"],
        "trainableLine": line,
        "zeroGradient": run["zeroGradient"],
    }
    if case in NOTES:
        info["notes"] = NOTES[case]
    write(SUITE, case, tensors, info)


def old_names() -> None:
    """The first adapter as PEFT on transformers 4 would have it: keys and targets renamed by encoder-hosts.md §1, the same numbers."""
    source, folder = FIXTURES / SUITE / "qv", FIXTURES / SUITE / "qv-hf4"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    save_file({file_name(key): value for key, value in load_file(source / "adapter_model.safetensors").items()}, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    (folder / "adapter_model.safetensors").chmod(0o644)
    config = json.loads((source / "adapter_config.json").read_text())
    write_config(folder, config | {"target_modules": ["query", "value"]})
    write_json(FIXTURES / SUITE / "qv-hf4.json", {"sameAs": "qv", "adapter": "qv-hf4", "made": "the keys of qv rewritten to the names of transformers 4"})


if __name__ == "__main__":
    for name in CASES:
        save(name)
        measure(name)
    old_names()
