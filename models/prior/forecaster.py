r"""What becomes of a state in a few hours: the dynamics, learned by themselves.

A denoiser of windows has to learn the dynamics from what noise leaves of them. Asked for the next state
alone, a network of places and their neighbours (`columns.py`) learns them in a hundredth of the time. With
what it has been wrong by, of modes of space P and of what is left,

    z_k+1 = f(z_k) + P^T L_P n_k + (1 - P) L n'_k,        n_k ~ N(0, 1),

is a forecast that says how far to trust it. L_P L_P^T is the covariance of amplitudes of modes, L L^T that of
the latents of a place, one for each row of places: what latents are wrong by together makes winds or heights
that fit each other, and with latents that are wrong each for itself heights would be wrong twice as much.
What it is wrong by lasts, so that n_k+1 is r n_k and something new. It says nothing of windows of which no
state is known: it is no prior.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.prior.climatology import HARMONICS, seasonal
from models.prior.columns import CONDITION, ColumnBlock, gathered, spread
from models.prior.modes import joined, parts

DAYS = 365.25
TOGETHER = 16  # states of many that go through at once: more only fill the cache
ALONE = 0.02  # of what it is wrong by
CHANGE = 0.3  # of latents between states; what comes out is in units of it


class Forecaster(nn.Module):
    """f: states (N, K, h, w) -> those one step later.

    Attributes:
        modes: L_P, rows of the lower triangle one after the other, (r (r + 1) / 2,).
        rest: L of each row of places, in the same way, (h, K (K + 1) / 2).
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
        self.register_buffer("modes", torch.zeros(directions * (directions + 1) // 2))
        self.register_buffer("rest", torch.zeros(height, channels * (channels + 1) // 2))
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
        amplitudes = _red(inside, modes) @ lower(self.modes).mT
        left = torch.einsum("hkl,nslhw->nskhw", lower(self.rest), _red(outside, rest).reshape(noise.shape))
        return joined(amplitudes, left.flatten(2), directions).reshape(noise.shape)


def _red(white: Tensor, r: float) -> Tensor:
    """Of variance 1 as white noise (N, steps, n) is, but each step r times the last and something new."""
    red = white.clone()
    for k in range(1, white.shape[1]):
        red[:, k] = r * red[:, k - 1] + (1 - r**2) ** 0.5 * white[:, k]
    return red


def lower(rows: Tensor) -> Tensor:
    """Lower-triangular matrices (..., n, n) of their rows one after the other, (..., n (n + 1) / 2)."""
    size = math.isqrt(2 * rows.shape[-1])
    whole = rows.new_zeros(*rows.shape[:-1], size, size)
    whole[..., *torch.tril_indices(size, size)] = rows
    return whole


def factor(covariance: Tensor) -> Tensor:
    """L of covariances (..., n, n), as rows of lower triangles, (..., n (n + 1) / 2).

    A covariance of few states is not positive definite by itself: `ALONE` of it is taken for independent.

    Raises:
        ValueError: one of them is not finite.
    """
    if not covariance.isfinite().all():
        raise ValueError("what the forecaster is wrong by is not finite: its training has diverged")
    variance = covariance.diagonal(dim1=-2, dim2=-1)
    own = torch.diag_embed(variance.clamp_min(1e-6 * float(variance.mean()) + 1e-30))
    found = torch.linalg.cholesky((1 - ALONE) * covariance + ALONE * own)
    return found[..., *torch.tril_indices(*covariance.shape[-2:])]
