"""What every fixture script shares: where fixtures go, how they are written, the specification's number generator.

A fixture is a pair `fixtures/<suite>/<case>.safetensors` (numbers) and `<case>.json` (configuration, names, notes).
"""

import json
import os
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import torch
from safetensors.torch import save_file

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"

# One thread and no non-deterministic kernels: a second run on the same processor writes the same bytes.
torch.set_num_threads(1)
torch.use_deterministic_algorithms(True)


def mulberry32(seed: int):
    """The generator of encoder-hosts.md §6.1: an endless stream of numbers in [0, 1)."""
    mask = 0xFFFFFFFF
    a = seed & mask
    while True:
        a = (a + 0x6D2B79F5) & mask
        t = ((a ^ (a >> 15)) * (a | 1)) & mask
        t = ((t + (((t ^ (t >> 7)) * (t | 61)) & mask)) & mask) ^ t
        yield ((t ^ (t >> 14)) & mask) / 4294967296


def arr(seed: int, shape, amplitude: float) -> torch.Tensor:
    """Row-major `(next() - 0.5) * 2 * amplitude`, computed in double, returned in double."""
    numbers = mulberry32(seed)
    count = int(np.prod(shape))
    values = np.array([(next(numbers) - 0.5) * 2 * amplitude for _ in range(count)], dtype=np.float64)
    return torch.from_numpy(values.reshape(tuple(shape)))


def check_generator() -> None:
    """The checks that the specification gives for the generator."""
    first = mulberry32(1000)
    assert [next(first) for _ in range(3)] == [0.7951949068810791, 0.8276879135519266, 0.6915161057841033]
    close(arr(1000, [4], 0.2), [0.118078, 0.131075, 0.076606, 0.152230], "arr(1000,[4],0.2)")
    close(arr(7, [4], 1), [-0.976590, -0.876083, 0.953815, 0.398057], "arr(7,[4],1)")


def close(actual: torch.Tensor, golden, what: str, tolerance: float = 1e-6) -> None:
    """Compares with the six printed digits of a golden value."""
    wanted = torch.tensor(golden, dtype=torch.float64)
    error = (actual.detach().double().reshape(wanted.shape) - wanted).abs().max().item()
    assert error <= tolerance, f"{what}: off by {error:.2e}, got {actual.tolist()}, golden {golden}"


def write(suite: str, case: str, tensors: dict, info: dict) -> None:
    """Writes one pair. Floating tensors become float32, integer ones int32 (uint8 and bool stay), all contiguous and un-aliased."""
    folder = FIXTURES / suite
    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: stored(value) for name, value in tensors.items()}, folder / f"{case}.safetensors")
    write_json(folder / f"{case}.json", info)


def stored(value: torch.Tensor) -> torch.Tensor:
    value = value.detach()
    if value.is_floating_point():
        assert torch.isfinite(value).all(), "a fixture must be finite"
        value = value.float()
    elif value.dtype not in (torch.uint8, torch.bool):
        value = value.to(torch.int32)
    return value.clone().contiguous()


def write_json(path: Path, info: dict) -> None:
    path.write_text(json.dumps(info, indent=2, ensure_ascii=False) + "\n")


def prefixed(prefix: str, tensors: dict) -> dict:
    return {f"{prefix}.{name}": value for name, value in tensors.items()}
