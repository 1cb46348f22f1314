"""fixtures/mosa/side: the repository's side network (transfer type "side") on its Swin transformer, forward and backward.

AlexNet's trained weights are not here, and torchvision is not needed for its layers, which stand below under torchvision's
numbers: the repository's class gets them in place of `torchvision.models.alexnet`. All numbers of the network come from the
specification's generator, so that the fixture holds seeds instead of 2.5 million weights.
"""

import sys
from types import SimpleNamespace

import make_swin
import torch
import torch.nn.functional as F
from torch import nn

from common import arr, assert_close, prefixed, write
from mosa_repo import CLASSES, COMMIT, SwinModel, configuration
from stubs import Stub, stubbed

# Their builders of backbones want an older timm, and are not needed for a backbone that is there.
sys.modules["src.models.build_vit_backbone"] = Stub("src.models.build_vit_backbone")
with stubbed({"torchvision": {}}):
    from src.models import vit_models
    from src.models.vit_backbones.swin_transformer import SwinTransformer

# Neither side is a multiple of what six windows want, so that they overlap.
HEIGHT, WIDTH = 160, 128
ALPHA = 0.4
PIXELS, SIDE = 7, 400
# layer: (in, out, kernel, stride, padding, whether a pooling follows)
CONVOLUTIONS = {0: (3, 64, 11, 4, 2, True), 3: (64, 192, 5, 1, 2, True), 6: (192, 384, 3, 1, 1, False), 8: (384, 256, 3, 1, 1, False), 10: (256, 256, 3, 1, 1, True)}


def alexnet(pretrained: bool) -> SimpleNamespace:
    layers: list = []
    for number, (inside, outside, kernel, stride, padding, pooled) in CONVOLUTIONS.items():
        assert len(layers) == number
        layers += [nn.Conv2d(inside, outside, kernel, stride, padding), nn.ReLU()] + [nn.MaxPool2d(3, 2)] * pooled
    return SimpleNamespace(features=nn.Sequential(*layers), avgpool=nn.AdaptiveAvgPool2d(6))


def side_model(encoder: nn.Module, width: int):
    """Their class with their side network and head, around a backbone that is there already."""
    vit_models.models = SimpleNamespace(alexnet=alexnet)
    model = vit_models.Swin.__new__(vit_models.Swin)
    nn.Module.__init__(model)
    model.enc, model.feat_dim, model.froze_enc = encoder, width, True
    model.cfg = SimpleNamespace(MODEL=SimpleNamespace(TRANSFER_TYPE="side", MLP_NUM=0), DATA=SimpleNamespace(NUMBER_CLASSES=CLASSES))
    model.setup_side()
    model.setup_head(model.cfg)
    for parameter in model.enc.parameters():
        parameter.requires_grad_(False)
    return model


class Host(SwinModel):
    """Their Swin transformer without adapters, for pictures of this size."""

    def encoder(self, cfg):
        size = dict(embed_dim=make_swin.TINY["embed_dim"], depths=make_swin.TINY["depths"], num_heads=make_swin.TINY["num_heads"], window_size=make_swin.TINY["window_size"])
        return SwinTransformer(img_size=(HEIGHT, WIDTH), drop_path_rate=0.0, num_classes=-1, **size)


def our_name(official: str) -> str:
    head, part = official.startswith("head.last_layer."), official.removeprefix("side_").removeprefix("side.")
    return f"classifier.{official.split('.')[-1]}" if head else f"side_network.{part}"


def run(dtype) -> dict:
    model = side_model(Host(configuration(learning_rate=0.0)).enc, SwinModel.width)
    trained = {our_name(name): p for name, p in model.named_parameters() if p.requires_grad}
    with torch.no_grad():
        for index, name in enumerate(sorted(name for name in trained if name != "side_network.alpha")):
            p = trained[name]
            # Numbers of about one go in and out of every layer.
            p.copy_(arr(SIDE + index, p.shape, 0.1 if p.dim() == 1 else (6 / p[0].numel()) ** 0.5).float())
        trained["side_network.alpha"].fill_(ALPHA)
    model = model.to(dtype).train()
    x = arr(PIXELS, [2, 3, HEIGHT, WIDTH], 1).float().to(dtype)
    logits = model(x)
    F.cross_entropy(logits, torch.tensor([1, 4])).backward()
    return {"logits": logits.detach(), "gradients": {name: p.grad for name, p in trained.items()}, "shapes": {name: list(p.shape) for name, p in trained.items()}}


def make_side() -> None:
    wide, narrow = run(torch.float64), run(torch.float32)
    assert_close("logits", {"logits": narrow["logits"]}, {"logits": wide["logits"]}, 4e-6)
    largest = max(g.abs().max().item() for g in wide["gradients"].values())
    # Of 100,000 inputs of a ReLU some lie where float32 decides them otherwise; each is one of many.
    assert_close("gradients", narrow["gradients"], wide["gradients"], 1e-5, largest / 1000)
    small = {name: g for name, g in wide["gradients"].items() if g.numel() < 1000}
    counts = {}
    for width in (768, 1024, 1280):
        model = side_model(nn.Identity(), width)
        counts[width] = sum(p.numel() for name, p in model.named_parameters() if "side" in name)
    info = {
        "host": "../swin/tiny",
        "made": f"transfer type side of the MoSA repository at {COMMIT} around its Swin transformer, float64 on float32 weights",
        "pixels": {"seed": PIXELS, "shape": [2, 3, HEIGHT, WIDTH], "amplitude": 1},
        "labels": [1, 4],
        "alpha": ALPHA,
        "weights": "by sorted name without alpha: generator of seed + index, amplitude 0.1 for biases, else sqrt(6 / fan in)",
        "seed": SIDE,
        "shapes": wide["shapes"],
        "counts": {"is": "numbers of the network, its projection and alpha, by the width of the host's features", **counts},
    }
    write("mosa", "side", {"output.logits": wide["logits"]} | prefixed("grad", small), info)
