"""Makes fixtures/data/augmentations: what Pillow, torchvision and timm make of pictures, given the same random numbers.

    python3 -m venv .venv && .venv/bin/pip install -r reference/data/requirements.txt
    .venv/bin/pip install --no-deps torchvision==0.28.0 timm==1.0.29 pyyaml==6.0.3
    .venv/bin/python reference/data/make_augmentations.py

In an environment of its own: with torchvision installed, transformers may not import its vision models. torchvision's
compiled operators are not used, and where its build does not fit the one of torch, their names are declared below.

Every random choice of the originals is replaced by one that takes the next of a list of uniform numbers, multiples of
2^-24; the lists are in the fixtures. A normal number takes two of them, by Box and Muller.
"""

import json
import math
import random
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file

try:
    import torchvision  # noqa: F401
except RuntimeError:
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
from timm.data import auto_augment, mixup, random_erasing
from torchvision.transforms import InterpolationMode, RandAugment, RandomResizedCrop, autoaugment
from torchvision.transforms import functional as F

OUT = Path(__file__).parents[2] / "fixtures" / "data" / "augmentations"
rng = np.random.default_rng(11)


def tensor(array):
    return torch.from_numpy(np.array(array, order="C"))


def picture(width, height, low=0, high=255):
    """Smooth colours with noise, then hard edges; levels from `low` to `high`."""
    y, x = np.mgrid[0:height, 0:width]
    smooth = np.stack([x / width, y / height, (x + y) / (width + height)], axis=-1)
    noisy = smooth * 0.7 + rng.random((height, width, 3)) * 0.3
    edges = ((x // 3 + y // 2) % 2)[..., None]
    return (low + np.where((x > width * 0.7)[..., None], edges, noisy) * (high - low)).astype(np.uint8)


SOURCES = {
    "colourful": picture(23, 19),
    "flat": picture(16, 21, 90, 140),
    "square": picture(14, 14),
    "plain": np.full((5, 6, 3), 77, np.uint8),
    "tiny": picture(2, 2),
}
IMAGES = {name: Image.fromarray(array) for name, array in SOURCES.items()}


class Suite:
    """Results by name, with the list of cases that says what each is."""

    def __init__(self, name):
        self.name = name
        self.tensors = {f"source.{key}": tensor(array) for key, array in SOURCES.items()}
        self.cases = []

    def add(self, result=None, **case):
        if result is not None:
            case["name"] = f"case{len(self.cases)}"
            self.tensors[case["name"]] = tensor(result)
        self.cases.append(case)

    def save(self):
        save_file(self.tensors, OUT / f"{self.name}.safetensors", {"cases": json.dumps(self.cases)})


class Numbers:
    """Uniform numbers that the originals take in place of their own; `used` are those taken."""

    def __init__(self, count=4000):
        self.list = (rng.integers(0, 2**24, count) / 2**24).tolist()
        self.used = []

    def __call__(self):
        self.used.append(self.list.pop(0))
        return self.used[-1]

    def below(self, n):
        return int(self() * n)

    def normal(self):
        first, second = self() + 2**-25, self() + 2**-25
        return math.sqrt(-2 * math.log(first)) * math.cos(2 * math.pi * second)


@contextmanager
def replaced(numbers):
    """Python's, NumPy's and torch's random functions, as far as the originals call them."""

    def np_randint(low, high, size=None):
        return low + numbers.below(high - low)

    def np_choice(items, size, replace=True, p=None):
        assert replace and p is None
        return [items[numbers.below(len(items))] for _ in range(size)]

    def torch_randint(low, high, size=None):
        if isinstance(high, tuple):  # torch.randint(high, size)
            low, high = 0, low
        return torch.tensor([low + numbers.below(high - low)])

    def torch_uniform(self, low, high):
        return self.fill_(float(low) + (float(high) - float(low)) * numbers())

    def torch_normal(self):
        return self.copy_(torch.tensor([numbers.normal() for _ in range(self.numel())]).reshape(self.shape))

    with (
        patch.object(random, "random", numbers),
        patch.object(random, "uniform", lambda a, b: a + (b - a) * numbers()),
        patch.object(random, "randint", lambda a, b: a + numbers.below(b - a + 1)),
        patch.object(random, "gauss", lambda mean, deviation: mean + deviation * numbers.normal()),
        patch.object(random, "choice", lambda items: items[numbers.below(len(items))]),
        patch.object(np.random, "choice", np_choice),
        patch.object(np.random, "randint", np_randint),
        patch.object(torch, "randint", torch_randint),
        patch.object(torch.Tensor, "uniform_", torch_uniform),
        patch.object(torch.Tensor, "normal_", torch_normal),
    ):
        yield


def make_colors():
    suite = Suite("color")
    cube = np.stack(np.meshgrid(*[np.arange(0, 256, 17)] * 3, indexing="ij"), -1).reshape(64, 64, 3).astype(np.uint8)
    suite.tensors["source.cube"] = tensor(cube)
    for factor in (-0.5, -0.17, 0.0, 0.31):
        suite.add(F.adjust_hue(Image.fromarray(cube), factor), op="hue", source="cube", value=factor)
    for name, image in IMAGES.items():
        for op, function in (
            ("brightness", F.adjust_brightness),
            ("contrast", F.adjust_contrast),
            ("saturation", F.adjust_saturation),
            ("sharpness", F.adjust_sharpness),
        ):
            for factor in (0, 0.1, 0.63, 1, 1.37, 1.9, 3):
                suite.add(function(image, factor), op=op, source=name, value=factor)
        for factor in (-0.5, -0.3, 0.02, 0.1, 0.5):
            suite.add(F.adjust_hue(image, factor), op="hue", source=name, value=factor)
        suite.add(F.to_grayscale(image, 3), op="grayscale", source=name)
        suite.add(F.invert(image), op="invert", source=name)
        suite.add(F.autocontrast(image), op="autoContrast", source=name)
        suite.add(F.equalize(image), op="equalize", source=name)
        for bits in range(9):
            suite.add(F.posterize(image, bits), op="posterize", source=name, value=bits)
        for threshold in (0, 100, 127.5, 128, 255, 256):
            suite.add(F.solarize(image, threshold), op="solarize", source=name, value=threshold)
        for addend in (0, 33, 110, 128):
            suite.add(auto_augment.solarize_add(image, addend), op="solarizeAdd", source=name, value=addend)
    suite.save()


FILTERS = {"nearest": Image.NEAREST, "bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC}


def make_geometry():
    suite = Suite("geometry")
    matrices = [
        (1, 0.3, 0, 0, 1, 0),
        (1, 0, 0, -0.17, 1, 0),
        (1, 0, 4.5, 0, 1, 0),
        (1, 0, 0, 0, 1, -3.25),
        (1, 0, -30, 0, 1, 0),
        (0.7, 0.2, -1.3, 0.1, 1.4, 2.2),
        (0.5, 0, 0.25, 0, 1.7, -2),
        (-1, 0, 23, 0, -1, 19),
        (2000, 0.5, -9000, 0.001, 1, 0),
    ]
    for key, filter in FILTERS.items():
        for matrix in matrices:
            for name, fill in (("colourful", (128, 3, 255)), ("tiny", (0, 0, 0))):
                image = IMAGES[name]
                result = image.transform(image.size, Image.AFFINE, matrix, filter, fillcolor=fill)
                suite.add(result, op="affine", source=name, matrix=matrix, filter=key, fill=fill)
        for degrees in (0, 30, -30, 7.3, -12.5, 45, 90, 180, 270, 361, 89.999):
            for name in ("colourful", "square"):
                result = IMAGES[name].rotate(degrees, filter, fillcolor=(9, 99, 199))
                suite.add(result, op="rotate", source=name, degrees=degrees, filter=key, fill=(9, 99, 199))
    for mode in ("constant", "edge", "reflect", "symmetric"):
        for name, margins in (("colourful", (1, 2, 3, 4)), ("colourful", (0, 5, 0, 0)), ("tiny", (5, 3, 4, 7)), ("plain", (0, 0, 0, 0))):
            result = F.pad(IMAGES[name], list(margins), fill=(1, 20, 255), padding_mode=mode)
            suite.add(result, op="pad", source=name, margins=margins, mode=mode, fill=(1, 20, 255))
    suite.add(F.vflip(IMAGES["colourful"]), op="flipVertical", source="colourful")
    suite.save()


def make_torchvision():
    suite = Suite("torchvision-rand-augment")
    space = RandAugment()._augmentation_space(31, (19, 23))
    for operation, (magnitudes, signed) in space.items():
        for magnitude in (0, 1, 9, 14, 15, 20, 30) if magnitudes.ndim > 0 else (9,):
            for negative in (False, True) if signed else (False,):
                strength = float(magnitudes[magnitude]) if magnitudes.ndim > 0 else 0.0
                strength = -strength if negative else strength
                interpolation = InterpolationMode.BILINEAR if magnitude in (1, 20) else InterpolationMode.NEAREST
                fill = [100, 110, 120] if magnitude == 20 else None
                result = autoaugment._apply_op(IMAGES["colourful"], operation, strength, interpolation, fill)
                uniforms = [(list(space).index(operation) + 0.5) / len(space)] + ([0.75 if negative else 0.25] if signed else [])
                uniforms = [math.floor(u * 2**24) / 2**24 for u in uniforms]
                suite.add(result, operations=1, operation=operation, magnitude=magnitude, filter=interpolation.value, fill=fill, uniforms=uniforms)
    for i in range(24):
        numbers = Numbers(20)
        with replaced(numbers):
            result = RandAugment(num_ops=3, magnitude=i)(IMAGES["colourful"])
        suite.add(result, operations=3, operation="drawn", magnitude=i, filter="nearest", fill=None, uniforms=numbers.used)
    suite.save()


def make_timm():
    suite = Suite("timm-rand-augment")
    for i in range(90):
        magnitude, increasing = i % 11, i % 2 == 1
        parts = ["rand", f"m{magnitude}", "n3", f"inc{int(increasing)}"]
        options = {"magnitude": magnitude, "operations": 3, "increasing": increasing}
        if i % 3 == 1:
            parts.append("mstd0.5")
            options["magnitudeDeviation"] = 0.5
        if i % 5 == 2:
            parts += ["mstd101", "mmax20"]
            parts = [part for part in parts if part != "mstd0.5"]
            options |= {"magnitudeDeviation": "Infinity", "largestMagnitude": 20}
        if i % 4 != 0:
            parts.append("p1")
            options["probability"] = 1
        hparams = {"translate_const": 100, "img_mean": (124, 116, 104)}
        if i % 7 == 3:
            hparams["interpolation"] = Image.NEAREST
            options["filter"] = "nearest"
        transform = auto_augment.rand_augment_transform("-".join(parts), hparams)
        numbers = Numbers(60)
        with replaced(numbers):
            result = transform(IMAGES["colourful"])
        suite.add(result, config="-".join(parts), options=options | {"fill": [124, 116, 104]}, uniforms=numbers.used)
    suite.save()


def make_random_resized_crop():
    suite = Suite("random-resized-crop")
    settings = [
        ((224, 160), (0.08, 1.0), (3 / 4, 4 / 3)),
        ((33, 50), (0.5, 1.0), (3 / 4, 4 / 3)),
        ((40, 10), (0.9, 1.0), (3 / 4, 4 / 3)),  # mostly falls back
        ((10, 40), (0.9, 1.0), (3 / 4, 4 / 3)),
        ((50, 50), (1.0, 1.0), (0.5, 0.7)),
        ((9, 7), (0.01, 0.2), (0.3, 3.0)),
        ((3, 3), (0.001, 0.02), (0.5, 2.0)),  # too small to be a pixel: falls back to the whole
    ]
    for (width, height), scale, ratio in settings:
        image = Image.new("RGB", (width, height))
        for _ in range(12):
            numbers = Numbers(60)
            with replaced(numbers):
                top, left, h, w = RandomResizedCrop.get_params(image, list(scale), list(ratio))
            suite.add(width=width, height=height, scale=scale, ratio=ratio, uniforms=numbers.used, area={"top": top, "left": left, "width": w, "height": h})
    suite.save()


def make_erasing():
    suite = Suite("random-erasing")
    for i in range(48):
        mode = ("const", "rand", "pixel")[i % 3]
        most = 1 + i // 3 % 3
        arguments = {"probability": 0.8, "mode": mode, "max_count": most, "device": "cpu"}
        if i % 4 == 0:
            arguments |= {"min_area": 0.3, "max_area": 0.9, "min_aspect": 0.2, "max_aspect": 2.0}
        erasing = random_erasing.RandomErasing(**arguments)
        numbers = Numbers()
        pixels = torch.full((3, 11, 13), 7.0)
        with replaced(numbers):
            erasing(pixels)
        suite.add(
            pixels,
            mode=mode,
            area=[erasing.min_area, erasing.max_area],
            ratio=[0.2, 2.0] if i % 4 == 0 else [0.3, 1 / 0.3],
            count=[1, most],
            uniforms=numbers.used,
        )
    suite.save()


def make_mixup():
    """Shares are exact in float32; the boxes come from uniform numbers, and what is cut where is the fixture's choice."""
    suite = Suite("mixup")
    for count in (4, 6):
        for mode in ("batch", "pair", "elem"):
            for kind in ("mixup", "cutmix", "both", "sides"):
                pixels = torch.from_numpy(rng.standard_normal((count, 3, 9, 8)).astype(np.float32))
                labels = torch.from_numpy(rng.integers(0, 5, count))
                groups = {"batch": 1, "pair": count // 2, "elem": count}[mode]
                shares = [1.0 if rng.random() < 0.15 and mode != "batch" else float(np.float32(rng.random())) for _ in range(groups)]
                cuts = [kind in ("cutmix", "sides") or (kind == "both" and rng.random() < 0.5) for _ in range(groups)]
                mix = mixup.Mixup(1.0, 1.0, (0.2, 0.7) if kind == "sides" else None, mode=mode, label_smoothing=0.1, num_classes=5)
                numbers = Numbers(100)
                mix._params_per_batch = lambda: (shares[0], cuts[0])
                mix._params_per_elem = lambda n: (np.array(shares, np.float32), np.array(cuts))
                start, end = pixels.clone(), pixels.clone()
                with replaced(numbers):
                    end, targets = mix(end, labels)
                name = f"mix{len(suite.cases)}"
                suite.tensors |= {f"{name}.pixels": start, f"{name}.labels": labels.int(), f"{name}.mixed": end, f"{name}.targets": targets}
                suite.add(label=name, mode=mode, kind=kind, shares=shares, cuts=cuts, uniforms=numbers.used)
    suite.save()


OUT.mkdir(parents=True, exist_ok=True)
make_colors()
make_geometry()
make_torchvision()
make_timm()
make_random_resized_crop()
make_erasing()
make_mixup()
