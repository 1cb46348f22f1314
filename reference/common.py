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
    write_tensors(folder / f"{case}.safetensors", tensors)
    write_json(folder / f"{case}.json", info)


def write_tensors(path: Path, tensors: dict) -> None:
    save_file({name: stored(value) for name, value in tensors.items()}, path)
    path.chmod(0o644)


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


def error(actual: torch.Tensor, wanted: torch.Tensor, floor: float = 0.0) -> float:
    """architecture.md §5: largest absolute difference over the largest absolute value of the reference (at least `floor`)."""
    largest = max(wanted.detach().abs().max().item(), floor, 1e-300)
    return (actual.detach().double() - wanted.detach().double()).abs().max().item() / largest


def training_run(make, outputs_of, steps: int = 5, learning_rate: float = 1e-3, weight_decay: float = 0.01, eps: float = 1e-8, rename=lambda name: name):
    """Outputs, loss, gradients and `p_n - p_0` of a few AdamW steps (torch's defaults) on one batch.

    `make()` builds the float32 model; `outputs_of(model, dtype)` returns named outputs of which "loss" is minimised.
    The numbers come from the same code run in float64 on the float32 weights. The same run in float32, and three in float64
    with noise of float32's size on every gradient, show that the case is well conditioned: Adam turns an element whose
    gradient is next to nothing into a step of either sign, and then no float32 program could meet the bound. Where too many
    elements are so for any seed, a larger `eps` makes such steps small.
    """

    def run(dtype, noise: torch.Generator | None = None) -> dict:
        model = make().to(dtype)
        trained = {rename(name): p for name, p in model.named_parameters() if p.requires_grad}
        start = {name: p.detach().clone() for name, p in trained.items()}
        optimizer = torch.optim.AdamW(trained.values(), lr=learning_rate, weight_decay=weight_decay, eps=eps)
        result: dict = {"start": start, "losses": []}
        for step in range(steps):
            outputs = outputs_of(model, dtype)
            optimizer.zero_grad()
            outputs["loss"].backward()
            if step == 0:
                result["outputs"] = {name: value.detach() for name, value in outputs.items()}
                result["gradients"] = {name: p.grad.clone() for name, p in trained.items()}
            result["losses"].append(outputs["loss"].item())
            for p in trained.values() if noise else ():
                # What has no gradient at all (the row of a word that is not in the batch), or one through a masked probability
                # alone, has none in float32 either.
                size = p.grad.abs().max()
                p.grad += torch.randn(p.shape, generator=noise, dtype=dtype) * size * 1e-7 * (p.grad.abs() > 1e-20 * size)
            optimizer.step()
        result["deltas"] = {name: p.detach() - start[name] for name, p in trained.items()}
        return result

    wide, narrow = run(torch.float64), run(torch.float32)
    largest = max(g.abs().max().item() for g in wide["gradients"].values())
    zero = sorted(name for name, g in wide["gradients"].items() if g.abs().max().item() < 1e-10 * largest)
    assert_close("outputs", narrow["outputs"], wide["outputs"], 4e-6)
    assert_close("gradients", {k: v for k, v in narrow["gradients"].items() if k not in zero}, wide["gradients"], 2e-5, largest / 1000)
    for other in (narrow, *(run(torch.float64, torch.Generator().manual_seed(seed)) for seed in range(3))):
        assert_close("p_n - p_0", {k: v for k, v in other["deltas"].items() if k not in zero}, wide["deltas"], 3e-4)
    wide["zeroGradient"] = zero
    return wide


def assert_close(what: str, actual: dict, wanted: dict, bound: float, floor: float = 0.0) -> None:
    for name, value in actual.items():
        found = error(value, wanted[name], floor)
        assert found <= bound, f"{what}: off by {found:.1e} in {name} by rounding alone; choose other numbers"
