"""fixtures/vit: Hugging Face ViT on two tiny configurations, the same weights under timm's names, and a bare model with pooler."""

import shutil

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from transformers import ViTImageProcessor, ViTModel
from transformers.utils import logging

from common import FIXTURES, check_generator, close, prefixed, training_run, write, write_json, write_tensors
from stubs import stubbed
from vit_hosts import ODD, TINY, bare, classifier, file_name, labels, pixels

with stubbed({"torchvision": {}}):
    import timm
    import timm.models

logging.set_verbosity_error()
logging.disable_progress_bar()
SUITE = "vit"


def save_checkpoint(model, config: dict, folder) -> None:
    """The folder as transformers writes it, names of generation 4 in the file."""
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    size = config["image_size"]
    ViTImageProcessor(size={"height": size, "width": size}).save_pretrained(folder)
    (folder / "model.safetensors").chmod(0o644)
    saved = load_file(folder / "model.safetensors")
    assert saved.keys() == {file_name(name) for name, _ in model.named_parameters()}
    for name, parameter in model.named_parameters():
        assert torch.equal(saved[file_name(name)], parameter), name


def classification(case: str, config: dict) -> None:
    save_checkpoint(classifier(config), config, FIXTURES / SUITE / case)
    x, y = pixels(config), labels(config)

    def outputs_of(model, dtype):
        result = model(x.to(dtype), output_hidden_states=True)
        hidden = {f"hidden.{i}": h for i, h in enumerate(result.hidden_states)}
        return hidden | {"lastHidden": model.vit.layernorm(result.hidden_states[-1]), "logits": result.logits, "loss": F.cross_entropy(result.logits, y)}

    run = training_run(lambda: classifier(config), outputs_of, rename=file_name)
    if config is TINY:
        close(run["outputs"]["hidden.0"][0, 0, :4], [-0.059180, 0.090511, -0.014890, -0.015314], "embeddings")
        close(run["outputs"]["hidden.0"][0, 1, :4], [-0.270488, -0.311239, 0.028152, 0.015726], "embeddings")
        close(run["outputs"]["logits"][0], [0.691543, 0.598588, 1.725123, 0.266433, -0.421578], "logits", 2e-6)
    tensors = {"pixels": x, "labels": y} | prefixed("output", run["outputs"]) | prefixed("grad", run["gradients"]) | prefixed("delta", run["deltas"])
    info = {
        "checkpoint": case,
        "made": "transformers ViTForImageClassification, float64 on the float32 weights",
        "outputs": "hidden.0 is the embeddings' output, hidden.i the output of layer i before the final norm; lastHidden is after it",
        "optimizer": {"name": "AdamW", "learningRate": 1e-3, "weightDecay": 0.01, "betas": [0.9, 0.999], "eps": 1e-8, "steps": 5, "trained": "all parameters, the same batch each step"},
        "losses": run["losses"],
        "zeroGradient": run["zeroGradient"],
    }
    write(SUITE, case, tensors, info)


def timm_names(state: dict, layers: int) -> dict:
    """encoder-hosts.md §3.4, from file names to timm's: q, k, v are stacked in this order."""
    out = {
        "cls_token": state["vit.embeddings.cls_token"],
        "pos_embed": state["vit.embeddings.position_embeddings"],
    }
    pairs = {"patch_embed.proj": "vit.embeddings.patch_embeddings.projection", "norm": "vit.layernorm", "head": "classifier"}
    for i in range(layers):
        block, layer = f"blocks.{i}", f"vit.encoder.layer.{i}"
        pairs |= {
            f"{block}.norm1": f"{layer}.layernorm_before",
            f"{block}.attn.proj": f"{layer}.attention.output.dense",
            f"{block}.norm2": f"{layer}.layernorm_after",
            f"{block}.mlp.fc1": f"{layer}.intermediate.dense",
            f"{block}.mlp.fc2": f"{layer}.output.dense",
        }
        for part in ("weight", "bias"):
            out[f"{block}.attn.qkv.{part}"] = torch.cat([state[f"{layer}.attention.attention.{name}.{part}"] for name in ("query", "key", "value")])
    for theirs, ours in pairs.items():
        for part in ("weight", "bias"):
            out[f"{theirs}.{part}"] = state[f"{ours}.{part}"]
    return out


def timm_case(case: str, config: dict) -> None:
    """The weights of a host as a timm checkpoint, with timm's own logits (its layer norms use 1e-6)."""
    model_args = dict(
        img_size=config["image_size"], patch_size=config["patch_size"], embed_dim=config["hidden_size"], depth=config["num_hidden_layers"],
        num_heads=config["num_attention_heads"], mlp_ratio=config["intermediate_size"] / config["hidden_size"], num_classes=config["num_labels"],
    )
    model = timm.models.VisionTransformer(**model_args).eval()
    state = {file_name(name): value.detach() for name, value in classifier(config).named_parameters()}
    renamed = timm_names(state, config["num_hidden_layers"])
    model.load_state_dict(renamed, strict=True)
    x = pixels(config)
    folder = FIXTURES / SUITE / case
    folder.mkdir(parents=True, exist_ok=True)
    write_tensors(folder / "model.safetensors", renamed)
    write_json(folder / "config.json", {"architecture": "vit_tiny_patch16_224", "num_classes": config["num_labels"], "num_features": config["hidden_size"], "model_args": model_args})
    with torch.no_grad():
        logits = model.double()(x.double())
    write(SUITE, case, {"pixels": x, "output.logits": logits}, {"checkpoint": case, "made": "timm VisionTransformer, float64; its layer norms have eps 1e-6", "layerNormEps": 1e-6})


def bare_case(case: str, config: dict) -> None:
    model = bare(config)
    save_checkpoint(model, config, FIXTURES / SUITE / case)
    x = pixels(config)
    with torch.no_grad():
        result = model.double()(x.double())
    close(result.last_hidden_state[0, 0, :4], [-0.200277, 0.312178, 0.500726, 1.501644], "last hidden")
    close(result.pooler_output[0, :4], [-0.018942, -0.573610, -0.702003, 0.154993], "pooler")
    write(SUITE, case, {"pixels": x, "output.lastHidden": result.last_hidden_state, "output.pooler": result.pooler_output}, {"checkpoint": case, "made": "transformers ViTModel with pooler, float64"})


if __name__ == "__main__":
    check_generator()
    classification("tiny", TINY)
    classification("odd", ODD)
    timm_case("tiny-timm", TINY)
    bare_case("tiny-bare", TINY)
