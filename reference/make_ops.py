"""fixtures/ops: every differentiable op of core, its outputs and the gradients of its inputs.

Inputs are rounded to float32 first, so that what is stored is exactly what was computed on; the computation and its
gradient (torch autograd) are in float64. Names in a file: `input.<name>`, `output`, `upstream` (gradient of the loss
with respect to the output) and `grad.<name>`.
"""

import numpy as np
import torch
import torch.nn.functional as F

from common import close, write


# A gradient that is zero in exact arithmetic comes out of float64 as noise of this size; it is stored as zeros and named.
ROUNDING = 1e-13


class Numbers:
    """Seeded float32-exact normal numbers, in float64."""

    def __init__(self, seed: int):
        self.generator = np.random.default_rng(seed)

    def normal(self, *shape: int, scale: float = 1.0, mean: float = 0.0) -> torch.Tensor:
        values = self.generator.standard_normal(shape) * scale + mean
        return torch.from_numpy(np.asarray(values, dtype=np.float32)).double()

    def labels(self, count: int, classes: int) -> torch.Tensor:
        return torch.from_numpy(self.generator.integers(0, classes, count))


def case(name: str, op: str, function, inputs: dict, attrs: dict, upstream_seed: int = 99, constants=(), note: str | None = None) -> None:
    """Runs `function(**inputs)` in float64 and writes the pair. `constants` get no gradient."""
    leaves = {key: value.clone().requires_grad_(value.is_floating_point() and key not in constants) for key, value in inputs.items()}
    output = function(**leaves)
    upstream = Numbers(upstream_seed).normal(*output.shape)
    output.backward(upstream)
    for leaf in leaves.values():
        if leaf.grad is not None and leaf.grad.abs().max() < ROUNDING:
            leaf.grad.zero_()
    check_conditioning(name, function, leaves, output, upstream)
    tensors = {f"input.{key}": value for key, value in inputs.items()}
    tensors |= {"output": output, "upstream": upstream}
    tensors |= {f"grad.{key}": value.grad for key, value in leaves.items() if value.requires_grad}
    info = {
        "op": op,
        "attrs": attrs,
        "inputs": list(inputs),
        "gradients": [key for key, value in leaves.items() if value.requires_grad],
    }
    info["zeroGradient"] = [key for key, value in leaves.items() if value.requires_grad and not value.grad.any()]
    if note:
        info["note"] = note
    write("ops", name, tensors, info)


def relative(actual: torch.Tensor, wanted: torch.Tensor) -> float:
    return ((actual.double() - wanted).abs().max() / wanted.abs().max().clamp_min(1e-30)).item()


def check_conditioning(name: str, function, leaves: dict, output: torch.Tensor, upstream: torch.Tensor) -> None:
    """A case is of use only if float32 can meet the bounds on it (1e-5 outputs, 1e-4 gradients): torch's float32 must, with room."""
    narrow = {key: (v.detach().float() if v.is_floating_point() else v).requires_grad_(v.requires_grad) for key, v in leaves.items()}
    result = function(**narrow)
    result.backward(upstream.float())
    errors = {"output": relative(result, output)}
    errors |= {key: relative(narrow[key].grad, v.grad) for key, v in leaves.items() if v.requires_grad and v.grad.any()}
    for key, error in errors.items():
        assert error < (4e-6 if key == "output" else 4e-5), f"{name}: float32 torch is {error:.1e} from float64 in {key}"


def linear() -> None:
    n = Numbers(1)
    x2, x3, w, b = n.normal(5, 7), n.normal(2, 3, 7), n.normal(4, 7), n.normal(4)
    case("linear-2d", "linear", F.linear, {"input": x2, "weight": w, "bias": b}, {})
    case("linear-2d-no-bias", "linear", F.linear, {"input": x2, "weight": w}, {})
    case("linear-3d", "linear", F.linear, {"input": x3, "weight": w, "bias": b}, {})
    case("linear-3d-no-bias", "linear", F.linear, {"input": x3, "weight": w}, {})
    case("linear-one-row", "linear", F.linear, {"input": n.normal(1, 7), "weight": n.normal(1, 7), "bias": n.normal(1)}, {})


def layer_norm() -> None:
    for name, eps, mean, scale, note in [
        ("layerNorm-eps-1e-12", 1e-12, 0.3, 1.0, None),
        ("layerNorm-eps-1e-6", 1e-6, -0.2, 1.0, None),
        ("layerNorm-small-variance", 1e-5, 0.0, 1e-3, "variance 1e-6: the value of eps shows"),
        ("layerNorm-large-mean", 1e-6, 10.0, 1.0, "E[x²] - E[x]² in float32 would lose digits here"),
    ]:
        n = Numbers(2)
        inputs = {"input": n.normal(3, 5, 9, mean=mean, scale=scale), "weight": n.normal(9, mean=1.0, scale=0.3), "bias": n.normal(9)}
        case(name, "layerNorm", lambda input, weight, bias: F.layer_norm(input, (9,), weight, bias, eps), inputs, {"eps": eps}, note=note)


def group_norm() -> None:
    def make(name, shape, groups, eps=1e-5, mean=0.2, scale=1.0, note=None):
        n = Numbers(10)
        c = shape[1]
        inputs = {"input": n.normal(*shape, mean=mean, scale=scale), "weight": n.normal(c, mean=1.0, scale=0.3), "bias": n.normal(c)}
        attrs = {"groups": groups, "eps": eps}
        case(name, "groupNorm", lambda input, weight, bias: F.group_norm(input, groups, weight, bias, eps), inputs, attrs, note=note)

    make("groupNorm", (2, 12, 5, 6), 4)
    make("groupNorm-eps-1e-6", (2, 8, 3, 4), 2, eps=1e-6)
    make("groupNorm-no-area", (3, 12), 3)
    make("groupNorm-tokens", (2, 6, 7), 6, note="a group of one channel: instance norm")
    make("groupNorm-one-group", (2, 6, 3, 2, 2), 1)
    make("groupNorm-large-mean", (2, 8, 6, 5), 2, mean=10.0, note="E[x²] - E[x]² in float32 would lose digits here")
    n = Numbers(11)
    flat = n.normal(2, 8, 4, 4)
    flat[:, :4] = torch.tensor([0.5, -2.0]).double().reshape(2, 1, 1, 1)
    inputs = {"input": flat, "weight": n.normal(8, mean=1.0, scale=0.3), "bias": n.normal(8)}
    norm = lambda input, weight, bias: F.group_norm(input, 2, weight, bias, 1e-2)
    case("groupNorm-zero-variance", "groupNorm", norm, inputs, {"groups": 2, "eps": 1e-2}, note="the first group of each sample is constant")


def rms_norm() -> None:
    for name, eps, mean, scale, note in [
        ("rmsNorm", 1e-6, 0.3, 1.0, None),
        ("rmsNorm-small", 1e-5, 0.0, 1e-3, "mean square 1e-6: the value of eps shows"),
        ("rmsNorm-large", 1e-6, 300.0, 50.0, None),
    ]:
        n = Numbers(12)
        inputs = {"input": n.normal(3, 5, 9, mean=mean, scale=scale), "weight": n.normal(9, mean=1.0, scale=0.3)}
        case(name, "rmsNorm", lambda input, weight: F.rms_norm(input, (9,), weight, eps), inputs, {"eps": eps}, note=note)
    zero = n.normal(2, 9)
    zero[0] = 0
    case("rmsNorm-zero-row", "rmsNorm", lambda input, weight: F.rms_norm(input, (9,), weight, 1e-2), {"input": zero, "weight": n.normal(9)}, {"eps": 1e-2})


def batch_norm() -> None:
    n = Numbers(13)
    for name, shape, scale in [("", (3, 4, 5, 2), 1.0), ("-tokens", (2, 5, 6), 1.0), ("-no-area", (6, 3), 2.0)]:
        c = shape[1]
        inputs = {"input": n.normal(*shape, mean=0.4, scale=scale), "weight": n.normal(c, mean=1.0, scale=0.3), "bias": n.normal(c)}
        inputs |= {"mean": n.normal(c), "variance": n.normal(c).abs() + 0.5}

        def training(input, weight, bias, mean, variance):
            mean, variance = mean.clone(), variance.clone()
            y = F.batch_norm(input, mean, variance, weight, bias, True, 0.1, 1e-5)
            return torch.cat([y.reshape(-1), mean, variance])

        case(f"batchNormTraining{name}", "batchNormTraining", training, inputs, {"eps": 1e-5, "momentum": 0.1}, constants=("mean", "variance"), note="output: y, then the running moments after the step")
        evaluate = lambda input, weight, bias, mean, variance: F.batch_norm(input, mean, variance, weight, bias, False, 0.1, 1e-5)
        case(f"batchNorm{name}", "batchNorm", evaluate, inputs, {"eps": 1e-5}, constants=("mean", "variance"))


def activations() -> None:
    extremes = torch.tensor([-100.0, -30.0, -9.0, -5.5, -1.0, -1e-4, 1e-4, 0.5, 3.0, 5.5, 9.0, 30.0, 100.0]).double()
    table = {"gelu": F.gelu, "geluTanh": lambda input: F.gelu(input, approximate="tanh"), "silu": F.silu, "relu": F.relu}
    table |= {"quickGelu": lambda input: input * torch.sigmoid(1.702 * input)}
    for op, function in table.items():
        x = Numbers(3).normal(2, 5, 9, scale=1.5)
        if op == "relu":
            x = torch.where(x.abs() < 0.05, torch.full_like(x, 0.25), x)
        note = "no input within 0.05 of the kink" if op == "relu" else None
        case(op, op, function, {"input": x}, {}, note=note)
        case(f"{op}-extreme", op, function, {"input": extremes}, {})


    named = {"elu": F.elu, "hardswish": F.hardswish, "leaky_relu": F.leaky_relu, "mish": F.mish, "relu6": F.relu6, "sigmoid": F.sigmoid}
    x = torch.cat([Numbers(3).normal(40, scale=3.0), torch.tensor([-60.0, -20.0, -9.0, 9.0, 20.0, 60.0]).double()])
    for name, function in named.items():
        case(f"activation-{name}", "activation", function, {"input": x}, {"name": name}, note="no input at a kink")


def attend(heads: int):
    def attention(q, k, v, mask=None):
        def split(t):
            return t.reshape(t.shape[0], t.shape[1], heads, -1).transpose(1, 2)

        scores = split(q) @ split(k).transpose(-1, -2) * (q.shape[-1] // heads) ** -0.5
        if mask is not None:
            scores = scores + mask
        return (scores.softmax(-1) @ split(v)).transpose(1, 2).reshape(q.shape[0], q.shape[1], -1)

    return attention


def attention() -> None:
    def make(name, batch, queries, keys, heads, dim, mask=None, scale=1.0, note=None):
        n = Numbers(4)
        inputs = {
            "q": n.normal(batch, queries, heads * dim, scale=scale),
            "k": n.normal(batch, keys, heads * dim),
            "v": n.normal(batch, keys, heads * dim),
        }
        if mask is not None:
            inputs["mask"] = mask
        case(name, "attention", attend(heads), inputs, {"heads": heads, "scale": dim**-0.5}, constants=("mask",), note=note)

    make("attention-self", 2, 7, 7, 3, 5)
    make("attention-one-head", 1, 5, 5, 1, 8)
    make("attention-cross", 2, 5, 9, 2, 4)
    make("attention-one-key", 2, 3, 1, 2, 4, note="the softmax is 1: no gradient reaches q and k")
    make("attention-large-logits", 2, 7, 7, 2, 4, scale=60.0, note="scores in the hundreds: exp overflows unless the row maximum is subtracted")
    padding = torch.zeros(2, 1, 1, 9).double()
    padding[0, ..., 6:] = -1e9
    padding[1, ..., :2] = -1e9
    make("attention-masked", 2, 5, 9, 2, 4, mask=padding, note="additive mask over keys, 0 or -1e9")
    n = Numbers(5)
    make("attention-bias", 2, 5, 9, 2, 4, mask=n.normal(2, 1, 1, 9), note="an additive mask of ordinary numbers")


def conv2d() -> None:
    def make(name, x, w, bias=True, stride=1, padding=0, dilation=1, groups=1, note=None):
        n = Numbers(6)
        inputs = {"input": n.normal(*x), "weight": n.normal(*w)}
        if bias:
            inputs["bias"] = n.normal(w[0])
        attrs = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        case(name, "conv2d", lambda input, weight, bias=None: F.conv2d(input, weight, bias, **attrs), inputs, attrs, note=note)

    make("conv2d-patch", (2, 3, 12, 8), (5, 3, 4, 4), stride=4)
    make("conv2d-patch-remainder", (1, 3, 10, 13), (4, 3, 4, 4), stride=4, note="rows and columns past the last patch are dropped; their gradient is 0")
    make("conv2d-3x3", (2, 3, 7, 6), (4, 3, 3, 3), padding=1)
    make("conv2d-3x3-no-bias", (1, 3, 5, 5), (4, 3, 3, 3), padding=1, bias=False)
    make("conv2d-stride-2", (2, 3, 7, 8), (4, 3, 3, 3), padding=1, stride=2)
    make("conv2d-groups-2", (2, 4, 5, 6), (6, 2, 3, 3), padding=1, groups=2)
    make("conv2d-dilation-2", (1, 2, 9, 8), (3, 2, 3, 3), padding=2, dilation=2)
    make("conv2d-1x1", (2, 4, 3, 5), (3, 4, 1, 1))
    make("conv2d-groups-dilation-stride", (2, 6, 11, 12), (4, 3, 3, 2), padding=(2, 1), stride=(2, 3), dilation=(2, 3), groups=2)
    make("conv2d-depthwise", (2, 4, 7, 5), (4, 1, 3, 5), padding=(1, 2), groups=4)
    make("conv2d-wide-padding", (1, 3, 4, 5), (2, 3, 3, 3), padding=(3, 4), note="outputs at the border see only zeros")


def conv_transpose2d() -> None:
    def make(name, x, w, bias=True, stride=(1, 1), padding=(0, 0), extra=(0, 0), dilation=(1, 1), groups=1, note=None):
        n = Numbers(14)
        inputs = {"input": n.normal(*x), "weight": n.normal(*w)}
        if bias:
            inputs["bias"] = n.normal(w[1] * groups)
        attrs = {"stride": stride, "padding": padding, "outputPadding": extra, "dilation": dilation, "groups": groups}
        transposed = lambda input, weight, bias=None: F.conv_transpose2d(input, weight, bias, stride, padding, extra, groups, dilation)
        case(name, "convTranspose2d", transposed, inputs, attrs, note=note)

    make("convTranspose2d", (2, 3, 4, 5), (3, 4, 3, 3), padding=(1, 1))
    make("convTranspose2d-stride-2", (2, 3, 4, 5), (3, 4, 4, 4), stride=(2, 2), padding=(1, 1))
    make("convTranspose2d-output-padding", (2, 3, 4, 3), (3, 2, 3, 3), bias=False, stride=(2, 3), padding=(1, 0), extra=(1, 2))
    make("convTranspose2d-groups-dilation", (2, 6, 4, 3), (6, 2, 3, 2), stride=(2, 1), padding=(2, 1), extra=(1, 0), dilation=(2, 3), groups=3)
    make("convTranspose2d-1x1", (2, 3, 4, 5), (3, 4, 1, 1))


def pooling() -> None:
    def make(name, op, function, x, attrs, note=None):
        case(name, op, function, {"input": x}, attrs, note=note)

    def largest(name, x, kernel, stride, padding=(0, 0), dilation=(1, 1), ceil=False, note=None):
        attrs = {"kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation, "ceilMode": ceil}
        make(name, "maxPool2d", lambda input: F.max_pool2d(input, kernel, stride, padding, dilation, ceil), x, attrs, note)

    def average(name, x, kernel, stride, padding=(0, 0), ceil=False, include=True, note=None):
        attrs = {"kernel": kernel, "stride": stride, "padding": padding, "ceilMode": ceil, "countIncludePad": include}
        make(name, "avgPool2d", lambda input: F.avg_pool2d(input, kernel, stride, padding, ceil, include), x, attrs, note)

    n = Numbers(15)
    largest("maxPool2d", n.normal(2, 3, 8, 6), (2, 2), (2, 2))
    largest("maxPool2d-overlapping", n.normal(2, 3, 7, 9), (3, 3), (2, 2), padding=(1, 1))
    largest("maxPool2d-dilation", n.normal(1, 2, 9, 8), (3, 2), (1, 2), padding=(1, 0), dilation=(2, 3))
    largest("maxPool2d-ceil", n.normal(2, 2, 6, 7), (3, 2), (2, 3), ceil=True, note="the last windows are not full")
    largest("maxPool2d-ceil-dilation", n.normal(2, 2, 8, 8), (2, 2), (3, 3), dilation=(3, 3), ceil=True)
    ties = torch.from_numpy(n.generator.integers(0, 3, (2, 2, 7, 7))).double()
    largest("maxPool2d-ties", ties, (3, 3), (2, 2), padding=(1, 1), note="0, 1 and 2: the first of equal elements takes the gradient")
    average("avgPool2d", n.normal(2, 3, 8, 6), (2, 2), (2, 2))
    average("avgPool2d-padding", n.normal(2, 3, 7, 9), (3, 3), (2, 1), padding=(1, 1))
    average("avgPool2d-without-padding", n.normal(2, 3, 7, 9), (3, 3), (2, 1), padding=(1, 1), include=False)
    average("avgPool2d-ceil", n.normal(2, 2, 6, 7), (3, 2), (2, 3), padding=(1, 1), ceil=True)
    average("avgPool2d-ceil-without-padding", n.normal(2, 2, 6, 7), (3, 2), (2, 3), padding=(1, 1), ceil=True, include=False)
    for size in [(1, 1), (6, 6), (3, 5), (9, 2)]:
        adaptive = lambda input: F.adaptive_avg_pool2d(input, size)
        make(f"adaptiveAvgPool2d-{size[0]}x{size[1]}", "adaptiveAvgPool2d", adaptive, n.normal(2, 3, 7, 7), {"size": size})


def interpolate() -> None:
    n = Numbers(16)

    def make(name, shape, mode, note=None, size=None, factor=None, align=None, antialias=False):
        attrs = {"mode": mode} | ({"size": size} if size else {"scaleFactor": factor})
        attrs |= {"alignCorners": True} if align else {}
        attrs |= {"antialias": True} if antialias else {}
        resize = lambda input: F.interpolate(input, size, factor, mode, align, antialias=antialias)
        case(f"interpolate-{name}", "interpolate", resize, {"input": n.normal(*shape)}, attrs, note=note)

    make("nearest-2", (2, 3, 4, 5), "nearest", factor=2.0)
    make("nearest-3-2", (1, 2, 4, 5), "nearest", factor=(3.0, 2.0))
    make("nearest-size", (2, 3, 5, 7), "nearest", size=(9, 10))
    make("nearest-down", (2, 3, 9, 10), "nearest", size=(4, 3))
    make("nearest-1.7", (2, 2, 5, 6), "nearest", factor=1.7)
    make("nearest-exact", (2, 3, 5, 7), "nearest-exact", size=(9, 4))
    for mode in ("bilinear", "bicubic"):
        make(f"{mode}-up", (2, 3, 4, 5), mode, size=(9, 8))
        make(f"{mode}-down", (2, 3, 9, 10), mode, size=(4, 3))
        make(f"{mode}-corners", (2, 2, 4, 5), mode, size=(9, 8), align=True)
        make(f"{mode}-corners-one", (2, 2, 4, 5), mode, size=(1, 3), align=True)
        make(f"{mode}-factor", (2, 2, 5, 6), mode, factor=(1.7, 0.6), note="positions go by the factor, not by the sizes' ratio")
        make(f"{mode}-antialias-down", (2, 2, 11, 9), mode, size=(4, 5), antialias=True)
        make(f"{mode}-antialias-up", (2, 2, 4, 5), mode, size=(9, 8), antialias=True)


def padding() -> None:
    n = Numbers(17)
    for mode, pads, value in [
        ("constant", [(1, 2), (0, 3)], 1.5),
        ("reflect", [(2, 3), (4, 1)], None),
        ("replicate", [(1, 7), (0, 2)], None),
        ("circular", [(4, 2), (1, 5)], None),
    ]:
        flat = [count for pair in reversed(pads) for count in pair]
        attrs = {"pads": pads, "mode": mode} | ({"value": value} if value else {})
        case(f"pad-{mode}", "pad", lambda input: F.pad(input, flat, mode, value), {"input": n.normal(2, 3, 4, 5)}, attrs)
    for name, shifts, axes in [("", (-2, -2), (1, 2)), ("-far", (7,), (-1,))]:
        attrs = {"shifts": shifts, "axes": axes}
        case(f"roll{name}", "roll", lambda input: torch.roll(input, shifts, axes), {"input": n.normal(2, 4, 5, 3)}, attrs)


def fourier() -> None:
    """Complex tensors are pairs of real ones: `re` and `im` as inputs, stacked as the output."""

    def stacked(y):
        return torch.stack([y.real, y.imag])

    for height, width in [(6, 8), (5, 7), (12, 3)]:
        n = Numbers(20)
        name = f"{height}x{width}"
        x, pair = n.normal(2, 3, height, width), {"re": n.normal(2, height, width), "im": n.normal(2, height, width)}
        half = {"re": n.normal(2, height, width // 2 + 1), "im": n.normal(2, height, width // 2 + 1)}
        case(f"fft2-{name}", "fft2", lambda re, im: stacked(torch.fft.fft2(torch.complex(re, im))), pair, {})
        case(f"ifft2-{name}", "ifft2", lambda re, im: stacked(torch.fft.ifft2(torch.complex(re, im))), pair, {})
        case(f"rfft2-{name}", "rfft2", lambda input: stacked(torch.fft.rfft2(input)), {"input": x}, {})
        case(f"irfft2-{name}", "irfft2", lambda re, im: torch.fft.irfft2(torch.complex(re, im), s=(height, width)), half, {"width": width})


def by_position() -> None:
    n = Numbers(21)
    for axis in range(3):
        case(f"cumsum-axis-{axis}", "cumsum", lambda input: torch.cumsum(input, axis), {"input": n.normal(3, 4, 5)}, {"axis": axis})
        shape = [3, 4, 5]
        shape[axis] = 7
        indices = torch.from_numpy(n.generator.integers(0, [3, 4, 5][axis], shape))
        gather = lambda input, indices: torch.gather(input, axis, indices)
        case(f"takeAlongAxis-{axis}", "takeAlongAxis", gather, {"input": n.normal(3, 4, 5), "indices": indices}, {"axis": axis})


def cross_entropy() -> None:
    def make(name, logits, labels, note=None):
        case(name, "softmaxCrossEntropy", lambda logits, labels: F.cross_entropy(logits, labels), {"logits": logits, "labels": labels}, {"reduction": "mean"}, note=note)

    n = Numbers(7)
    make("softmaxCrossEntropy", n.normal(6, 5, scale=2.0), n.labels(6, 5))
    make("softmaxCrossEntropy-one-row", n.normal(1, 3), n.labels(1, 3))
    make("softmaxCrossEntropy-large-logits", n.normal(5, 7, scale=200.0), n.labels(5, 7), note="differences of hundreds: log(softmax) underflows unless it is a log-sum-exp")


def more_cross_entropy() -> None:
    n = Numbers(18)

    def make(name, logits, labels, smoothing=0.0, reduction="mean", note=None):
        attrs = {"reduction": reduction, "labelSmoothing": smoothing}

        def loss(logits, labels):
            flat = F.cross_entropy(logits.reshape(-1, logits.shape[-1]), labels.reshape(-1), reduction=reduction, label_smoothing=smoothing)
            return flat.reshape(labels.shape) if reduction == "none" else flat

        case(f"softmaxCrossEntropy-{name}", "softmaxCrossEntropy", loss, {"logits": logits, "labels": labels}, attrs, note=note)

    def with_holes(*shape):
        labels = n.labels(int(np.prod(shape)), 7).reshape(shape)
        labels[..., 1::3] = -100
        return labels

    make("ignored", n.normal(6, 7, scale=2.0), with_holes(6), note="rows with the label -100 do not count")
    make("tokens", n.normal(2, 5, 7, scale=2.0), with_holes(2, 5))
    make("smoothed", n.normal(6, 7, scale=2.0), n.labels(6, 7), smoothing=0.1)
    make("smoothed-ignored-each", n.normal(2, 5, 7, scale=30.0), with_holes(2, 5), smoothing=0.3, reduction="none")
    targets = n.normal(5, 7).softmax(-1).float().double()
    soft = lambda logits, targets: F.cross_entropy(logits, targets)
    case("softTargetCrossEntropy", "softTargetCrossEntropy", soft, {"logits": n.normal(5, 7, scale=3.0), "targets": targets}, {})
    case("softTargetCrossEntropy-large-logits", "softTargetCrossEntropy", soft, {"logits": n.normal(5, 7, scale=200.0), "targets": targets}, {})


def other_losses() -> None:
    n = Numbers(19)
    binary = lambda logits, targets: F.binary_cross_entropy_with_logits(logits, targets)
    some = torch.from_numpy(n.generator.integers(0, 2, (4, 9))).double()
    case("binaryCrossEntropy", "binaryCrossEntropy", binary, {"logits": n.normal(4, 9, scale=3.0), "targets": n.normal(4, 9).sigmoid().float().double()}, {})
    case("binaryCrossEntropy-large-logits", "binaryCrossEntropy", binary, {"logits": n.normal(4, 9, scale=200.0), "targets": some}, {})
    pair = {"input": n.normal(3, 4, 5, scale=2.0), "target": n.normal(3, 4, 5)}
    case("meanSquaredError", "meanSquaredError", lambda input, target: F.mse_loss(input, target), pair, {})
    for beta in (1.0, 0.25):
        case(f"smoothL1-{beta}", "smoothL1", lambda input, target: F.smooth_l1_loss(input, target, beta=beta), pair, {"beta": beta})


def kl_symmetric(p, q):
    """KLsym of mosa.md §3.4: each side is pulled to the other, which is held constant."""
    lp, lq = F.log_softmax(p, -1), F.log_softmax(q, -1)

    def kl(target, log_input):
        return F.kl_div(log_input, target.detach(), reduction="batchmean", log_target=True)

    return 0.5 * (kl(lq, lp) + kl(lp, lq))


def kl() -> None:
    goldens = {
        "two": ([[1.0, 0.0]], [[0.0, 1.0]], 0.46211720),
        "batch": ([[1.0, 0.0], [2.0, -1.0]], [[0.0, 1.0], [0.5, 0.5]], 0.57048917),
        "same": ([[0.3, -0.7, 2.0]], [[0.3, -0.7, 2.0]], 0.0),
    }
    for name, (p, q, golden) in goldens.items():
        p, q = torch.tensor(p).double().requires_grad_(), torch.tensor(q).double()
        loss = kl_symmetric(p, q)
        loss.backward()
        close(loss, golden, f"KLsym {name}", 1e-7)  # the goldens were computed in float32
        if name == "batch":
            close(p.grad[0], [0.11552929, -0.11552929], "KLsym gradient", 1e-7)
        case(f"klSymmetric-{name}", "klSymmetric", kl_symmetric, {"p": p.detach(), "q": q}, {"reduction": "batchmean"}, note="golden of mosa.md §8, test 12")
    n = Numbers(8)
    case("klSymmetric", "klSymmetric", kl_symmetric, {"p": n.normal(6, 5), "q": n.normal(6, 5)}, {"reduction": "batchmean"})
    case("klSymmetric-large-logits", "klSymmetric", kl_symmetric, {"p": n.normal(4, 5, scale=80.0), "q": n.normal(4, 5, scale=80.0)}, {"reduction": "batchmean"}, note="probabilities underflow: the product of a zero probability and its logarithm must be 0")


if __name__ == "__main__":
    for make in (linear, layer_norm, group_norm, rms_norm, batch_norm, activations, attention, conv2d, conv_transpose2d, pooling, interpolate, padding, fourier, by_position, cross_entropy, more_cross_entropy, other_losses, kl):
        make()
