"""Makes fixtures/data: pictures as Pillow decodes and resizes them, numbers as transformers normalises them, files as
safetensors and huggingface_hub write them.

    python3 -m venv .venv && .venv/bin/pip install -r reference/data/requirements.txt
    .venv/bin/python reference/data/make_fixtures.py
"""

import io
import json
import struct
import zlib
from pathlib import Path

import numpy as np
import torch
from huggingface_hub import save_torch_state_dict
from PIL import Image
from safetensors.torch import save_file
from transformers.image_transforms import center_crop, normalize, rescale
from transformers.image_utils import (
    IMAGENET_DEFAULT_MEAN,
    IMAGENET_DEFAULT_STD,
    IMAGENET_STANDARD_MEAN,
    IMAGENET_STANDARD_STD,
    OPENAI_CLIP_MEAN,
    OPENAI_CLIP_STD,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

OUT = Path(__file__).parents[2] / "fixtures" / "data"
rng = np.random.default_rng(7)


def tensor(array):
    return torch.from_numpy(np.array(array, order="C"))


def picture(width, height):
    """Smooth colours, noise, and hard black-and-white edges, where fixed-point weights overshoot and are clipped."""
    y, x = np.mgrid[0:height, 0:width]
    smooth = np.stack([x * 255 / width, y * 255 / height, (x + y) * 255 / (width + height)], axis=-1)
    noisy = smooth * 0.7 + rng.integers(0, 77, (height, width, 3))
    edges = ((x // 3 + y // 2) % 2 * 255)[..., None]
    return np.where((x > width * 0.6)[..., None], edges, noisy).astype(np.uint8)


def make_resize():
    source = picture(37, 29)
    tensors = {"source": tensor(source)}
    cases = []
    sizes = [(53, 41), (16, 12), (37, 10), (11, 29), (5, 40), (1, 1), (37, 29)]
    boxes = [(3.3, 2.7, 30.1, 25.9), (0, 0, 37, 11), (5, 0, 25, 29), (12.25, 7.5, 14, 8.75)]
    image = Image.fromarray(source)
    for resampling in Image.Resampling:
        todo = [(size, None) for size in sizes] + [((20, 17), box) for box in boxes]
        if resampling == Image.Resampling.HAMMING:
            todo.append(((186, 5), None))  # shows that the window's constants are float32
        for (width, height), box in todo:
            name = f"case{len(cases)}"
            result = image.resize((width, height), resampling, box=box)
            tensors[name] = tensor(np.asarray(result))
            cases.append({"name": name, "filter": resampling.name.lower(), "width": width, "height": height, "box": box})
    save_file(tensors, OUT / "resize.safetensors", {"cases": json.dumps(cases)})


def png(width, height, depth, colour_type, rows, chunks=()):
    """A PNG file of kinds that Pillow reads and does not write. `rows` is big-endian bytes without filter bytes."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    stride = len(rows) // height
    filtered = b"".join(b"\0" + rows[i * stride : (i + 1) * stride] for i in range(height))
    parts = [chunk(b"IHDR", header), *(chunk(*c) for c in chunks), chunk(b"IDAT", zlib.compress(filtered)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def make_decode():
    folder = OUT / "decode"
    folder.mkdir(exist_ok=True)
    width, height = 21, 17
    rgb = Image.fromarray(picture(width, height))
    alpha = Image.fromarray(rng.integers(0, 256, (height, width), dtype=np.uint8))
    grey = rgb.convert("L")
    rgba = rgb.copy()
    rgba.putalpha(alpha)
    grey_alpha = grey.copy()
    grey_alpha.putalpha(alpha)
    palette = rgb.quantize(32)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter

    files = {}

    def save(name, image, **options):
        buffer = io.BytesIO()
        image.save(buffer, **options)
        files[name] = buffer.getvalue()

    save("rgb.png", rgb, format="PNG")
    save("rgba.png", rgba, format="PNG")
    save("grey.png", grey, format="PNG")
    save("grey-alpha.png", grey_alpha, format="PNG")
    save("palette.png", palette, format="PNG")
    save("palette-transparent.png", palette, format="PNG", transparency=3)
    save("one-bit.png", grey.convert("1"), format="PNG")
    save("colour.jpg", rgb, format="JPEG", quality=90)
    save("progressive.jpg", rgb, format="JPEG", quality=75, progressive=True)
    save("full-chroma.jpg", rgb, format="JPEG", quality=95, subsampling=0)
    save("grey.jpg", grey, format="JPEG")
    save("turned-by-exif.jpg", rgb, format="JPEG", exif=exif)
    save("lossless.webp", rgba, format="WEBP", lossless=True, exact=True)
    save("lossy.webp", rgb, format="WEBP", quality=80)
    save("still.gif", palette, format="GIF")
    save("moving.gif", palette, format="GIF", save_all=True, append_images=[palette.transpose(Image.Transpose.ROTATE_180)])
    save("colour.tif", rgb, format="TIFF", compression="tiff_lzw")
    save("cmyk.jpg", rgb.convert("CMYK"), format="JPEG")

    def wide(channels):
        return rng.integers(0, 65536, (height, width, channels)).astype(">u2").tobytes()

    low_grey = rng.integers(0, 600, (height, width)).astype(">u2").tobytes()
    files["grey16.png"] = png(width, height, 16, 0, low_grey)
    files["rgb16.png"] = png(width, height, 16, 2, wide(3))
    files["grey-alpha16.png"] = png(width, height, 16, 4, wide(2))
    files["rgba16.png"] = png(width, height, 16, 6, wide(4))
    files["gamma.png"] = png(width, height, 8, 2, rgb.tobytes(), [(b"gAMA", struct.pack(">I", 100000))])

    expected = {}
    for name, data in files.items():
        (folder / name).write_bytes(data)
        expected[name] = tensor(np.asarray(Image.open(folder / name).convert("RGB")))
    del expected["cmyk.jpg"]  # refused by us
    save_file(expected, OUT / "decode.safetensors")


def make_normalize():
    levels = np.arange(256, dtype=np.uint8)
    rgb = np.stack([levels] * 3, axis=-1)[None]  # [1, 256, 3]
    tensors, cases = {}, []
    sets = {
        "imagenet": (IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD),
        "half": (IMAGENET_STANDARD_MEAN, IMAGENET_STANDARD_STD),
        "clip": (OPENAI_CLIP_MEAN, OPENAI_CLIP_STD),
    }
    for name, (mean, std) in sets.items():
        for scale in [1 / 255, 1 / 127.5]:
            key = f"{name}-{len(cases)}"
            result = normalize(rescale(rgb, scale, input_data_format="channels_last"), mean, std, input_data_format="channels_last")
            tensors[key] = tensor(result.transpose(2, 0, 1))
            cases.append({"name": key, "mean": list(mean), "std": list(std), "rescale": scale})
        # torchvision's ToTensor and Normalize, written out.
        key = f"{name}-torchvision"
        chw = torch.from_numpy(rgb.transpose(2, 0, 1).copy()).to(torch.float32).div(255)
        m, s = (torch.tensor(v, dtype=torch.float32).view(-1, 1, 1) for v in (mean, std))
        tensors[key] = chw.sub_(m).div_(s).contiguous()
        cases.append({"name": key, "mean": list(mean), "std": list(std)})

    source = picture(45, 34)
    tensors["source"] = tensor(source)
    image = Image.fromarray(source)
    vit = ViTImageProcessorPil(size={"height": 24, "width": 24})
    tensors["vit"] = tensor(vit(image, return_tensors="np")["pixel_values"][0])
    clip = CLIPImageProcessorPil(size={"shortest_edge": 24}, crop_size={"height": 23, "width": 23})
    tensors["clip"] = tensor(clip(image, return_tensors="np")["pixel_values"][0])
    save_file(tensors, OUT / "normalize.safetensors", {"cases": json.dumps(cases)})


def torchvision_center_crop(image, height, width):
    """torchvision.transforms.functional.center_crop of a PIL picture, written out."""
    w, h = image.size
    if width > w or height > h:
        left = (width - w) // 2 if width > w else 0
        top = (height - h) // 2 if height > h else 0
        padded = Image.new("RGB", (max(width, w), max(height, h)))
        padded.paste(image, (left, top))
        image, (w, h) = padded, padded.size
    top, left = int(round((h - height) / 2.0)), int(round((w - width) / 2.0))
    return np.asarray(image.crop((left, top, left + width, top + height)))


def make_crop():
    source = picture(9, 8)
    tensors, cases = {"source": tensor(source)}, []
    for width, height in [(9, 8), (4, 3), (6, 5), (7, 7), (1, 2), (12, 4), (4, 13), (14, 11), (10, 9), (8, 1)]:
        for rule in ["transformers", "torchvision"]:
            if rule == "transformers":
                result = center_crop(source, (height, width), input_data_format="channels_last")
            else:
                result = torchvision_center_crop(Image.fromarray(source), height, width)
            name = f"case{len(cases)}"
            tensors[name] = tensor(result)
            cases.append({"name": name, "width": width, "height": height, "rule": rule})
    save_file(tensors, OUT / "crop.safetensors", {"cases": json.dumps(cases)})


def make_casts():
    bits = rng.integers(0, 2**32, 2000, dtype=np.uint32)
    near_halves = (rng.integers(0, 2**16, 500, dtype=np.uint16).view(np.float16)).astype(np.float32).view(np.uint32)
    near_halves = near_halves + rng.integers(-1, 2, 500).astype(np.uint32) * 0x1000  # ties and their neighbours
    special = np.array([0, 1 << 31, 0x7F800000, 0xFF800000, 1, 0x33000000, 0x33000001, 0x387FFFFF, 0x477FEFFF, 0x477FF000, 0x7F7FFFFF], np.uint32)
    values = np.concatenate([bits, near_halves, special]).view(np.float32)
    values = torch.from_numpy(values[~np.isnan(values)].copy())
    save_file({"float32": values, "float16": values.half(), "bfloat16": values.bfloat16()}, OUT / "casts.safetensors")


def make_files():
    every_type = {
        "weights.b": torch.arange(6, dtype=torch.float32).reshape(2, 3),
        "weights.a": torch.tensor([0.5, -1.0], dtype=torch.float32),
        "position_ids": torch.tensor([[0, -1, 2**53 + 1]], dtype=torch.int64),
        "mask": torch.tensor([True, False, True]),
        "half": torch.tensor([1.0, -2.5], dtype=torch.float16),
        "brain": torch.tensor([1.0, 3.140625], dtype=torch.bfloat16),
        "bytes": torch.tensor([0, 200], dtype=torch.uint8),
        "signed": torch.tensor([-128, 127, 0], dtype=torch.int8),
        "counts": torch.tensor([-(2**31), 7], dtype=torch.int32),
        "scalar": torch.tensor(3.5),
        "nothing": torch.zeros(0, 4),
        "größe": torch.tensor([1.0]),
    }
    save_file(every_type, OUT / "every-type.safetensors", {"format": "pt"})
    state = {f"layer.{i}.weight": torch.arange(n, dtype=torch.float32) + i for i, n in enumerate([10, 20, 50, 8, 30, 4])}
    folder = OUT / "sharded"
    folder.mkdir(exist_ok=True)
    save_torch_state_dict(state, folder, max_shard_size=160)


OUT.mkdir(parents=True, exist_ok=True)
make_resize()
make_decode()
make_normalize()
make_crop()
make_casts()
make_files()
