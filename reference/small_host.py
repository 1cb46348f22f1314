"""The small host of `packages/core/src/testing/smallHost.ts` in PyTorch: a layer of every kind that an adapter may go to."""

import torch
from torch import nn

from common import arr

CHANNELS, SIZE, WORDS, LENGTH, WIDTH, INNER, CLASSES = 3, 9, 11, 5, 8, 10, 4


class SmallHost(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(CHANNELS, 6, 3, stride=2, padding=1)
        self.mix = nn.Conv2d(6, WIDTH, 1, bias=False)
        self.grouped = nn.Conv2d(WIDTH, WIDTH, 3, padding=1, groups=2)
        self.words = nn.Embedding(WORDS, WIDTH)
        self.norm = nn.LayerNorm(WIDTH, eps=1e-5)
        self.fc1 = nn.Linear(WIDTH, INNER)
        self.fc2 = nn.Linear(INNER, WIDTH, bias=False)
        self.head = nn.Linear(WIDTH, CLASSES)

    def forward(self, pixels, ids):
        picture = self.grouped(torch.tanh(self.mix(torch.tanh(self.stem(pixels))))).mean((2, 3))
        both = self.norm(picture + self.words(ids).mean(1))
        return self.head(both + self.fc2(torch.tanh(self.fc1(both))))


def small_host() -> SmallHost:
    """Weights of encoder-hosts.md §6.1: by sorted name, seed 1000 + index, the norm's around 1."""
    model = SmallHost().eval()
    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for index, name in enumerate(sorted(parameters)):
            shape = parameters[name].shape
            values = 1 + arr(1000 + index, shape, 0.1) if name == "norm.weight" else arr(1000 + index, shape, 0.2)
            parameters[name].copy_(values.float())
    return model


def pixels() -> torch.Tensor:
    return arr(7, [3, CHANNELS, SIZE, SIZE], 1).float()


def ids() -> torch.Tensor:
    return torch.tensor([[1, 4, 10, 4, 0], [7, 7, 3, 1, 2], [5, 6, 8, 9, 4]])


def labels() -> torch.Tensor:
    return torch.tensor([0, 3, 1])
