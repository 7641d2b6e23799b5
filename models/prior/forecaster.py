r"""What becomes of a state in a few hours: the dynamics, learned by themselves.

A denoiser of windows has to learn the dynamics from what noise leaves of them. Asked for the next state
alone, a network of places and their neighbours (`columns.py`) learns them in a hundredth of the time. With
what it has been wrong by, of modes of space P and of what is left,

    z_k+1 = f(z_k) + P^T q_P n_k + (1 - P) q n'_k,        n_k ~ N(0, 1),

is a forecast that says how far to trust it. What it is wrong by lasts, so that n_k+1 is r n_k and something
new. It says nothing of windows of which no state is known: it is no prior.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.prior.climatology import HARMONICS, seasonal
from models.prior.columns import CONDITION, ColumnBlock, gathered, spread
from models.prior.modes import joined, parts

DAYS = 365.25
TOGETHER = 16  # states of many that go through at once: more only fill the cache
CHANGE = 0.3  # of latents between states; what comes out is in units of it


class Forecaster(nn.Module):
    """f: states (N, K, h, w) -> those one step later.

    Attributes:
        modes: standard deviation of what it is wrong by in the amplitudes of the Climatology's modes, (r,).
        rest: the same of latents, without those modes, on average over columns, (K,).
        lasting: r, of both, (2,); from how alike errors are that are a window apart, for with the next ones
            they are more alike than such a series would have it.

    Arguments:
        latent_shape: (K, h, w).
        static: fields per latent column, as of `ColumnNetwork`, (S, h, w).
        hours: of a step.
        directions: r.
        width, blocks, fine, mix: as of `ColumnNetwork`.
    """

    static: Tensor
    modes: Tensor
    rest: Tensor
    lasting: Tensor

    def __init__(
        self,
        latent_shape: tuple[int, int, int],
        static: Tensor,
        hours: int,
        directions: int,
        width: int,
        blocks: int,
        fine: int = 2,
        mix: int = 96,
    ) -> None:
        super().__init__()
        channels, height, breadth = latent_shape
        self.hours, self.fine, wide = hours, fine, fine**2 * width
        self.register_buffer("static", static)
        self.register_buffer("modes", torch.zeros(directions))
        self.register_buffer("rest", torch.zeros(channels))
        self.register_buffer("lasting", torch.zeros(2))
        self.inputs = nn.Linear(channels, wide)
        self.statics = nn.Linear(len(static), wide)
        self.place = nn.Parameter(0.02 * torch.randn(height, breadth, wide))
        self.embed = nn.Linear(2 * HARMONICS, CONDITION)
        self.blocks = nn.ModuleList(ColumnBlock(width, mix) for _ in range(blocks))
        self.norm = nn.LayerNorm(width)
        self.outputs = nn.Linear(wide, channels)
        nn.init.zeros_(self.outputs.weight)
        nn.init.zeros_(self.outputs.bias)

    def forward(self, z: Tensor, year_fraction: Tensor) -> Tensor:
        """One step; `year_fraction` (N,): when the states are."""
        condition = F.silu(self.embed(seasonal(year_fraction)[..., 1:].to(z)))
        places = self.inputs(z.movedim(1, -1)) + self.statics(self.static.movedim(0, -1)) + self.place
        places = spread(places, self.fine)
        for block in self.blocks:
            places = block(places, condition)
        return z + CHANGE * self.outputs(gathered(self.norm(places), self.fine)).movedim(-1, 1)

    def step(self, z: Tensor, year_fraction: float) -> Tensor:
        """One step of however many states (N, K, h, w) of the same time."""
        return torch.cat(
            [self(part, part.new_full((len(part),), year_fraction)) for part in z.split(TOGETHER)]
        )

    def course(self, z: Tensor, year_fraction: float, noise: Tensor, directions: Tensor) -> Tensor:
        """States (N, K, h, w) and those that follow, (N, 1 + steps, K, h, w), each off as f has been.

        Arguments:
            year_fraction: when the first states are.
            noise: standard normal, (N, steps, K, h, w).
            directions: the modes, orthonormal, (r, K h w).
        """
        states, when = [z], year_fraction
        for off in self.errors(noise, directions).unbind(1):
            states.append(self.step(states[-1], when) + off)
            when = (when + self.hours / 24 / DAYS) % 1
        return torch.stack(states, dim=1)

    def errors(self, noise: Tensor, directions: Tensor) -> Tensor:
        """What steps in a row are wrong by, from white noise, each (N, steps, K, h, w)."""
        inside, outside = parts(noise.flatten(2), directions)
        modes, rest = self.lasting.tolist()
        amplitudes = self.modes * _red(inside, modes)
        left = self.rest[:, None, None] * _red(outside, rest).reshape(noise.shape)
        return joined(amplitudes, left.flatten(2), directions).reshape(noise.shape)


def _red(white: Tensor, r: float) -> Tensor:
    """Of variance 1 as white noise (N, steps, n) is, but each step r times the last and something new."""
    steps = [white[:, 0]]
    for new in white[:, 1:].unbind(1):
        steps.append(r * steps[-1] + (1 - r**2) ** 0.5 * new)
    return torch.stack(steps, dim=1)
