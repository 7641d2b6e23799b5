"""F for trajectories on the sphere: a network of places and their neighbours.

A place holds all states of a window at once, and in every block sees the eight places around it: in a few
hours air moves a fraction of a latent column, so what becomes of it is decided next to it. Where global
attention (`trajectory.py`) has to find that out, here it is built in; what is far is heard through as many
blocks. A column of latents is spread over `fine` x `fine` places first, so that what is learned of one serves
the others. The row beyond a pole is the row half a turn away. A window has as many states as the network was
made for.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from models.prior.convolution import waves
from models.prior.sphere import padded

CONDITION = 64  # width of the embedding of noise level, season and step


def neighbourhood(x: Tensor) -> Tensor:
    """Each place and the eight around it, (N, h, w, C) -> (N, h, w, 9 C)."""
    height, breadth = x.shape[1:3]
    wide = padded(x.movedim(-1, 1), 1).movedim(1, -1)
    return torch.cat([wide[:, i : i + height, j : j + breadth] for i in range(3) for j in range(3)], dim=-1)


def spread(x: Tensor, fine: int) -> Tensor:
    """Columns to `fine` x `fine` places each, (N, h, w, fine^2 C) -> (N, fine h, fine w, C)."""
    return F.pixel_shuffle(x.movedim(-1, 1), fine).movedim(1, -1)


def gathered(x: Tensor, fine: int) -> Tensor:
    """The inverse of `spread`."""
    return F.pixel_unshuffle(x.movedim(-1, 1), fine).movedim(1, -1)


class ColumnBlock(nn.Module):
    """What neighbours say, `mix` words each, and a two-layer network, both scaled and shifted."""

    def __init__(self, width: int, mix: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.words = nn.Linear(width, mix)
        self.heard = nn.Linear(9 * mix, width)
        self.network = nn.Sequential(nn.Linear(width, 3 * width), nn.GELU(), nn.Linear(3 * width, width))
        self.condition = nn.Linear(CONDITION, 4 * width)
        for layer in (self.heard, self.network[-1], self.condition):
            nn.init.zeros_(layer.weight)  # type: ignore[arg-type]
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """(N, h, w, width), (N, CONDITION) -> (N, h, w, width)."""
        shift, scale, shift2, scale2 = self.condition(condition)[:, None, None].chunk(4, dim=-1)
        x = x + self.heard(neighbourhood(self.words(self.norm(x) * (1 + scale) + shift)))
        return x + self.network(self.norm(x) * (1 + scale2) + shift2)


class ColumnNetwork(nn.Module):
    """F: windows (N, L, 2 K, h, w) -> (N, L, K, h, w).

    Arguments:
        latent_shape: (K, h, w).
        static: fields per latent column, standardised, such as orography and land, (S, h, w).
        window: L.
        width: of a place.
        blocks: how many.
        fine: places along each side of a latent column.
        mix: numbers that a place tells its neighbours in a block.
    """

    static: Tensor

    recompute = False  # whether activations of blocks are computed again on the way back, not kept

    def __init__(
        self,
        latent_shape: tuple[int, int, int],
        static: Tensor,
        window: int,
        width: int,
        blocks: int,
        fine: int = 2,
        mix: int = 96,
    ) -> None:
        super().__init__()
        channels, height, breadth = latent_shape
        self.fine, wide = fine, fine**2 * width
        self.register_buffer("static", static)
        self.inputs = nn.Linear(2 * window * channels, wide)
        self.statics = nn.Linear(len(static), wide)
        self.place = nn.Parameter(0.02 * torch.randn(height, breadth, wide))
        self.embed = nn.Sequential(
            nn.Linear(2 * 32 + 4, CONDITION), nn.SiLU(), nn.Linear(CONDITION, CONDITION)
        )
        self.strength = nn.Linear(CONDITION, width)
        self.blocks = nn.ModuleList(ColumnBlock(width, mix) for _ in range(blocks))
        self.norm = nn.LayerNorm(width)
        self.outputs = nn.Linear(wide, channels * window)
        for layer in (self.strength, self.outputs):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, log_sigma: Tensor, season: Tensor, step: Tensor) -> Tensor:
        """As of `models.prior.trajectory.TrajectoryTransformer`."""
        told = [waves(log_sigma), waves(step.log().expand(len(x))), season]
        condition = F.silu(self.embed(torch.cat(told, dim=-1)))
        columns = self.inputs(x.flatten(1, 2).movedim(1, -1))
        places = spread(columns + self.statics(self.static.movedim(0, -1)) + self.place, self.fine)
        places = places * (1 + self.strength(condition)[:, None, None])
        for block in self.blocks:
            if self.recompute and torch.is_grad_enabled():
                places = checkpoint(block, places, condition, use_reentrant=False)
            else:
                places = block(places, condition)
        columns = self.outputs(gathered(self.norm(places), self.fine))
        return columns.movedim(-1, 1).unflatten(1, (x.shape[1], -1))
