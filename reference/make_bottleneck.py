"""fixtures/bottleneck: plain adapters, the baseline classes of the MoSA repository in its three styles, on the tiny host.

Their up projections start at zero; here they are numbers of the generator, so that gradients reach everything at once.
"""

import torch

from common import arr, assert_close, prefixed, write
from mosa_repo import COMMIT, Model, Step, configuration, our_place
from vit_hosts import TINY, labels, pixels

SUITE = "bottleneck"
STYLES = {"adaptformer": "AdaptFormer", "pfeiffer": "Pfeiffer", "houlsby": "Houlsby"}
ACTIVATION = {"adaptformer": "relu", "pfeiffer": "relu", "houlsby": "silu"}
PLACE = {
    "adaptformer": "y = h + f + scale · A(LN(h)), parallel to the feed-forward network; h is the residual stream after attention",
    "pfeiffer": "y = h + f + A(LN(f)), after the feed-forward network; f is its output before the residual sum",
    "houlsby": "h = (x + a) + A1(x + a), y = (h + f) + A2(h + f), after each residual sum; no norm of its own",
}
STEPS = 5
LEARNING_RATE = 1e-3
# Chosen so that no ReLU's input comes close to zero and no gradient is lost in rounding.
SEEDS = {"adaptformer": 4700, "pfeiffer": 4000, "houlsby": 4900}


def build(cfg, seed: int) -> Model:
    torch.manual_seed(seed)
    model = Model(cfg)
    trained = sorted((our_place(name, SUITE)[0], p) for name, p in model.named_parameters() if p.requires_grad)
    with torch.no_grad():
        for index, (name, parameter) in enumerate(trained):
            if "classifier" not in name:
                parameter.copy_((1.0 if name.endswith("norm.weight") else 0.0) + arr(seed + index, parameter.shape, 0.3).float())
    return model


class Kinks:
    """The smallest size of a ReLU's input over a run."""

    def __init__(self, model):
        self.smallest = float("inf")
        for name, module in model.named_modules():
            if isinstance(module, torch.nn.ReLU):
                module.register_forward_pre_hook(lambda _, inputs: self.see(inputs[0]))

    def see(self, x) -> None:
        self.smallest = min(self.smallest, x.abs().min().item())


def run(case: str, seed: int, dtype, noise=None) -> dict:
    cfg = configuration(learning_rate=LEARNING_RATE, STYLE=STYLES[case])
    model = build(cfg, seed).to(dtype).train()
    kinks = Kinks(model)
    x, y = pixels(TINY).to(dtype), labels(TINY)
    trained = {our_place(name, SUITE)[0]: p for name, p in model.named_parameters() if p.requires_grad}
    result = {"start": {name: p.detach().clone() for name, p in trained.items()}, "losses": []}
    step = Step(cfg, model, dtype, noise)
    for i in range(STEPS):
        logits = step.run(x, y)
        result["losses"].append(step.loss)
        if i == 0:
            result["outputs"] = {"logits": logits.detach()}
            result["gradients"] = {our_place(name, SUITE)[0]: g for name, g in step.gradients.items()}
    result["deltas"] = {name: p.detach() - result["start"][name] for name, p in trained.items()}
    result["kink"] = kinks.smallest
    return result


def measure(case: str, seed: int) -> dict:
    wide, narrow = run(case, seed, torch.float64), run(case, seed, torch.float32)
    assert wide["kink"] > 5e-5, f"a ReLU's input comes within {wide['kink']:.1e} of zero"
    largest = max(g.abs().max().item() for g in wide["gradients"].values())
    assert min(g.abs().max().item() for g in wide["gradients"].values()) > 1e-6 * largest
    assert_close("outputs", narrow["outputs"], wide["outputs"], 4e-6)
    assert_close("gradients", narrow["gradients"], wide["gradients"], 2e-5, largest / 1000)
    for other in (narrow, *(run(case, seed, torch.float64, torch.Generator().manual_seed(s)) for s in range(3))):
        assert_close("p_n - p_0", other["deltas"], wide["deltas"], 3e-4)
    return wide


def make(case: str) -> None:
    result = measure(case, SEEDS[case])
    tensors = {"pixels": pixels(TINY), "labels": labels(TINY)} | prefixed("output", result["outputs"])
    for group, key in (("start", "start"), ("grad", "gradients"), ("delta", "deltas")):
        tensors |= prefixed(group, result[key])
    info = {
        "host": "../vit/tiny",
        "layerNormEps": 1e-6,
        "made": f"AdaptedVisionTransformer of the MoSA repository at {COMMIT}, float64 on the float32 weights",
        "style": STYLES[case],
        "place": PLACE[case],
        "activation": ACTIVATION[case],
        "norm": case != "houlsby",
        "bottleneck": 8,
        "scale": 0.1 if case == "adaptformer" else 1.0,
        "dropout": 0.0,
        "optimizer": {
            "name": "AdamW of mosa.md §6.1", "learningRate": LEARNING_RATE, "betas": [0.9, 0.999], "eps": 1e-6, "weightDecay": 0.01,
            "noDecay": "names containing `bias`", "steps": STEPS,
        },
        "losses": result["losses"],
        "zeroGradient": [],
        "smallestReluInput": None if case == "houlsby" else result["kink"],
    }
    write(SUITE, case, tensors, info)


if __name__ == "__main__":
    for name in STYLES:
        make(name)
