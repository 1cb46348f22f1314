"""Parts of diffusion models as training sees them, forward and backward: rows of `pnpm bench engine`.

Two residual blocks of Stable Diffusion's size (320 channels, 64 x 64, group norm, SiLU, 3 x 3 convolutions with LoRA of rank
16, the time's projection), and self-attention over 4,096 places with 8 heads of 40.
"""

import torch
import torch.nn as nn
import torch.nn.functional as F

CHANNELS, SIZE, RANK, TIME, GROUPS = 320, 64, 16, 1280, 32
TOKENS, HEADS = SIZE * SIZE, 8


class LoraConv(nn.Module):
    """As PEFT adapts a convolution: the same window down to the rank, 1 x 1 back up; both with noise, so that nothing is zero."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1).requires_grad_(False)
        self.a = nn.Conv2d(CHANNELS, RANK, 3, padding=1, bias=False)
        self.b = nn.Conv2d(RANK, CHANNELS, 1, bias=False)

    def forward(self, x):
        return self.conv(x) + self.b(self.a(x))


class ResidualBlock(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1 = nn.GroupNorm(GROUPS, CHANNELS).requires_grad_(False)
        self.norm2 = nn.GroupNorm(GROUPS, CHANNELS).requires_grad_(False)
        self.conv1, self.conv2 = LoraConv(), LoraConv()
        self.time = nn.Linear(TIME, CHANNELS).requires_grad_(False)

    def forward(self, x, time):
        h = self.conv1(F.silu(self.norm1(x))) + self.time(F.silu(time))[:, :, None, None]
        return x + self.conv2(F.silu(self.norm2(h)))


class ResidualBlocks:
    def __init__(self):
        self.blocks = nn.ModuleList([ResidualBlock(), ResidualBlock()])
        self.x = torch.randn(1, CHANNELS, SIZE, SIZE, requires_grad=True)
        self.time = torch.randn(1, TIME)

    def step(self) -> None:
        self.blocks.zero_grad()
        self.x.grad = None
        h = self.x
        for block in self.blocks:
            h = block(h, self.time)
        loss = h.square().mean()
        loss.backward()
        loss.item()


class SelfAttention:
    def __init__(self):
        shape = (1, HEADS, TOKENS, CHANNELS // HEADS)
        self.qkv = [torch.randn(shape, requires_grad=True) for _ in range(3)]

    def step(self) -> None:
        for x in self.qkv:
            x.grad = None
        loss = F.scaled_dot_product_attention(*self.qkv).square().mean()
        loss.backward()
        loss.item()


PARTS = {"sd-blocks": ResidualBlocks, "attention-4096": SelfAttention}
