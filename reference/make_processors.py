"""fixtures/data/processors and fixtures/audio/extractor: pictures and sounds as transformers' processors prepare them.

A case is a folder with `preprocessor_config.json` as a checkpoint has it; `processors.safetensors` holds the picture, the
inputs that the PIL path makes of it, and `extractor.safetensors` the same of the AST feature extractor's NumPy path.
"""

import json

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from transformers import ASTFeatureExtractor
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.deit.image_processing_pil_deit import DeiTImageProcessorPil
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from common import FIXTURES, mulberry32, write_json

IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
PROCESSORS = {
    "vit": (ViTImageProcessorPil, {"image_processor_type": "ViTImageProcessor", "size": {"height": 24, "width": 24}}),
    "vit-old": (ViTImageProcessorPil, {"feature_extractor_type": "ViTFeatureExtractor", "do_normalize": True, "resample": 2, "size": 24}),
    "vit-oblong": (ViTImageProcessorPil, {"image_processor_type": "ViTImageProcessorFast", "size": {"height": 18, "width": 31}, "resample": 1}),
    "swin": (ViTImageProcessorPil, {"feature_extractor_type": "ViTFeatureExtractor", "size": 28, "resample": 3, **IMAGENET}),
    "clip": (CLIPImageProcessorPil, {"image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}}),
    "clip-old": (CLIPImageProcessorPil, {"feature_extractor_type": "CLIPFeatureExtractor", "crop_size": 21, "do_center_crop": True, "do_resize": True, "resample": 3, "size": 24}),
    "clip-padded": (CLIPImageProcessorPil, {"image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 20}, "crop_size": {"height": 27, "width": 24}}),
    "clip-square": (CLIPImageProcessorPil, {"image_processor_type": "CLIPImageProcessor", "size": {"height": 30, "width": 40}, "do_center_crop": False}),
    "deit": (DeiTImageProcessorPil, {"image_processor_type": "DeiTImageProcessor", "size": {"height": 26, "width": 26}, "crop_size": {"height": 23, "width": 23}}),
    "plain": (ViTImageProcessorPil, {"image_processor_type": "ViTImageProcessor", "size": {"height": 9, "width": 9}, "do_rescale": True, "rescale_factor": 0.00784313725490196, "do_normalize": False, "resample": 0}),
    "clip-defaults": (CLIPImageProcessorPil, {"image_processor_type": "CLIPImageProcessor"}),
}


def picture(seed: int, height: int, width: int) -> np.ndarray:
    numbers = mulberry32(seed)
    return np.array([int(256 * next(numbers)) for _ in range(height * width * 3)], dtype=np.uint8).reshape(height, width, 3)


def save(path, tensors: dict, cases) -> None:
    save_file(tensors, path, {"cases": json.dumps(sorted(cases))})
    path.chmod(0o644)


def make_pictures() -> None:
    folder = FIXTURES / "data" / "processors"
    # encoder-hosts.md §6.7's picture, and it upright.
    wide = picture(11, 37, 50)
    assert wide[0, 0].tolist() == [130, 135, 155]
    pictures = {"wide": wide, "upright": np.ascontiguousarray(wide.transpose(1, 0, 2))}
    tensors = {name: torch.from_numpy(pixels) for name, pixels in pictures.items()}
    for name, (kind, config) in PROCESSORS.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        write_json(folder / name / "preprocessor_config.json", config)
        known = {key: value for key, value in config.items() if not key.endswith("_type")}
        for key, pixels in pictures.items():
            made = kind(**known)(Image.fromarray(pixels), return_tensors="pt")["pixel_values"][0]
            # Of the large defaults a checksum's worth: every 7th pixel of each side.
            tensors[f"{name}.{key}"] = (made[:, ::7, ::7] if name == "clip-defaults" else made).float().contiguous()
    golden = tensors["clip.wide"]
    assert abs(golden.mean().item() - 0.197277) < 1e-6 and abs(golden[0, 0, 0].item() + 0.215632) < 1e-6
    save(FIXTURES / "data" / "processors.safetensors", tensors, PROCESSORS)


def make_sounds() -> None:
    folder = FIXTURES / "audio"
    configs = {
        "ast": {"feature_extractor_type": "ASTFeatureExtractor", "max_length": 60, "num_mel_bins": 128, "sampling_rate": 16000, "padding_value": 0.0, "return_attention_mask": False},
        "ast-raw": {"max_length": 20, "num_mel_bins": 40, "do_normalize": False},
        "ast-other": {"max_length": 30, "mean": -3.5, "std": 2.25},
    }
    numbers = mulberry32(21)
    noise = np.array([next(numbers) - 0.5 for _ in range(5000)])
    time = np.arange(5000) / 16000
    samples = (0.3 * np.sin(2 * np.pi * (200 + 4000 * time) * time) + 0.1 * noise).astype(np.float32)
    tensors = {"samples": torch.from_numpy(samples)}
    for name, config in configs.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        write_json(folder / name / "preprocessor_config.json", config)
        made = ASTFeatureExtractor(**config)(samples, sampling_rate=16000, return_tensors="np")["input_values"][0]
        tensors[name] = torch.from_numpy(np.ascontiguousarray(made)).float()
    save(folder / "extractor.safetensors", tensors, configs)


if __name__ == "__main__":
    make_pictures()
    make_sounds()
