"""The official MoSA classes on the tiny host: import, configuration, weights, names.

The repository (github.com/Theia-4869/MoSA, CC-BY-NC 4.0) is run, never copied: `MOSA_REPO` names a checkout at the pinned
commit. Only its Python files are needed. Its missing dependencies are stood in for (stubs.py).
"""

import os
import re
import subprocess
import sys
import warnings
from types import SimpleNamespace

import make_swin
import numpy as np
import torch
import torch.nn as nn

from stubs import stubbed
from vit_hosts import TINY, classifier, file_name

COMMIT = "286cc0fdb3297dc12fb7bc5d79f101049a92467d"
CLASSES = TINY["num_labels"]
SWIN_SIZE = 64


class ConfigDict(dict):
    """The little that the repository uses of ml_collections.ConfigDict."""

    __getattr__ = dict.__getitem__
    __setattr__ = dict.__setitem__


def checkout() -> str:
    path = os.environ.get("MOSA_REPO")
    if not path:
        sys.exit("MOSA_REPO must name a checkout of the MoSA repository (reference/README.md)")
    head = subprocess.run(["git", "-C", path, "rev-parse", "HEAD"], capture_output=True, text=True)
    if head.stdout.strip() != COMMIT:
        sys.exit(f"MOSA_REPO is at {head.stdout.strip() or 'no commit'}, the fixtures are made from {COMMIT}")
    changed = subprocess.run(["git", "-C", path, "status", "--porcelain", "--untracked-files=no", "--", "src"], capture_output=True, text=True)
    if changed.stdout.strip():
        sys.exit("MOSA_REPO has changes under src; check it out anew")
    return path


sys.path.insert(0, checkout())
warnings.filterwarnings("ignore", message="Importing from timm.models.layers")
sys.dont_write_bytecode = True
UNUSED = ["turtle", "scipy", "simplejson", "termcolor", "iopath", "fvcore", "wandb", "sklearn", "torchvision"]
with stubbed({name: {} for name in UNUSED} | {"ml_collections": {"ConfigDict": ConfigDict}}):
    from src.engine import trainer as official_trainer
    from src.models.mlp import MLP
    from src.models.vit_adapter import swin_mosa, vit_adapter, vit_mosa, vit_mosl
    from src.models.vit_backbones import vit
    from src.solver.losses import build_loss, symmetric_KL_loss
    from src.solver.lr_scheduler import make_scheduler
    from src.solver.optimizer import make_optimizer
    from src.utils.pruner import Rand

# Their AdamW calls add_(scalar, tensor), which torch still takes and warns of.
warnings.filterwarnings("ignore", message="This overload of add")
warnings.filterwarnings("ignore", message="torch.meshgrid")

# A model of theirs is chosen by name from this table. Dropout 0: their ViT drops at rate 0.1 while adapters train.
vit.CONFIGS["tiny"] = ConfigDict(
    patches=ConfigDict(size=(TINY["patch_size"], TINY["patch_size"])),
    hidden_size=TINY["hidden_size"],
    transformer=ConfigDict(mlp_dim=TINY["intermediate_size"], num_heads=TINY["num_attention_heads"], num_layers=TINY["num_hidden_layers"], attention_dropout_rate=0.0, dropout_rate=0.0),
    classifier="token",
    representation_size=None,
)


def configuration(*, learning_rate: float, warmup: int = 0, epochs: int = 1, lora: dict | None = None, **adapter) -> SimpleNamespace:
    """Their configuration tree: defaults of configs/config.py, `adapter` over MODEL.ADAPTER, `lora` over MODEL.LORA."""
    adapter_defaults = dict(
        BOTTLENECK_SIZE=8, STYLE="AdaptFormer", SCALAR=0.1, DROPOUT=0.0, MOE=False, BIAS=True, EXPERT_NUM=4, MERGE="add", SHARE=None,
        ADDITIONAL=False, DEEPREG=False, ADD_WEIGHT=0.0, REG_WEIGHT=1.0,
    )
    return SimpleNamespace(
        DBG=False,
        MODEL=SimpleNamespace(
            TRANSFER_TYPE="mosl" if lora else "mosa" if adapter.get("MOE") else "adapter",
            ADAPTER=SimpleNamespace(**(adapter_defaults | adapter)),
            LORA=SimpleNamespace(**(dict(DEEPREG=False, ADDITIONAL=False, MOE=True, MODE="qv", SCALAR=1.0, DROPOUT=0.0) | (lora or {}))),
        ),
        SOLVER=SimpleNamespace(
            LOSS="softmax", OPTIMIZER="adamw", WEIGHT_DECAY=1e-4, BASE_LR=learning_rate, BIAS_MULTIPLIER=1.0, DBG_TRAINABLE=False,
            SCHEDULER="cosine", WARMUP_EPOCH=warmup, TOTAL_EPOCH=epochs,
        ),
    )


class Model(nn.Module):
    """Backbone `enc` and head `head`, as their ViT class holds them; what is trained is chosen by their rule on names."""

    def __init__(self, cfg):
        super().__init__()
        self.enc = self.encoder(cfg)
        for name, parameter in self.enc.named_parameters():
            parameter.requires_grad_(("adapter" in name or "lora" in name) and "merge" not in name)
        self.head = MLP(self.width, [CLASSES], special_bias=True)
        self.load_host()

    width = TINY["hidden_size"]

    def encoder(self, cfg):
        if cfg.MODEL.TRANSFER_TYPE == "mosl":
            return vit_mosl.MoSLVisionTransformer("tiny", TINY["image_size"], num_classes=-1, lora_cfg=cfg.MODEL.LORA)
        family = vit_mosa.MoSAVisionTransformer if cfg.MODEL.ADAPTER.MOE else vit_adapter.AdaptedVisionTransformer
        return family("tiny", TINY["image_size"], num_classes=-1, adapter_cfg=cfg.MODEL.ADAPTER)

    def forward(self, pixels):
        return self.head(self.enc(pixels))

    def load_host(self) -> None:
        """The backbone of fixtures/vit/tiny; the head keeps their initialisation."""
        own = dict(self.named_parameters())
        with torch.no_grad():
            for name, value in classifier(TINY).named_parameters():
                if not name.startswith("classifier"):
                    own[official_name(file_name(name))].copy_(value)


class SwinModel(Model):
    """The same with their Swin transformer on the tiny Swin host. No stochastic depth, as no dropout above."""

    width = make_swin.TINY["embed_dim"] * 2

    def encoder(self, cfg):
        shape = dict(embed_dim=make_swin.TINY["embed_dim"], depths=make_swin.TINY["depths"], num_heads=make_swin.TINY["num_heads"], window_size=make_swin.TINY["window_size"])
        return swin_mosa.MoSASwinTransformer(adapter_config=cfg.MODEL.ADAPTER, img_size=SWIN_SIZE, drop_path_rate=0.0, num_classes=-1, **shape)

    def load_host(self) -> None:
        """The backbone of fixtures/swin/tiny, whose names in timm's older form are theirs."""
        state = {make_swin.file_name(name): value.detach() for name, value in make_swin.build(make_swin.TINY, SWIN_SIZE).named_parameters()}
        theirs = {name: value for name, value in make_swin.timm_names(state, make_swin.TINY["depths"], False).items() if not name.startswith("head.")}
        missing, unexpected = self.enc.load_state_dict(theirs, strict=False)
        assert not unexpected and all(re.search("adapter|relative_position_index|attn_mask", name) for name in missing), (missing, unexpected)


HOST_NAMES = [
    (r"^vit\.layernorm\.", "enc.transformer.encoder.encoder_norm."),
    (r"^vit\.embeddings\.patch_embeddings\.projection\.", "enc.transformer.embeddings.patch_embeddings."),
    (r"^vit\.embeddings\.", "enc.transformer.embeddings."),
    (r"^vit\.encoder\.", "enc.transformer.encoder."),
    (r"\.attention\.attention\.", ".attn."),
    (r"\.attention\.output\.dense\.", ".attn.out."),
    (r"\.layernorm_before\.", ".attention_norm."),
    (r"\.layernorm_after\.", ".ffn_norm."),
    (r"\.intermediate\.dense\.", ".ffn.fc1."),
    (r"\.output\.dense\.", ".ffn.fc2."),
]


def official_name(name: str) -> str:
    """Their name of a tensor of a Hugging Face ViT file."""
    for pattern, replacement in HOST_NAMES:
        name = re.sub(pattern, replacement, name)
    return name


def our_place(official: str, method: str) -> tuple[str, int | None]:
    """Our key of one of their trained tensors, and the expert it belongs to (None: not split)."""
    if official.startswith("head.last_layer."):
        return f"base_model.model.classifier.{official.split('.')[-1]}", None
    ending = r"(?:\.(?P<expert>\d+))?\.(?P<kind>weight|bias)"
    patterns = [
        r"enc\.transformer\.encoder\.(?P<block>layer\.\d+)\.adapter_(?P<part>norm|down|up)(?P<side>_attn|_ffn)?",
        r"enc\.transformer\.encoder\.(?P<block>layer\.\d+)\.attn\.lora_(?P<part>A|B)(?P<side>_[qkvo])",
        r"enc\.(?P<block>layers\.\d+\.blocks\.\d+)\.mlp\.adapter_(?P<part>down|up)(?P<side>)",
    ]
    found = next(filter(None, (re.fullmatch(pattern + ending, official) for pattern in patterns)), None)
    assert found, official
    block, part, side, expert, kind = found.group("block", "part", "side", "expert", "kind")
    host = "swin" if block.startswith("layers") else "vit"
    part = {"A": "down", "B": "up"}.get(part, part)
    side = {"_attn": "attention.", "_ffn": "ffn.", "_q": "query.", "_k": "key.", "_v": "value.", "_o": "output."}.get(side, "")
    return f"base_model.model.{host}.encoder.{block}.{method}.{side}{part}.{kind}", None if expert is None else int(expert)


class Recorded:
    """Stands for a function, keeps what it returned."""

    def __init__(self, function):
        self.function, self.values = function, []

    def __call__(self, *args, **kwargs):
        value = self.function(*args, **kwargs)
        self.values.append(value.item())
        return value


def double_kl(p, q):
    """Their symmetric_KL_loss without its casts to float32, for the float64 run."""
    lp, lq = p.log_softmax(-1), q.log_softmax(-1)
    kl = lambda target, log_input: nn.functional.kl_div(log_input, target.detach().exp(), reduction="batchmean")
    return 0.5 * (kl(lq, lp) + kl(lp, lq))


class Step:
    """Their Trainer.forward_one_batch, with its loss terms recorded."""

    def __init__(self, cfg, model, dtype, noise: torch.Generator | None = None):
        self.trainer = trainer = official_trainer.Trainer.__new__(official_trainer.Trainer)
        trainer.cfg, trainer.model, trainer.device = cfg, model, torch.device("cpu")
        trainer.args = SimpleNamespace(sparse_train=cfg.MODEL.ADAPTER.MOE)
        trainer.cls_weights = np.ones(CLASSES, dtype=np.float64 if dtype is torch.float64 else np.float32)
        trainer.optimizer = make_optimizer([model], cfg.SOLVER)
        self.scheduler = make_scheduler(trainer.optimizer, cfg.SOLVER)
        # The repository runs on torch 1.11, where zero_grad() writes zeros; since torch 2.0 it takes gradients away, and an
        # expert that is not drawn would keep still instead of moving on its moments.
        zero_grad = trainer.optimizer.zero_grad
        trainer.optimizer.zero_grad = lambda: zero_grad(set_to_none=False)
        criterion = build_loss(cfg)
        self.ce = Recorded(criterion)
        self.ce.is_local = criterion.is_local
        trainer.cls_criterion = self.ce
        self.kl = Recorded(double_kl if dtype is torch.float64 else symmetric_KL_loss)
        self.noise = noise
        trainer.optimizer.register_step_pre_hook(lambda *_: self.before_update())
        self.gradients: dict = {}

    def before_update(self) -> None:
        """Keeps the gradients as the optimizer gets them (masked); adds noise of float32's size where that is asked for."""
        trained = {name: p for name, p in self.trainer.model.named_parameters() if p.requires_grad}
        self.gradients = {name: p.grad.clone() for name, p in trained.items() if p.grad is not None}
        for p in trained.values():
            if self.noise and p.grad is not None:
                p.grad += torch.randn(p.shape, generator=self.noise, dtype=p.dtype) * p.grad.abs().max() * 1e-7 * (p.grad != 0)

    def run(self, pixels, labels) -> torch.Tensor:
        official_trainer.symmetric_KL_loss = self.kl
        self.ce.values.clear()
        self.kl.values.clear()
        loss, _, outputs = self.trainer.forward_one_batch(pixels, labels, True)
        assert isinstance(loss, torch.Tensor)
        self.loss = loss.item()
        return outputs
