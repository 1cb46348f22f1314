"""Makes fixtures/train/optimizers.json, schedules.json and ema.json: steps of torch's and transformers' optimizers under
gradients that are given, transformers' learning-rate schedules, and moving averages of parameters.

    python reference/train/make_train.py
"""

import json
from pathlib import Path

import torch
import transformers
from transformers.optimization import Adafactor

OUT = Path(__file__).resolve().parents[2] / "fixtures" / "train"
STEPS = 10
SHAPES = {"layer.weight": [4, 3], "layer.bias": [5], "filters": [2, 3, 4]}

# The third is a norm to clip at, or a value.
CASES = {
    "adam": (torch.optim.Adam, dict(lr=1e-2), None),
    "adam with decay": (torch.optim.Adam, dict(lr=1e-2, weight_decay=0.1, betas=(0.8, 0.95), eps=1e-6), None),
    "adamW": (torch.optim.AdamW, dict(lr=1e-2, weight_decay=0), None),
    "adamW with decay": (torch.optim.AdamW, dict(lr=1e-2, weight_decay=0.1, betas=(0.8, 0.95), eps=1e-6), None),
    "adamW with decay and clipping": (torch.optim.AdamW, dict(lr=1e-2, weight_decay=0.01), 0.5),
    "sgd": (torch.optim.SGD, dict(lr=0.1), None),
    "sgd with clipping": (torch.optim.SGD, dict(lr=0.1), 0.5),
    "sgd with momentum": (torch.optim.SGD, dict(lr=0.1, momentum=0.9), None),
    "sgd with momentum and decay": (torch.optim.SGD, dict(lr=0.1, momentum=0.9, weight_decay=0.05), None),
    "sgd with nesterov momentum and decay": (
        torch.optim.SGD,
        dict(lr=0.1, momentum=0.9, weight_decay=0.05, nesterov=True),
        0.8,
    ),
    "sgd with clipping by value": (torch.optim.SGD, dict(lr=0.1), {"value": 0.3}),
    "adafactor": (Adafactor, dict(lr=None), None),
    "adafactor with warm-up": (Adafactor, dict(lr=None, warmup_init=True), None),
    "adafactor with decay and first moment": (Adafactor, dict(lr=None, weight_decay=0.1, beta1=0.9), None),
    "adafactor with a learning rate": (
        Adafactor,
        dict(lr=1e-2, scale_parameter=False, relative_step=False, weight_decay=0.05),
        None,
    ),
    "adafactor with other thresholds": (
        Adafactor,
        dict(lr=1e-2, relative_step=False, clip_threshold=0.5, decay_rate=-0.6, eps=(1e-20, 0.5)),
        0.5,
    ),
}


def flat(tensor):
    return [float(x) for x in tensor.detach().flatten()]


def optimizers():
    torch.manual_seed(0)
    start = {name: torch.randn(shape) for name, shape in SHAPES.items()}
    # Of very different sizes, some far below Adam's eps, some above the norm that is clipped at.
    sizes = [1, 0.1, 3, 0.01, 1, 0.3, 1e-4, 1, 2, 0.5]
    gradients = [
        {name: torch.randn(shape) * size * (0.01 if name.endswith("bias") else 1) for name, shape in SHAPES.items()}
        for size in sizes
    ]
    cases = {}
    for title, (optimizer_class, options, clip) in CASES.items():
        parameters = {name: torch.nn.Parameter(tensor.clone()) for name, tensor in start.items()}
        optimizer = optimizer_class(parameters.values(), **options)
        norms = []
        for step in gradients:
            for name, parameter in parameters.items():
                parameter.grad = step[name].clone()
            by_value = isinstance(clip, dict)
            norms.append(float(torch.nn.utils.clip_grad_norm_(parameters.values(), clip if clip and not by_value else 1e30)))
            if by_value:
                torch.nn.utils.clip_grad_value_(parameters.values(), clip["value"])
            optimizer.step()
        cases[title] = dict(
            options=options, clip=clip, norms=norms, end={name: flat(p) for name, p in parameters.items()}
        )
    return dict(
        torch=torch.__version__,
        shapes=SHAPES,
        start={name: flat(tensor) for name, tensor in start.items()},
        gradients=[{name: flat(g) for name, g in step.items()} for step in gradients],
        cases=cases,
    )


def schedules():
    total = 20
    lr = 0.1
    settings = {
        "constant": ("constant_with_warmup", {}),
        "linear": ("linear", {}),
        "cosine": ("cosine", {}),
        "cosineWithRestarts": ("cosine_with_restarts", dict(num_cycles=3)),
        "polynomial": ("polynomial", dict(power=2.0, lr_end=0.01)),
        "inverseSqrt": ("inverse_sqrt", {}),
        "inverseSqrt of 5": ("inverse_sqrt", dict(timescale=5)),
    }
    made = {}
    for warmup in (0, 1, 6):
        for title, (name, specific) in settings.items():
            optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)
            schedule = transformers.get_scheduler(
                name,
                optimizer,
                num_warmup_steps=warmup,
                num_training_steps=total,
                scheduler_specific_kwargs=specific,
            )
            factors = []
            for _ in range(total + 1):
                factors.append(schedule.get_last_lr()[0] / lr)
                optimizer.step()
                schedule.step()
            made[f"{title}, {warmup}"] = factors
    return dict(transformers=transformers.__version__, total=total, factors=made)


def ema():
    """The decays are the formula of diffusers' EMAModel.get_decay, written out; the averaging is torch's."""
    cases = {
        "no warm-up": dict(decay=0.9999),
        "a low decay": dict(decay=0.3, minDecay=0.15),
        "warm-up": dict(decay=0.9999, warmup=dict(invGamma=1.0, power=2 / 3)),
        "another warm-up, later": dict(decay=0.6, updateAfterStep=3, warmup=dict(invGamma=2.0, power=0.75)),
    }
    torch.manual_seed(1)
    start = torch.randn(6, dtype=torch.float64)
    gradients = [torch.randn(6, dtype=torch.float64) for _ in range(STEPS)]
    made = {}
    for title, options in cases.items():
        decays = []

        def average(averaged, current, _):
            step = max(0, len(decays) + 1 - options.get("updateAfterStep", 0) - 1)
            warmup = options.get("warmup")
            rising = 1 - (1 + step / warmup["invGamma"]) ** -warmup["power"] if warmup else (1 + step) / (10 + step)
            decays.append(0.0 if step <= 0 else max(options.get("minDecay", 0.0), min(rising, options["decay"])))
            return torch.lerp(current, averaged, decays[-1])

        class Holder(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.p = torch.nn.Parameter(start.clone())

        model = Holder()
        averaged = torch.optim.swa_utils.AveragedModel(model, avg_fn=average)
        averaged.n_averaged += 1  # otherwise the first call copies without asking
        for gradient in gradients:
            model.p.data -= 0.1 * gradient
            averaged.update_parameters(model)
        made[title] = dict(options=options, decays=decays, average=flat(averaged.module.p), end=flat(model.p))
    return dict(
        torch=torch.__version__, learningRate=0.1, start=flat(start), gradients=[flat(g) for g in gradients], cases=made
    )


OUT.mkdir(parents=True, exist_ok=True)
(OUT / "optimizers.json").write_text(json.dumps(optimizers(), indent=1) + "\n")
(OUT / "schedules.json").write_text(json.dumps(schedules(), indent=1) + "\n")
(OUT / "ema.json").write_text(json.dumps(ema(), indent=1) + "\n")
