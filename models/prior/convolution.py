"""A convolutional network F for windows: time and longitude, the same everywhere on the circle.

For priors whose dynamics are local and do not depend on where one is (Lorenz 1996). Kernels reach over a
few states and points. Longitude is circular; beyond the first and last state there is nothing (zeros), so
that the network may be applied to windows longer than those it was trained on. Dilated kernels reach further:
where trajectories pass a saddle, what they were long before decides what they can be. Blocks are residual,
shifted, scaled and gated by the noise level (AdaLN-zero; Peebles & Xie 2023), and multiply two halves of
their channels, since advection multiplies (gated linear units; Dauphin et al. 2017).
"""

import copy
import math
from collections.abc import Sequence
from typing import Self

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

CONDITION = 64  # width of the embedding of the noise level


def waves(log_sigma: Tensor) -> Tensor:
    """The noise level (N,) as cosines and sines, (N, 32)."""
    frequency = torch.exp(torch.linspace(math.log(0.25), math.log(8.0), 16)).to(log_sigma)
    phase = log_sigma[:, None] * frequency
    return torch.cat([phase.cos(), phase.sin()], dim=-1)


class Convolution(nn.Module):
    """Kernel (states, points), both odd, that keeps the shape; `dilation`: of its states."""

    def __init__(self, inputs: int, outputs: int, kernel: tuple[int, int], dilation: int = 1) -> None:
        super().__init__()
        self.around = kernel[1] // 2
        beyond = (dilation * (kernel[0] // 2), 0)
        self.kernel = nn.Conv2d(inputs, outputs, kernel, padding=beyond, dilation=(dilation, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, L, w) -> (N, outputs, L, w)."""
        if self.around:
            x = F.pad(x, (self.around, self.around, 0, 0), mode="circular")
        return self.kernel(x)


class Block(nn.Module):
    """x + gate * conv(a * silu(b)), with a and b from one convolution of the normalised x."""

    def __init__(self, width: int, kernel: tuple[int, int], dilation: int = 1) -> None:
        super().__init__()
        self.first = Convolution(width, 2 * width, kernel, dilation)
        self.second = Convolution(width, width, kernel, dilation)
        self.condition = nn.Linear(CONDITION, 3 * width)
        nn.init.zeros_(self.condition.weight)
        nn.init.zeros_(self.condition.bias)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """(N, width, L, w), (N, CONDITION) -> (N, width, L, w)."""
        shift, scale, gate = self.condition(condition)[:, :, None, None].chunk(3, dim=1)
        y = x * (x.square().mean(1, keepdim=True) + 1e-6).rsqrt()
        a, b = self.first(y * (1 + scale) + shift).chunk(2, dim=1)
        return x + gate * self.second(a * F.silu(b))


class ConvolutionalNetwork(nn.Module):
    """F: windows (N, L, 2 K, h, w) -> (N, L, K, h, w), rows of latitude taken as channels.

    Arguments:
        latent_shape: (K, h, w).
        width, blocks: channels and number of residual blocks.
        kernel: states and points a convolution reaches over, both odd.
        paces: how many time steps there are that it can be told of, each twice the last.
        dilations: of the states, of each block in turn; none: 1 in all.

    Attributes:
        pace: 0 for the shortest time step between the states of a window, 1 for twice that, ...

    Raises:
        ValueError: there is not one dilation per block.
    """

    pace: int = 0

    def __init__(
        self,
        latent_shape: tuple[int, int, int],
        width: int,
        blocks: int,
        kernel: tuple[int, int],
        paces: int = 1,
        dilations: Sequence[int] = (),
    ) -> None:
        super().__init__()
        channels = latent_shape[0] * latent_shape[1]
        kernel = (kernel[0], kernel[1])
        self.inputs = Convolution(2 * channels, width, kernel)
        self.embed = nn.Sequential(nn.Linear(32, CONDITION), nn.SiLU(), nn.Linear(CONDITION, CONDITION))
        self.paces = nn.Parameter(torch.zeros(paces - 1, CONDITION)) if paces > 1 else None
        dilations = dilations or [1] * blocks
        if len(dilations) != blocks:
            raise ValueError(f"{len(dilations)} dilations are given for {blocks} blocks")
        self.blocks = nn.ModuleList(Block(width, kernel, d) for d in dilations)
        self.outputs = nn.Conv2d(width, channels, 1)
        nn.init.zeros_(self.outputs.weight)
        nn.init.zeros_(self.outputs.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, log_sigma: Tensor, season: Tensor) -> Tensor:
        """x (N, L, 2 K, h, w), log_sigma (N,), season (not used) -> (N, L, K, h, w)."""
        height, condition = x.shape[3], self.condition(log_sigma)
        y = self.inputs(rearrange(x, "n l k h w -> n (k h) l w"))
        for block in self.blocks:
            y = block(y, condition)
        return rearrange(self.outputs(y), "n (k h) l w -> n l k h w", h=height)

    def condition(self, log_sigma: Tensor) -> Tensor:
        """The noise level (N,) and the pace as the blocks are told of them, (N, CONDITION)."""
        embedded = self.embed(waves(log_sigma))
        if self.pace and self.paces is not None:
            embedded = embedded + self.paces[self.pace - 1]
        return F.silu(embedded)

    def at(self, pace: int) -> Self:
        """The same network, with the same weights, for windows whose time step is 2^pace of the shortest.

        Raises:
            ValueError: it has not learned that time step.
        """
        known = 1 if self.paces is None else 1 + len(self.paces)
        if not 0 <= pace < known:
            raise ValueError(f"the network knows {known} time steps, the first being 0: not {pace}")
        other = copy.copy(self)
        other.pace = pace
        return other
