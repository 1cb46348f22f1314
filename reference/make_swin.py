"""fixtures/swin: Hugging Face Swin on two picture sizes, and the same weights under timm's names."""

import re
import shutil

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from transformers import SwinConfig, SwinForImageClassification
from transformers.utils import logging

from common import FIXTURES, arr, check_generator, close, prefixed, training_run, write, write_json, write_tensors
from stubs import stubbed

with stubbed({"torchvision": {}}):
    import timm
    import timm.models

logging.set_verbosity_error()
logging.disable_progress_bar()
SUITE = "swin"
TINY = dict(embed_dim=16, depths=[2, 2], num_heads=[2, 4], window_size=4, patch_size=4, drop_path_rate=0.0, num_labels=5)
# Three stages of odd grids, a wide window, no biases in the queries, keys and values.
ODD = dict(embed_dim=12, depths=[1, 2, 1], num_heads=[3, 2, 4], window_size=3, patch_size=3, mlp_ratio=2.5, qkv_bias=False, hidden_act="gelu_new", layer_norm_eps=1e-6, drop_path_rate=0.0, num_labels=3)

# transformers 5 in memory -> file (transformers 4). Order matters: o_proj becomes `attention.output.dense`, fc2 `output.dense`.
RENAMES = [
    (r"\.attention\.q_proj\.", ".attention.self.query."),
    (r"\.attention\.k_proj\.", ".attention.self.key."),
    (r"\.attention\.v_proj\.", ".attention.self.value."),
    (r"\.attention\.relative_position_bias\.", ".attention.self."),
    (r"\.attention\.o_proj\.", ".attention.output.dense."),
    (r"\.mlp\.fc1\.", ".intermediate.dense."),
    (r"\.mlp\.fc2\.", ".output.dense."),
]


def file_name(memory: str) -> str:
    for pattern, replacement in RENAMES:
        memory = re.sub(pattern, replacement, memory)
    return memory


def build(config: dict, image_size: int) -> SwinForImageClassification:
    """In float32, with weights of encoder-hosts.md §6.1: by sorted file name, seed 1000 + index, norms around 1."""
    model = SwinForImageClassification(SwinConfig(image_size=image_size, **config)).eval()
    norms = {file_name(f"{name}.weight") for name, module in model.named_modules() if isinstance(module, torch.nn.LayerNorm)}
    parameters = {file_name(name): value for name, value in model.named_parameters()}
    with torch.no_grad():
        for index, name in enumerate(sorted(parameters)):
            shape = parameters[name].shape
            values = 1 + arr(1000 + index, shape, 0.1) if name in norms else arr(1000 + index, shape, 0.2)
            parameters[name].copy_(values.float())
    return model


def save_checkpoint(model, folder) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    (folder / "model.safetensors").chmod(0o644)
    saved = load_file(folder / "model.safetensors")
    assert saved.keys() == {file_name(name) for name, _ in model.named_parameters()}


def trained_case(case: str, checkpoint: str, config: dict, image: torch.Tensor, labels: torch.Tensor, checks=None) -> None:
    size = image.shape[-1]

    def outputs_of(model, dtype):
        result = model(image.to(dtype), output_hidden_states=True)
        hidden = {f"hidden.{i}": h for i, h in enumerate(result.hidden_states)}
        return hidden | {"logits": result.logits, "loss": F.cross_entropy(result.logits, labels)}

    run = training_run(lambda: build(config, size), outputs_of, rename=file_name)
    if checks:
        checks(run["outputs"])
    tensors = {"pixelValues": image, "labels": labels} | prefixed("output", run["outputs"]) | prefixed("grad", run["gradients"]) | prefixed("delta", run["deltas"])
    info = {
        "checkpoint": checkpoint,
        "made": "transformers SwinForImageClassification, float64 on the float32 weights",
        "inputs": ["pixelValues", "labels"],
        "outputs": "hidden.0 is the embeddings' output, hidden.i the output of stage i with its merging",
        "optimizer": {"name": "AdamW", "learningRate": 1e-3, "weightDecay": 0.01, "betas": [0.9, 0.999], "eps": 1e-8, "steps": 5, "trained": "all parameters, the same batch each step"},
        "losses": run["losses"],
        "zeroGradient": run["zeroGradient"],
    }
    write(SUITE, case, tensors, info)


def golden(stem: list, stage: list, logits: list):
    def check(outputs: dict) -> None:
        close(outputs["hidden.0"][0, 0, :4], stem, "stem", 2e-6)
        close(outputs["hidden.1"][0, 0, :4], stage, "stage", 2e-6)
        close(outputs["logits"][0], logits, "logits", 2e-6)

    return check


def timm_names(state: dict, depths: list, is_new: bool) -> dict:
    """encoder-hosts.md §4.4, from file names to timm's: q, k, v are stacked; of the newer names the merging comes a stage later."""
    out = {}
    pairs = {"patch_embed.proj": "swin.embeddings.patch_embeddings.projection", "patch_embed.norm": "swin.embeddings.norm", "norm": "swin.layernorm", "head.fc" if is_new else "head": "classifier"}
    for s, depth in enumerate(depths):
        for i in range(depth):
            block, layer = f"layers.{s}.blocks.{i}", f"swin.encoder.layers.{s}.blocks.{i}"
            pairs |= {f"{block}.norm1": f"{layer}.layernorm_before", f"{block}.attn.proj": f"{layer}.attention.output.dense", f"{block}.norm2": f"{layer}.layernorm_after", f"{block}.mlp.fc1": f"{layer}.intermediate.dense", f"{block}.mlp.fc2": f"{layer}.output.dense"}
            out[f"{block}.attn.relative_position_bias_table"] = state[f"{layer}.attention.self.relative_position_bias_table"]
            for part in ("weight", "bias"):
                out[f"{block}.attn.qkv.{part}"] = torch.cat([state[f"{layer}.attention.self.{name}.{part}"] for name in ("query", "key", "value")])
        if s < len(depths) - 1:
            merging = f"layers.{s + 1 if is_new else s}.downsample"
            out[f"{merging}.reduction.weight"] = state[f"swin.encoder.layers.{s}.downsample.reduction.weight"]
            pairs[f"{merging}.norm"] = f"swin.encoder.layers.{s}.downsample.norm"
    return out | {f"{theirs}.{part}": state[f"{ours}.{part}"] for theirs, ours in pairs.items() for part in ("weight", "bias")}


def timm_case(case: str, image: torch.Tensor) -> None:
    """The tiny weights as a timm checkpoint, with timm's own logits."""
    model_args = dict(img_size=64, patch_size=4, embed_dim=16, depths=(2, 2), num_heads=(2, 4), window_size=4, num_classes=5)
    model = timm.models.SwinTransformer(**model_args).eval()
    state = {file_name(name): value.detach() for name, value in build(TINY, 64).named_parameters()}
    renamed = timm_names(state, TINY["depths"], True)
    missing, unexpected = model.load_state_dict(renamed, strict=False)
    assert not unexpected and all("relative_position_index" in name or "attn_mask" in name for name in missing), (missing, unexpected)
    with torch.no_grad():
        logits = model.double()(image.double())
    for name, is_new in ((case, True), (f"{case}-old", False)):
        folder = FIXTURES / SUITE / name
        folder.mkdir(parents=True, exist_ok=True)
        write_tensors(folder / "model.safetensors", timm_names(state, TINY["depths"], is_new))
        write_json(folder / "config.json", {"architecture": "swin_tiny_patch4_window7_224", "num_classes": 5, "pretrained_cfg": {"input_size": [3, 64, 64]}})
    write(SUITE, case, {"pixelValues": image, "output.logits": logits}, {"checkpoint": case, "made": "timm SwinTransformer, float64", "inputs": ["pixelValues"]})


if __name__ == "__main__":
    check_generator()
    save_checkpoint(build(TINY, 64), FIXTURES / SUITE / "tiny")
    save_checkpoint(build(ODD, 50), FIXTURES / SUITE / "odd")
    large = torch.cat([arr(7, [1, 3, 64, 64], 1), arr(8, [1, 3, 64, 64], 1)]).float()
    small = torch.cat([arr(7, [1, 3, 40, 40], 1), arr(8, [1, 3, 40, 40], 1)]).float()
    trained_case("tiny-64", "tiny", TINY, large, torch.tensor([1, 4]), golden([-0.490439, -0.634389, -0.313928, 0.336111], [-1.504869, -0.156722, -1.172084, 1.086138], [0.357787, 0.324765, 0.193658, 0.087912, -0.425146]))
    trained_case("tiny-40", "tiny", TINY, small, torch.tensor([1, 4]), golden([0.488560, -2.170707, -0.199400, -0.238923], [0.465585, -0.458205, -0.957915, -0.098699], [0.267107, 0.366662, -0.032862, 0.117363, -0.536314]))
    trained_case("odd-50", "odd", ODD, arr(8, [2, 3, 50, 50], 1).float(), torch.tensor([2, 0]))
    timm_case("tiny-timm", large[:1])
