"""Makes fixtures/train/optimizers.json and schedules.json: steps of torch's optimizers under gradients that are given, and
transformers' learning-rate schedules.

    python reference/train/make_train.py
"""

import json
from pathlib import Path

import torch
import transformers

OUT = Path(__file__).resolve().parents[2] / "fixtures" / "train"
STEPS = 10
SHAPES = {"layer.weight": [4, 3], "layer.bias": [5]}

CASES = {
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
            norms.append(float(torch.nn.utils.clip_grad_norm_(parameters.values(), clip or 1e30)))
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
    made = {}
    for warmup in (0, 1, 6):
        for name in ("constant", "linear", "cosine"):
            optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
            settings = {} if name == "constant" else dict(num_training_steps=total)
            make = getattr(transformers, f"get_{name}_schedule_with_warmup")
            schedule = make(optimizer, num_warmup_steps=warmup, **settings)
            factors = []
            for _ in range(total + 1):
                factors.append(schedule.get_last_lr()[0])
                optimizer.step()
                schedule.step()
            made[f"{name} {warmup}"] = factors
    return dict(transformers=transformers.__version__, total=total, factors=made)


OUT.mkdir(parents=True, exist_ok=True)
(OUT / "optimizers.json").write_text(json.dumps(optimizers(), indent=1) + "\n")
(OUT / "schedules.json").write_text(json.dumps(schedules(), indent=1) + "\n")
