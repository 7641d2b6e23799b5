"""A small U-Net F for windows on a torus: the states of a window are channels, both directions are circular.

For priors whose dynamics are the same everywhere but for a force that varies along the rows, of which the
network is told the phase. Patches of 2 x 2 points are channels too, so that the finest level has a quarter
of the points: on a processor that costs less than as many layers on all. One coarser level, of half as many
points a side, sees the whole. Blocks are those of `models.prior.convolution`, added across the levels.
"""

from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from models.prior import convolution
from models.prior.convolution import CONDITION, waves

PATCH = 2


class Wrap(torch.autograd.Function):
    """One point more on each side, from the opposite one; its derivative adds them up there again.

    As `F.pad(mode="circular")`, whose derivative takes a fifth of the time of a training step.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """(..., h, w) -> (..., h + 2, w + 2)."""
        x = torch.cat([x[..., -1:], x, x[..., :1]], dim=-1)
        return torch.cat([x[..., -1:, :], x, x[..., :1, :]], dim=-2)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        """(..., h + 2, w + 2) -> (..., h, w)."""
        rows = gradient[..., 1:-1, :].clone()
        rows[..., 0, :] += gradient[..., -1, :]
        rows[..., -1, :] += gradient[..., 0, :]
        out = rows[..., 1:-1].clone()
        out[..., 0] += rows[..., -1]
        out[..., -1] += rows[..., 0]
        return out


class Convolution(nn.Module):
    """3 x 3 on the torus; keeps the shape."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.kernel = nn.Conv2d(inputs, outputs, 3)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, h, w) -> (N, outputs, h, w)."""
        return self.kernel(Wrap.apply(x))


class Block(convolution.Block):
    """The same block, on the torus."""

    def __init__(self, width: int) -> None:
        super().__init__(width, (1, 1))
        self.first = Convolution(width, 2 * width)  # type: ignore[assignment]
        self.second = Convolution(width, width)  # type: ignore[assignment]


class UNet(nn.Module):
    """F: windows (N, L, 2 K, h, w) -> (N, L, K, h, w), h and w multiples of 4.

    Arguments:
        latent_shape: (K, h, w).
        window: L.
        width: channels of the finer level; the coarser has twice as many.
        blocks: residual blocks before, on, and after the coarser level, each.
        wave: number of waves of the force along the rows.
    """

    def __init__(
        self, latent_shape: tuple[int, int, int], window: int, width: int, blocks: int, wave: int
    ) -> None:
        super().__init__()
        channels = window * latent_shape[0] * PATCH**2
        self.wave = wave
        self.inputs = Convolution(2 * channels + 2, width)
        self.embed = nn.Sequential(nn.Linear(32, CONDITION), nn.SiLU(), nn.Linear(CONDITION, CONDITION))
        self.before = nn.ModuleList(Block(width) for _ in range(blocks))
        self.down = nn.Conv2d(width, 2 * width, 2, stride=2)
        self.coarse = nn.ModuleList(Block(2 * width) for _ in range(blocks))
        self.up = nn.ConvTranspose2d(2 * width, width, 2, stride=2)
        self.after = nn.ModuleList(Block(width) for _ in range(blocks))
        self.outputs = Convolution(width, channels)
        nn.init.zeros_(self.outputs.kernel.weight)
        nn.init.zeros_(self.outputs.kernel.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, log_sigma: Tensor, season: Tensor) -> Tensor:
        """x (N, L, 2 K, h, w), log_sigma (N,), season (not used) -> (N, L, K, h, w)."""
        return self.seen(x, F.silu(self.embed(waves(log_sigma))))[0]

    def seen(self, x: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """F of x (N, L, 2 K, h, w) and what is known on the coarser level, (N, 2 width, h / 4, w / 4)."""
        window = x.shape[1]
        y = rearrange(x, "n l k (h p) (w q) -> n (l k p q) h w", p=PATCH, q=PATCH)
        y = self.inputs(torch.cat([y, self._phase(y)], dim=1))
        for block in self.before:
            y = block(y, condition)
        z = self.down(y)
        for block in self.coarse:
            z = block(z, condition)
        y = y + self.up(z)
        for block in self.after:
            y = block(y, condition)
        y = rearrange(self.outputs(y), "n (l k p q) h w -> n l k (h p) (w q)", l=window, p=PATCH, q=PATCH)
        return y, z

    def _phase(self, y: Tensor) -> Tensor:
        """Cosine and sine of the force's phase in the rows of y (N, C, h, w), (N, 2, h, w)."""
        row = (torch.arange(y.shape[-2]).to(y) + 0.5) * (2 * torch.pi * self.wave / y.shape[-2])
        both = torch.stack([row.cos(), row.sin()])[None, :, :, None]
        return both.expand(len(y), -1, -1, y.shape[-1])
