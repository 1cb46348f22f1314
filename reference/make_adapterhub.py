"""fixtures/adapterhub: bottleneck adapters of AdapterHub's library `adapters` 1.2.0 in its files, and what hosts compute with them.

The adapters are the library's own modules (`Adapter`, `ParallelAdapter`), made from its own configs and called as its
`BottleneckLayer` calls a single adapter. The library as a whole needs transformers 4.57, so that its modules stand in the blocks
of transformers 5 here; the places and their names are those of its `models/vit` and `models/bert`. `ADAPTERS_REPO` names a
checkout of github.com/adapter-hub/adapters at the pinned commit.

Norms inside the adapters, where they have some, get the epsilon that ours have, 1e-6 instead of 1e-5.
"""

import importlib
import json
import os
import subprocess
import sys
import types
from pathlib import Path

import torch

import vit_hosts
from common import FIXTURES, arr, assert_close, write, write_tensors
from make_prompts import arguments, host_of, inputs_of
from stubs import Stub

SUITE = "adapterhub"
COMMIT = "88f18ebd6c127f0e0ddf7c76cb84b37a39b82c12"
NAME = "task"
EPSILON = 1e-6
PARALLEL = dict(non_linearity="gelu", reduction_factor=8, scaling=0.1, init_weights="mam_adapter", is_parallel=True, ln_before=True)
CASES = {
    "vit-adaptformer": ("vit/tiny", "BnConfig", dict(mh_adapter=False, output_adapter=True, **PARALLEL)),
    "vit-pfeiffer": ("vit/tiny", "BnConfig", dict(mh_adapter=False, output_adapter=True, non_linearity="relu", reduction_factor=8, ln_before=True)),
    "vit-houlsby": ("vit/tiny", "DoubleSeqBnConfig", dict(non_linearity="silu", reduction_factor=4, original_ln_before=True)),
    "vit-double": ("vit/tiny", "DoubleSeqBnConfig", dict(reduction_factor=4)),
    "bert-double": ("bert/tiny-sequence", "DoubleSeqBnConfig", dict(reduction_factor=6)),
    "bert-parallel": ("bert/tiny-sequence", "ParBnConfig", dict(reduction_factor=2)),
    "bert-parallel-learned": ("bert/tiny-sequence", "ParBnConfig", dict(reduction_factor=4, scaling="learned", leave_out=[0])),
}


def library():
    """The modules of its source that these adapters need; what else those import is stood in for."""
    path = os.environ.get("ADAPTERS_REPO")
    if not path:
        sys.exit("ADAPTERS_REPO must name a checkout of the library adapters (reference/README.md)")
    head = subprocess.run(["git", "-C", path, "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip()
    if head != COMMIT:
        sys.exit(f"ADAPTERS_REPO is at {head or 'no commit'}, the fixtures are made from {COMMIT}")
    root = Path(path) / "src" / "adapters"
    for name, folder in {"adapters": root, "adapters.methods": root / "methods"}.items():
        package = types.ModuleType(name)
        package.__path__ = [str(folder)]
        sys.modules[name] = package
    for name in ["adapters.utils", "adapters.context", "adapters.configuration.model_adapters_config"]:
        sys.modules[name] = Stub(name)
    sys.dont_write_bytecode = True
    return importlib.import_module("adapters.methods.modeling"), importlib.import_module("adapters.configuration.adapter_config")


modeling, configs = library()


def make(config, width: int) -> torch.nn.Module:
    kind = modeling.ParallelAdapter if config.is_parallel else modeling.Adapter
    adapter = kind(NAME, width, int(width // config.reduction_factor), config)
    for module in adapter.modules():
        if isinstance(module, torch.nn.LayerNorm):
            module.eps = EPSILON
    return adapter


def sum_with(adapter, branch, skip, norm):
    """What `BottleneckLayer` makes of a sub-layer's output and its residual input, with one adapter or none."""
    if adapter is None:
        return norm(branch + skip) if norm else branch + skip
    hidden, _, residual = adapter.pre_forward(branch, skip, norm)
    return adapter.post_forward(adapter(hidden, residual)[0], branch, skip, norm)


def attach_vit(layer, attention, output) -> None:
    def forward(x, attention_mask=None, **_):
        h = sum_with(attention, layer.attention(layer.layernorm_before(x), attention_mask)[0], x, None)
        return sum_with(output, layer.mlp(layer.layernorm_after(h)), h, None)

    layer.forward = forward


def attach_bert(layer, attention, output) -> None:
    for module, adapter in [(layer.attention.output, attention), (layer.output, output)]:
        module.forward = lambda x, skip, module=module, adapter=adapter: sum_with(adapter, module.dense(x), skip, module.LayerNorm)


# The blocks, how adapters come into one, and the places of the adapters in it.
FAMILIES = {
    "vit": (lambda host: host.vit.layers, attach_vit, "vit.encoder.layer.{}.attention_adapters", "vit.encoder.layer.{}.output.output_adapters"),
    "bert": (lambda host: host.bert.encoder.layer, attach_bert, "bert.encoder.layer.{}.attention.output", "bert.encoder.layer.{}.output"),
}


def build(case: str):
    folder, kind, options = CASES[case]
    config = getattr(configs, kind)(**options)
    host = vit_hosts.classifier(vit_hosts.TINY) if folder.startswith("vit") else host_of(folder)
    blocks, attach, *places = FAMILIES[case.split("-")[0]]
    adapters = {}
    for index, layer in enumerate(blocks(host)):
        mine = []
        for place, wanted in zip(places, [config.mh_adapter, config.output_adapter]):
            present = wanted and index not in config.leave_out
            mine.append(make(config, host.config.hidden_size) if present else None)
            if present:
                adapters[f"{place.format(index)}.adapters.{NAME}"] = mine[-1]
        attach(layer, *mine)
    with torch.no_grad():
        for index, name in enumerate(sorted(numbers := dict(named(adapters)))):
            numbers[name].copy_((1.0 if "norm" in name and name.endswith("weight") else 0.0) + arr(5000 + index, numbers[name].shape, 0.3).float())
    return host.eval(), adapters, config


def named(adapters: dict):
    """Each parameter once. A norm is a module twice in an adapter, and in the file."""
    for place, adapter in adapters.items():
        for name, parameter in adapter.named_parameters():
            yield f"{place}.{name}", parameter


def stored(adapters: dict) -> dict:
    return {f"{place}.{name}": value for place, adapter in adapters.items() for name, value in adapter.state_dict().items()}


def logits(case: str, dtype) -> torch.Tensor:
    host, adapters, _ = build(case)
    host.to(dtype)
    for adapter in adapters.values():
        adapter.to(dtype)
    batch = batch_of(case)
    with torch.no_grad():
        if "pixels" in batch:
            return host(batch["pixels"].to(dtype)).logits
        return host(**arguments(batch)).logits


def batch_of(case: str) -> dict:
    folder = CASES[case][0]
    batch = {"pixels": vit_hosts.pixels(vit_hosts.TINY)} if folder.startswith("vit") else inputs_of(folder)
    return {name: value for name, value in batch.items() if name != "labels"}


def save(case: str) -> None:
    host, adapters, config = build(case)
    folder = FIXTURES / SUITE / case
    folder.mkdir(parents=True, exist_ok=True)
    write_tensors(folder / "adapter.safetensors", stored(adapters))
    meta = dict(
        config=config.to_dict(),
        hidden_size=host.config.hidden_size,
        model_class=type(host).__name__,
        model_name=None,
        model_type=host.config.model_type,
        name=NAME,
        version="adapters.1.2.0",
    )
    (folder / "adapter_config.json").write_text(json.dumps(meta, indent=2, sort_keys=True))


if __name__ == "__main__":
    for case, (folder, kind, options) in CASES.items():
        wide = logits(case, torch.float64)
        assert_close("logits", {"logits": logits(case, torch.float32)}, {"logits": wide}, 4e-6)
        save(case)
        batch = batch_of(case)
        named_inputs = {} if "pixels" in batch else {"inputs": list(batch)}
        write(SUITE, case, {**batch, "output.logits": wide}, dict(host=f"../{folder}", config=kind, options=options, **named_inputs))
