"""fixtures/peft: adapters of Hugging Face PEFT beyond LoRA on linear layers, as `save_pretrained` writes them, on the tiny ViT
host (fixtures/vit/tiny) and on the small host of `small_host.py`.

Case folders hold `adapter_config.json` and `adapter_model.safetensors`; the pair beside a folder holds what the adapted
model computes. Keys of gradients and steps are the keys of the adapter file.
"""

import json
import shutil

import torch
import torch.nn.functional as F
from peft import IA3Config, LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file
from transformers.utils import logging

import small_host
import vit_hosts
from common import FIXTURES, arr, prefixed, training_run, write
from make_lora import trainable_line, write_config
from vit_hosts import TINY, classifier, file_name

logging.set_verbosity_error()
SUITE = "peft"
SMALL = dict(modules_to_save=["head"])
VIT = dict(modules_to_save=["classifier"])
CASES = {
    "lora-layers": LoraConfig(r=4, lora_alpha=8, target_modules=["stem", "mix", "words", "fc1", "fc2"], rank_pattern={"stem": 2}, **SMALL),
    "lora-groups": LoraConfig(r=4, lora_alpha=8, target_modules=["stem", "grouped"], **SMALL),
    "lora-bias": LoraConfig(r=2, lora_alpha=3, target_modules=["stem", "fc1"], lora_bias=True, **SMALL),
    "dora-layers": LoraConfig(r=4, lora_alpha=8, target_modules=["stem", "mix", "words", "fc1", "fc2"], use_dora=True, **SMALL),
    "dora-vit": LoraConfig(r=4, lora_alpha=8, target_modules=["projection", "q_proj", "v_proj", "fc1"], use_dora=True, use_rslora=True, **VIT),
    "ia3-layers": IA3Config(target_modules=["stem", "mix", "grouped", "fc1", "fc2"], feedforward_modules=["mix", "grouped", "fc2"], **SMALL),
    "ia3-vit": IA3Config(target_modules=["k_proj", "v_proj", "fc2"], feedforward_modules=["fc2"], **VIT),
}
UNMERGED = {
    "lora-groups": "PEFT does not merge into convolutions in groups",
    "ia3-roberta": "PEFT 0.21 cannot put back a head of several layers that was trained beside (IA)3",
}


def is_vit(case: str) -> bool:
    return case.endswith("-vit")


def host_of(case: str) -> torch.nn.Module:
    return classifier(TINY) if is_vit(case) else small_host.small_host()


def inputs_of(case: str) -> dict:
    """The batch by the names that the fixture gives it."""
    if is_vit(case):
        return {"pixels": vit_hosts.pixels(TINY), "labels": vit_hosts.labels(TINY)}
    return {"pixels": small_host.pixels(), "ids": small_host.ids(), "labels": small_host.labels()}


def logits_of(model, batch: dict, dtype=torch.float64) -> torch.Tensor:
    pixels = batch["pixels"].to(dtype)
    return model(pixels, batch["ids"]) if "ids" in batch else model(pixels).logits


def move(model, seed: int = 3000) -> None:
    """A and B are numbers of the specification's generator, so that neither is zero; vectors that multiply and copies of the
    host's parameters are moved away from where they start."""
    trained = sorted((name, p) for name, p in model.named_parameters() if p.requires_grad)
    with torch.no_grad():
        for index, (name, parameter) in enumerate(trained):
            values = arr(seed + index, parameter.shape, 0.2).float()
            if "magnitude" in name or "ia3_l" in name:
                parameter.mul_(1 + values)
            else:
                parameter.copy_(values if "lora_" in name else parameter + values)


# Active together, with their folders; each was made as a case or a source of its own.
TOGETHER = {"lora-and-dora": {"first": "lora-a", "second": "dora-a"}}


def build(case: str):
    if case in TOGETHER:
        return build_together(TOGETHER[case])
    model = get_peft_model(host_of(case), CASES[case])
    move(model)
    return model.eval()


def build_together(folders: dict):
    (first, folder), *others = folders.items()
    model = PeftModel.from_pretrained(small_host.small_host(), FIXTURES / SUITE / folder, adapter_name=first, is_trainable=True)
    for name, folder in others:
        model.load_adapter(FIXTURES / SUITE / folder, adapter_name=name, is_trainable=True)
    model.base_model.set_adapter(list(folders))
    return model.eval()


def adapter_key(name: str) -> str:
    """The key in the adapter file of a parameter of the PEFT model, as PEFT itself strips it."""
    name = name.replace(".modules_to_save.default.", ".").replace("lora_magnitude_vector.default.weight", "lora_magnitude_vector")
    for adapter in ("first", "second"):
        if f".{adapter}" in name:
            return f"{adapter}:{adapter_key(name.replace(f'.{adapter}', '.default'))}"
    return name.replace(".default.", ".").removesuffix(".default")


def save(model, folder, **options) -> None:
    """What `save_pretrained` writes, with the sets of its config in one order."""
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder, **options)
    (folder / "README.md").unlink()
    (folder / "adapter_model.safetensors").chmod(0o644)
    config = json.loads((folder / "adapter_config.json").read_text())
    for key in ("target_modules", "feedforward_modules", "modules_to_save"):
        if isinstance(config.get(key), list):
            config[key].sort()
    write_config(folder, config)


def loss_of(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(logits.flatten(0, -2), labels.flatten(), ignore_index=-100)


def measure(case: str) -> None:
    name = "../vit/tiny" if is_vit(case) else "reference/small_host.py"
    write_case(case, TOGETHER.get(case, case), name, lambda: build(case), lambda: host_of(case), inputs_of(case), logits_of, file_name)


def write_case(case, adapter, host_name, build, host_of, batch, logits_of, file_name, eps=1e-8, notes: dict | None = None) -> None:
    """What an adapted model computes, beside the folder that `save` wrote of it. `file_name` gives the checkpoint's name of a
    parameter of the host."""
    folder = FIXTURES / SUITE / case

    def outputs_of(model, dtype):
        logits = logits_of(model, batch, dtype)
        return {"logits": logits, "loss": loss_of(logits, batch["labels"])}

    run = training_run(build, outputs_of, eps=eps, rename=adapter_key)
    model = build().double()
    if adapter == case:
        assert load_file(folder / "adapter_model.safetensors").keys() == run["gradients"].keys()
        reloaded = PeftModel.from_pretrained(host_of(), folder).eval().double()
        with torch.no_grad():
            assert torch.equal(logits_of(reloaded, batch), run["outputs"]["logits"])
    with torch.no_grad(), model.disable_adapter():
        disabled = logits_of(model, batch)
    line = trainable_line(model)
    tensors = batch | {"output.disabledLogits": disabled}
    if case not in UNMERGED:
        before = {file_name(name): p.clone() for name, p in host_of().double().named_parameters()}
        merged_model = model.merge_and_unload()
        with torch.no_grad():
            merged_logits = logits_of(merged_model, batch)
        assert (merged_logits - run["outputs"]["logits"]).abs().max() < 1e-12
        merged = {file_name(name): p for name, p in merged_model.named_parameters() if not torch.equal(p, before[file_name(name)])}
        tensors |= {"output.mergedLogits": merged_logits} | prefixed("merged", merged)
    tensors |= prefixed("output", run["outputs"]) | prefixed("grad", run["gradients"]) | prefixed("delta", run["deltas"])
    info = {
        "host": host_name,
        "adapter": adapter,
        "made": "peft, float64 on the float32 weights",
        "outputs": "logits: adapter active; disabledLogits: within disable_adapter(); mergedLogits: after merge_and_unload(), before training",
        "merged": UNMERGED.get(case, "the tensors of the host that merge_and_unload() changes, under the names of the checkpoint file"),
        "optimizer": {"name": "AdamW", "learningRate": 1e-3, "weightDecay": 0.01, "betas": [0.9, 0.999], "eps": eps, "steps": 5},
        "losses": run["losses"],
        "trainableLine": line,
        "zeroGradient": run["zeroGradient"],
    }
    write(SUITE, case, tensors, info | (notes or {}))


# Adapters to be combined, without a head; those of one method stand on one host together.
EVERY = ["stem", "mix", "words", "fc1", "fc2"]
SOURCES = {
    "lora": {
        "a": LoraConfig(r=4, lora_alpha=8, target_modules=EVERY),
        "b": LoraConfig(r=4, lora_alpha=6, target_modules=["stem", "words", "fc1"]),
        "c": LoraConfig(r=2, lora_alpha=2, target_modules=EVERY),
    },
    "dora": {"a": LoraConfig(r=2, lora_alpha=3, target_modules=["mix", "words", "fc1"], use_dora=True)},
    "ia3": {
        "a": IA3Config(target_modules=["stem", "mix", "fc1"], feedforward_modules=["mix"]),
        "b": IA3Config(target_modules=["stem", "fc1", "fc2"], feedforward_modules=["fc2"]),
    },
}
COMBINATIONS = {
    "lora": {
        "linear": (["a", "b"], [0.7, -0.4], dict(combination_type="linear")),
        "cat": (["a", "b", "c"], [0.7, -0.4, 1.5], dict(combination_type="cat")),
        "svd": (["a", "b"], [0.7, -0.4], dict(combination_type="svd")),
        "svd-rank": (["a", "c"], [1.0, 0.8], dict(combination_type="svd", svd_rank=3)),
        "ties": (["a", "b"], [0.7, 0.6], dict(combination_type="ties", density=0.6)),
        "ties-frequency": (["a", "b"], [0.7, 0.6], dict(combination_type="ties", density=0.6, majority_sign_method="frequency")),
        "ties-svd": (["a", "b", "c"], [0.7, 0.6, 0.5], dict(combination_type="ties_svd", density=0.6)),
        "magnitude-prune": (["a", "b"], [0.7, 0.6], dict(combination_type="magnitude_prune", density=0.3)),
        "magnitude-prune-svd": (["a", "c"], [0.7, 0.6], dict(combination_type="magnitude_prune_svd", density=0.3)),
        "one": (["b"], [0.5], dict(combination_type="svd")),
    },
    "ia3": {"linear": (["a", "b"], [0.6, 0.5], {})},
}


def combine(method: str) -> None:
    """The sources as folders `<method>-<name>`, and the logits of every combination."""
    batch = inputs_of("small")
    sources = SOURCES[method]
    for index, (name, config) in enumerate(sources.items()):
        model = get_peft_model(small_host.small_host(), config)
        move(model, seed=4000 + 100 * index)
        save(model, FIXTURES / SUITE / f"{method}-{name}")
    if method not in COMBINATIONS:
        return
    tensors = {key: batch[key] for key in ("pixels", "ids")}
    for label, (names, weights, options) in COMBINATIONS[method].items():
        model = PeftModel.from_pretrained(small_host.small_host(), FIXTURES / SUITE / f"{method}-{names[0]}", adapter_name=names[0])
        for name in names[1:]:
            model.load_adapter(FIXTURES / SUITE / f"{method}-{name}", adapter_name=name)
        model = model.double().eval()
        model.add_weighted_adapter(names, weights, "combined", **options)
        model.base_model.set_adapter("combined")
        with torch.no_grad():
            tensors[f"output.{label}"] = logits_of(model, batch)
    mixed = {}
    if method == "lora":
        # Each example with an adapter of its own, or none.
        mixed = {"mixed": ["b", "__base__", "a"]}
        model = PeftModel.from_pretrained(small_host.small_host(), FIXTURES / SUITE / "lora-a", adapter_name="a")
        model.load_adapter(FIXTURES / SUITE / "lora-b", adapter_name="b")
        with torch.no_grad():
            tensors["mixed.logits"] = model.double().eval()(batch["pixels"].double(), batch["ids"], adapter_names=mixed["mixed"])
    combinations = {label: {"adapters": names, "weights": weights, **options} for label, (names, weights, options) in COMBINATIONS[method].items()}
    info = {"host": "reference/small_host.py", "made": "peft's add_weighted_adapter, float64 on the float32 weights", "combinations": combinations} | mixed
    write(SUITE, f"{method}-combined", tensors, info)


if __name__ == "__main__":
    for name in CASES:
        print(name, flush=True)
        save(build(name), FIXTURES / SUITE / name)
        measure(name)
    for method in SOURCES:
        print(method, flush=True)
        combine(method)
    for name in TOGETHER:
        print(name, flush=True)
        measure(name)
