"""fixtures/mosa: ten training steps of the official MoSA and MoSL classes on the tiny hosts, and golden numbers of their parts.

The draws of experts and the owner maps are inputs of a case: the repository's random source is replaced by one that
replays a list. A step has one epoch's learning rate (their schedule is by epoch), the first of which is 0.

Each number stands in a file twice: under the repository's names (`official.*`), and in our compact layout (mosa.md §7),
where a split tensor is one union of the entries that the experts own.
"""

import re

import make_swin
import numpy as np
import torch
from torch import nn

from common import FIXTURES, arr, assert_close, error, prefixed, write, write_json
from mosa_repo import COMMIT, MLP, Model, Rand, Step, SWIN_SIZE, SwinModel, configuration, make_optimizer, make_scheduler, our_place, swin_mosa, symmetric_KL_loss, vit_mosa, vit_mosl
from mosa_side import make_side
from vit_hosts import TINY, labels, pixels

SUITE = "mosa"
STEPS, PASSES = 10, 2
LEARNING_RATE, WARMUP = 5e-3, 3
RANK = 4
SHARE = {"up-only": "down", "down-only": "up", "both": None}
# The seed makes head, down projections, owner maps and draws. "trained" starts with entries in the up projections, as after
# some training: there the two passes differ from the first step on, and a larger scale makes their divergence weigh.
CASES = {
    "adaptformer-up-4": dict(split="up-only", experts=4, seed=8),
    "adaptformer-up-4-trained": dict(split="up-only", experts=4, seed=15, trained=True, scale=1.0, addWeight=0.5),
    "adaptformer-down-2": dict(split="down-only", experts=2, seed=13),
    "adaptformer-both-2": dict(split="both", experts=2, seed=9),
    "pfeiffer-up-4": dict(style="pfeiffer", split="up-only", experts=4, seed=8),
    "pfeiffer-down-2": dict(style="pfeiffer", split="down-only", experts=2, seed=5),
    "pfeiffer-both-2": dict(style="pfeiffer", split="both", experts=2, seed=4),
    "houlsby-up-4": dict(style="houlsby", split="up-only", experts=4, seed=1, trained=True),
    "houlsby-down-2": dict(style="houlsby", split="down-only", experts=2, seed=22, trained=True),
    "houlsby-both-2": dict(style="houlsby", split="both", experts=2, seed=1, trained=True),
    "swin-up-4": dict(style="swin", split="up-only", experts=4, seed=6),
    "swin-down-2": dict(style="swin", split="down-only", experts=2, seed=4),
    "swin-both-2": dict(style="swin", split="both", experts=2, seed=2),
    "lora-up-4": dict(style="lora", split="up-only", experts=4, seed=1, trained=True),
    "lora-down-2": dict(style="lora", split="down-only", experts=2, seed=3),
    "lora-both-2": dict(style="lora", split="both", experts=2, seed=22),
}
SCALE = {"adaptformer": 0.1, "pfeiffer": 1.0, "houlsby": 1.0, "swin": 0.1, "lora": 1.0}
ACTIVATION = {"adaptformer": "gelu", "pfeiffer": "relu", "houlsby": "silu", "swin": "gelu"}
# Their names of styles; Swin has one, and LoRA none.
STYLE = {"adaptformer": "AdaptFormer", "pfeiffer": "Pfeiffer", "houlsby": "Houlsby"}
LAYERS = [f"vit.encoder.layer.{i}.mosa" for i in range(TINY["num_hidden_layers"])]
# Where a pass draws a pair of experts, in the order of its draws.
PLACES = {
    "adaptformer": LAYERS,
    "pfeiffer": LAYERS,
    "houlsby": [f"{layer}.{side}" for layer in LAYERS for side in ("attention", "ffn")],
    "lora": [f"{layer}.{side}" for layer in LAYERS for side in ("query", "value")],
    "swin": [f"swin.encoder.layers.{s}.blocks.{b}.mosa" for s, depth in enumerate(make_swin.TINY["depths"]) for b in range(depth)],
}
# The steps whose gradients are stored: up projections start at 0, so the down side first sees a gradient in step 3.
GRADIENT_STEPS = (1, 2, 3, STEPS)


class Replay:
    """Stands in for the `random` module of their forward: hands out a list of draws, and checks what is asked for."""

    def __init__(self, draws: np.ndarray, experts: int):
        self.left, self.experts = list(draws.reshape(-1)), experts

    def randint(self, low: int, high: int) -> int:
        assert (low, high) == (0, self.experts - 1)
        return int(self.left.pop(0))


def inputs(style: str) -> tuple[torch.Tensor, torch.Tensor]:
    if style != "swin":
        return pixels(TINY), labels(TINY)
    return torch.cat([arr(7, [1, 3, SWIN_SIZE, SWIN_SIZE], 1), arr(8, [1, 3, SWIN_SIZE, SWIN_SIZE], 1)]).float(), torch.tensor([1, 4])


def split_modules(model) -> list[nn.ModuleList]:
    """Their split linear layers, as lists of N experts."""
    return [module for name, module in model.enc.named_modules() if isinstance(module, nn.ModuleList) and re.search(r"adapter_(down|up)|lora_[AB]", name)]


class Kinks:
    """The smallest size of a ReLU's input over a run; none where nothing is a ReLU."""

    def __init__(self, model):
        self.smallest = float("inf")
        for module in model.modules():
            if isinstance(module, nn.ReLU):
                module.register_forward_pre_hook(lambda _, given: self.see(given[0]))

    def see(self, x) -> None:
        self.smallest = min(self.smallest, x.abs().min().item())


def owner_maps(cfg, model, seed: int) -> list[torch.Tensor]:
    """Masks of their pruner, as one map of owners per split weight. A tie at a band's edge gives an entry two owners: drawn again."""
    torch.manual_seed(seed)
    pruner = Rand(cfg)
    owners = []
    for experts in split_modules(model):
        while True:
            masks = torch.stack(pruner.divide(pruner.score(experts[0].weight.float())))
            if (masks.sum(0) == 1).all():
                break
        owners.append(masks.argmax(0).to(torch.uint8))
        if experts[0].bias is not None:
            assert all((mask == 1).all() for mask in pruner.divide(pruner.score(experts[0].bias)))  # biases are replicated
    return owners


def set_masks(model, owners) -> None:
    for experts, owner in zip(split_modules(model), owners, strict=True):
        for e, expert in enumerate(experts):
            expert.weight.mask = (owner == e).long()
            if expert.bias is not None:
                expert.bias.mask = torch.ones_like(expert.bias, dtype=torch.long)


def fill_up(model, owners) -> None:
    """Entries for the up projections, of experts each in the one that owns it; biases for all."""
    owner_of = dict(zip(split_modules(model), owners, strict=True))
    ups = [module for name, module in model.enc.named_modules() if re.search(r"(adapter_up(_attn|_ffn)?|lora_B_\w)$", name)]
    with torch.no_grad():
        for index, up in enumerate(ups):
            if isinstance(up, nn.ModuleList):
                union = arr(5000 + index, up[0].weight.shape, 0.5).float()
                for e, expert in enumerate(up):
                    expert.weight.copy_(union * (owner_of[up] == e))
                    if expert.bias is not None:
                        expert.bias.copy_(arr(5100 + 10 * index + e, expert.bias.shape, 0.1))
            else:
                up.weight.copy_(arr(5000 + index, up.weight.shape, 0.5))
                up.bias.copy_(arr(5100 + 10 * index, up.bias.shape, 0.1))


def compact(tensors: dict, owners: dict) -> dict:
    """Our layout of per-expert tensors: the union of owned entries for weights, a row per expert for biases. Missing experts are 0."""
    out: dict = {}
    for name, value in tensors.items():
        key, expert = our_place(name, SUITE)
        if expert is None:
            out[key] = value
        elif key.endswith(".weight"):
            owner = owners[key.removesuffix(".weight") + ".owner"]
            out[key] = out.get(key, torch.zeros_like(value)) + value * (owner == expert)
        else:
            key = key.removesuffix(".bias") + ".experts.bias"
            rows = out.setdefault(key, torch.zeros(int(max(o.max() for o in owners.values())) + 1, *value.shape, dtype=value.dtype))
            rows[expert] = value
    return out


def setup(case: str):
    style = CASES[case].get("style", "adaptformer")
    options = dict(style=style, scale=SCALE[style], addWeight=0.0, trained=False) | CASES[case]
    split = dict(EXPERT_NUM=options["experts"], SHARE=SHARE[options["split"]], SCALAR=options["scale"])
    cfg = configuration(
        learning_rate=LEARNING_RATE, warmup=WARMUP, epochs=STEPS, MOE=True, ADDITIONAL=True, ADD_WEIGHT=options["addWeight"], STYLE=STYLE.get(style),
        lora=dict(RANK=RANK) | split if style == "lora" else None, **split,
    )
    draws = np.random.default_rng(options["seed"]).integers(0, options["experts"], (STEPS, PASSES, len(PLACES[style]), 2))
    return cfg, draws, options


def run(case: str, dtype, noise=None) -> dict:
    cfg, draws, options = setup(case)
    seed, experts = options["seed"], options["experts"]
    torch.manual_seed(seed)
    model = (SwinModel if options["style"] == "swin" else Model)(cfg)
    owners = owner_maps(cfg, model, seed)
    if options["trained"]:
        fill_up(model, owners)
    model = model.to(dtype).train()
    set_masks(model, owners)
    kinks = Kinks(model)
    names = [our_place(name, SUITE)[0] for name, p in model.named_parameters() if p.requires_grad and name.endswith(".0.weight") and our_place(name, SUITE)[1] == 0]
    owned = {name.removesuffix(".weight") + ".owner": owner for name, owner in zip(names, owners, strict=True)}
    replay = Replay(draws, experts)
    for module in (vit_mosa, swin_mosa, vit_mosl):
        module.random = replay

    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    start = {name: p.detach().clone() for name, p in trained.items()}
    step = Step(cfg, model, dtype, noise)
    x, y = inputs(options["style"])
    x = x.to(dtype)
    result: dict = {"start": start, "owners": owned, "gradients": {}, "steps": []}
    for i in range(1, STEPS + 1):
        rate = step.scheduler.get_last_lr()[0]
        logits = step.run(x, y)
        terms = {"ce": step.ce.values[0], "kl": step.kl.values[0]}
        if options["addWeight"]:
            terms["ceSecondPass"] = step.ce.values[1]
        result["steps"].append({"learningRate": rate, "loss": step.loss} | terms)
        if i == 1:
            result["logits"] = logits.detach()
        if i in GRADIENT_STEPS:
            result["gradients"][i] = step.gradients
        step.scheduler.step()
    assert not replay.left, "fewer draws were taken than expected"

    result["final"] = {name: p.detach().clone() for name, p in trained.items()}
    result["deltas"] = {name: result["final"][name] - start[name] for name in trained}
    model.eval()
    result["merged"] = {}
    for mode in ("add", "joint"):
        model.enc.merge(mode)
        with torch.no_grad():
            result["merged"][f"{mode}.logits"] = model(x)
        for name, p in model.named_parameters():
            if "_merge" in name:
                key, _ = our_place(name.replace("_merge", ""), SUITE)
                result["merged"][f"{mode}.{key}"] = p.detach().clone()
    result["kink"] = kinks.smallest
    return result


def conditioning(case: str) -> tuple[dict, float]:
    """The float64 run, and how far float32 and noise of its size move the result."""
    wide, narrow = run(case, torch.float64), run(case, torch.float32)
    assert wide["kink"] > 5e-5, f"a ReLU's input comes within {wide['kink']:.1e} of zero"
    assert_close("logits", {"logits": narrow["logits"]}, {"logits": wide["logits"]}, 4e-6)
    assert_close("merged", narrow["merged"], wide["merged"], 1e-4)
    for i, gradients in wide["gradients"].items():
        largest = max(g.abs().max().item() for g in gradients.values())
        assert gradients.keys() == narrow["gradients"][i].keys()
        # After steps of optimizing, float32's gradients carry the drift of its parameters as well.
        assert_close(f"gradients of step {i}", narrow["gradients"][i], gradients, 5e-5, largest / 1000)
    others = [narrow, *(run(case, torch.float64, torch.Generator().manual_seed(s)) for s in range(3))]
    worst = max(error(value, wide["deltas"][name]) for other in others for name, value in other["deltas"].items() if wide["deltas"][name].any())
    return wide, worst


def make(case: str) -> None:
    cfg, draws, options = setup(case)
    style, split, experts = options["style"], options["split"], options["experts"]
    wide, worst = conditioning(case)
    assert worst < 3e-4, f"{case}: p_n - p_0 moves by {worst:.1e} with rounding alone; choose another seed"
    owners = wide["owners"]
    check_up(wide, owners, experts)
    x, y = inputs(style)
    tensors = {"pixels": x, "labels": y, "draws": torch.from_numpy(draws)} | owners
    tensors |= {"output.logits": wide["logits"]} | prefixed("merged", wide["merged"])
    gradients = {f"grad{i}": g for i, g in wide["gradients"].items()}
    for group, values in ({"start": wide["start"], "delta": wide["deltas"]} | gradients).items():
        tensors |= prefixed(group, compact(values, owners))
    for group, values in {"final": wide["final"], "delta": wide["deltas"], "grad1": gradients["grad1"], "grad2": gradients["grad2"]}.items():
        tensors |= prefixed(f"official.{group}", values)
    places = {}
    for name in wide["start"]:
        key, expert = our_place(name, SUITE)
        places[name] = {"key": key} if expert is None else {"key": key if key.endswith("weight") else key.removesuffix(".bias") + ".experts.bias", "expert": expert}
    first = {}
    for column, side in ((0, "down"), (1, "up")):
        if f".{side}.owner" in " ".join(owners):
            first[side] = [[first_step(draws[:, :, block, column], e) for e in range(experts)] for block in range(len(PLACES[style]))]
    info = {
        "host": "../swin/tiny" if style == "swin" else "../vit/tiny",
        "layerNormEps": 1e-5 if style == "swin" else 1e-6,
        "made": f"{dict(swin='MoSASwinTransformer', lora='MoSLVisionTransformer').get(style, 'MoSAVisionTransformer')}, Pruner, losses, optimizer, schedule and Trainer.forward_one_batch of the MoSA repository at {COMMIT}, float64 on float32 weights",
        "style": style,
        "places": PLACES[style],
        "split": split,
        "numExperts": experts,
        "bottleneck": RANK if style == "lora" else 8,
        **({} if style == "lora" else {"activation": ACTIVATION[style]}),
        "scale": options["scale"],
        "dropout": 0.0,
        "addWeight": options["addWeight"],
        "regWeight": 1.0,
        "batch": "the same pixels and labels each step",
        "draws": "[step, pass, place, (down, up)]: the expert of each side; a side that is not split ignores its draw",
        "firstDraw": {"is": "step (from 1) of an expert's first draw by [place][expert], 0 if never: its Adam counter starts there", **first},
        "steps": wide["steps"],
        "start": "start.* are the parameters before the first step; official.final.* and official.delta.* are those after the last, and their way",
        "gradientSteps": list(GRADIENT_STEPS),
        "gradients": "as the optimizer gets them, masked. official.grad<i> leaves out what has no gradient tensor yet; grad<i> has zeros there",
        "optimizer": {
            "name": "AdamW of mosa.md §6.1", "learningRate": LEARNING_RATE, "betas": [0.9, 0.999], "eps": 1e-6, "weightDecay": 0.01, "noDecay": "names containing `bias`",
            "schedule": {"name": "warm-up and cosine by epoch, an epoch being one step", "warmupEpochs": WARMUP, "epochs": STEPS},
            "zeroGrad": "writes zeros, as in torch 1.11: an expert that is not drawn moves on its moments",
        },
        "merged": "merged.add.*, merged.joint.*: logits and merged tensors after the last step, evaluation mode",
        "zeroGradient": sorted(key for key, value in compact(wide["deltas"], owners).items() if not value.any()),
        "official": places,
    }
    if split != "up-only":
        info["note"] = "a split down side: outside its own entries each expert keeps the common initial weight, which decays from the expert's first draw on; down.weight is the union of owned entries, official.* has all of them"
    write(SUITE, case, tensors, info)


def check_up(wide: dict, owners: dict, experts: int) -> None:
    """What mosa.md says of a split up side: entries outside an expert's mask stay 0, and the merged weight is the union over N."""
    for name, value in wide["final"].items():
        key, expert = our_place(name, SUITE)
        if expert is not None and key.endswith("up.weight"):
            assert not value[owners[key.removesuffix(".weight") + ".owner"] != expert].any(), name
    for key, union in compact(wide["final"], owners).items():
        if key.endswith("up.weight") and key.removesuffix(".weight") + ".owner" in owners:
            for mode in ("add", "joint"):
                assert (wide["merged"][f"{mode}.{key}"] - union / experts).abs().max() < 1e-15, key


def first_step(draws: np.ndarray, expert: int) -> int:
    hit = (draws == expert).any(axis=1)
    return int(hit.argmax()) + 1 if hit.any() else 0


def goldens() -> None:
    """Head, loss, optimizer and schedule of the repository, alone, with the numbers that mosa.md gives for them."""
    torch.manual_seed(3407)
    head = MLP(768, [200], special_bias=True).last_layer
    losses = {}
    for name, p, q in (("two", [[1.0, 0.0]], [[0.0, 1.0]]), ("batch", [[1.0, 0.0], [2.0, -1.0]], [[0.0, 1.0], [0.5, 0.5]]), ("same", [[0.3, -0.7, 2.0]], [[0.3, -0.7, 2.0]])):
        p, q = torch.tensor(p, requires_grad=True), torch.tensor(q, requires_grad=True)
        loss = symmetric_KL_loss(p, q)
        loss.backward()
        losses[name] = {"p": p.tolist(), "q": q.tolist(), "loss": loss.item(), "gradP": p.grad.tolist(), "gradQ": q.grad.tolist()}
    assert abs(losses["two"]["loss"] - 0.46211720) < 1e-7 and abs(losses["batch"]["loss"] - 0.57048917) < 1e-7

    model = torch.nn.ParameterDict({"weight": torch.ones(1, dtype=torch.float64), "bias": torch.ones(1, dtype=torch.float64)})
    optimizer = make_optimizer([model], configuration(learning_rate=0.01).SOLVER)
    values: dict = {"weight": [], "bias": []}
    for _ in range(3):
        for name, p in model.items():
            p.grad = torch.full_like(p, 0.5)
        optimizer.step()
        for name, p in model.items():
            values[name].append(p.item())
    assert np.allclose(values["weight"], [0.98990163, 0.97980409, 0.96970747], atol=1e-8)

    solver = configuration(learning_rate=1.0, warmup=10, epochs=100).SOLVER
    scheduler = make_scheduler(make_optimizer([model], solver), solver)
    factors = []
    for _ in range(100):
        factors.append(scheduler.get_last_lr()[0])
        scheduler.optimizer.step()
        scheduler.step()
    assert np.allclose([factors[e] for e in (0, 1, 5, 10, 11, 55, 99)], [0, 0.1, 0.5, 1.0, 0.99969541, 0.5, 3.0459e-4], atol=1e-8)

    write_json(
        FIXTURES / SUITE / "goldens.json",
        {
            "made": f"the MoSA repository at {COMMIT}",
            "head": {
                "rule": "weight normal with std sqrt(2 / classes) (Kaiming, fan_out), bias -log(99)",
                "bias": head.bias[0].item(),
                "sample": {"shape": [200, 768], "mean": head.weight.mean().item(), "std": head.weight.std().item(), "expectedStd": (2 / 200) ** 0.5},
            },
            "klSymmetric": losses,
            "optimizer": {"start": 1.0, "gradient": 0.5, "learningRate": 0.01, "afterSteps": {"decayed": values["weight"], "notDecayed": values["bias"]}},
            "schedule": {"warmupEpochs": 10, "epochs": 100, "factors": factors},
        },
    )


if __name__ == "__main__":
    for name in CASES:
        make(name)
    goldens()
    make_side()
