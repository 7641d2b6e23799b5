r"""What becomes of a state in a few hours: the dynamics, learned by themselves.

Air is carried from place to place, and waves go round the Earth in a day: what becomes of a place in a few
hours depends on what is there, on its slopes, and a little on all that is smooth far away. So each place of
the grid is told its fields and their slopes; in every block it says some words, hears their smooth parts (a
weight for each degree of spherical harmonics, `harmonics.py`) and the slopes of these, and multiplies what it
has heard (gated linear units; Dauphin et al. 2017), for advection is a product. Winds that come out, times
the cosine of latitude, are as smooth as harmonics, also next to a pole. What is learned of one place serves
all others, but for how loud words are, which each row has for itself.

With what it has been wrong by, in latents, of modes of space P and of what is left,

    x_k+1 = f(x_k) + s (D(c + e_k) - D(c)),    e_k = P^T L_P n_k + (1 - P) L n'_k,    n_k ~ N(0, 1),

about a code c, s a number for each channel, is a forecast that says how far to trust it. L_P L_P^T is the
covariance of amplitudes of modes, L L^T that of the latents of a place, one for each row of places: what
latents are wrong by together makes winds or heights that fit each other, and with latents that are wrong each
for itself heights would be wrong twice as much.
What it is wrong by lasts, so that n_k+1 is rho n_k and something new. It says nothing of windows of which no
state is known: it is no prior.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from models.prior.climatology import HARMONICS, seasonal
from models.prior.columns import CONDITION
from models.prior.harmonics import Harmonics
from models.prior.laws import Laws
from models.prior.modes import joined, parts
from models.state.spec import StateSpec

ALONE = 0.02  # of what it is wrong by
WINDS = frozenset({"u", "v", "10u", "10v"})
PLACE = 4  # numbers that say how far north a place is


class SphereBlock(nn.Module):
    """What a place hears, and a gated network of two layers.

    Arguments:
        harmonics: of the grid.
        width: of a place.
        words: that it says.
    """

    def __init__(self, harmonics: Harmonics, width: int, words: int) -> None:
        super().__init__()
        degree, pace = torch.arange(harmonics.truncation + 1.0)[:, None], torch.arange(words) % 4
        self.harmonics = harmonics
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.words = nn.Linear(width, words)
        self.rows = nn.Parameter(torch.ones(len(harmonics.cosine), 1, words))
        self.rows.data[..., 1::2] = harmonics.cosine  # of what is like a wind
        self.degrees = nn.Parameter((1 / (1 + (degree / (4 * 2.0**pace)) ** 2))[:, None, None])
        self.network = nn.Linear(width + 3 * words, 4 * width)
        self.out = nn.Linear(2 * width, width)
        self.condition = nn.Linear(CONDITION, 2 * width)
        for layer in (self.out, self.condition):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """(N, H, W, width), (N, CONDITION) -> (N, H, W, width)."""
        shift, scale = self.condition(condition)[:, None, None].chunk(2, dim=-1)
        own = self.norm(x) * (1 + scale) + shift
        said = self.words(own)
        with torch.autocast(x.device.type, enabled=False):
            found = self.harmonics.analyse(said.float() * self.rows) * self.degrees
            heard = [self.harmonics.field(found), *self.harmonics.gradient(found)]
        value, gate = self.network(torch.cat([own, *heard], dim=-1)).chunk(2, dim=-1)
        return x + self.out(value * F.gelu(gate))


class Forecaster(nn.Module):
    """f: standardised states (N, C, H, W) -> those one step later.

    Attributes:
        change: of each channel in a step, standard deviation, standardised, (C,).
        modes: L_P, rows of the lower triangle one after the other, (r (r + 1) / 2,).
        rest: L of each row of places of latents, in the same way, (h, K (K + 1) / 2).
        lasting: rho, of both, (2,); from how alike errors are that are a window apart, for with the next ones
            they are more alike than such a series would have it.
        loudness: s, (C,), for the code does not have all that fields are off by.

    Arguments:
        state: what states are.
        static: orography and land, standardised, (2, H, W).
        latent_shape: (K, h, w).
        directions: r.
        width, blocks, words: as of `SphereBlock`.
        constant, diagnosed: channels that a law holds of (`Laws`).
    """

    static: Tensor
    change: Tensor
    modes: Tensor
    rest: Tensor
    lasting: Tensor
    loudness: Tensor
    winds: Tensor
    still: Tensor
    place: Tensor

    def __init__(
        self,
        state: StateSpec,
        static: Tensor,
        latent_shape: tuple[int, int, int],
        directions: int,
        width: int,
        blocks: int,
        words: int,
        constant: Sequence[str] = (),
        diagnosed: Sequence[str] = (),
    ) -> None:
        super().__init__()
        latent, height, _ = latent_shape
        rows, breadth = state.grid.shape
        channels = len(state.channels)
        self.harmonics = Harmonics(state.grid.latitude, breadth, min(2 * rows, breadth) // 3)
        self.register_buffer("static", static)
        self.register_buffer("change", torch.ones(channels))
        self.register_buffer("modes", torch.zeros(directions * (directions + 1) // 2))
        self.register_buffer("rest", torch.zeros(height, latent * (latent + 1) // 2))
        self.register_buffer("lasting", torch.zeros(2))
        self.register_buffer("loudness", torch.ones(channels))
        winds = [k for k, c in enumerate(state.channels) if c.variable in WINDS]
        still = np.asarray(state.mean)[winds] / np.asarray(state.std)[winds]
        self.register_buffer("winds", torch.tensor(winds, dtype=torch.long), persistent=False)
        self.register_buffer("still", torch.tensor(still, dtype=torch.float32), persistent=False)
        self.register_buffer("place", _place(self.harmonics.latitude), persistent=False)
        self.laws = Laws(state, constant, diagnosed)
        self.inputs = nn.Linear(3 * (channels + len(static)) + PLACE, width)
        self.embed = nn.Linear(2 * HARMONICS, CONDITION)
        self.blocks = nn.ModuleList(SphereBlock(self.harmonics, width, words) for _ in range(blocks))
        self.norm = nn.LayerNorm(width)
        self.outputs = nn.Linear(width, channels)
        nn.init.zeros_(self.outputs.weight)
        nn.init.zeros_(self.outputs.bias)

    def forward(self, x: Tensor, year_fraction: Tensor) -> Tensor:
        """One step; `year_fraction` (N,): when the states are."""
        condition = F.silu(self.embed(seasonal(year_fraction)[..., 1:].to(x)))
        own = self.laws(x).movedim(1, -1)
        static = self.static.movedim(0, -1).expand(len(x), -1, -1, -1)
        place = self.place.expand(*own.shape[:3], -1)
        with torch.autocast(x.device.type, enabled=False):
            fields = torch.cat([self._smooth(own.float()), static], dim=-1)
            slopes = self.harmonics.gradient(self.harmonics.analyse(fields))
        places = self.inputs(torch.cat([own, static, *slopes, place], dim=-1))
        for block in self.blocks:
            places = block(places, condition)
        after = own + self.change * self.outputs(self.norm(places)).float()
        if len(self.winds):
            with torch.autocast(x.device.type, enabled=False):
                winds = self._smooth(after)[..., self.winds]
                winds = self.harmonics.field(self.harmonics.analyse(winds)) / self.harmonics.cosine
            after[..., self.winds] = winds - self.still
        return self.laws(after.movedim(-1, 1))

    def _smooth(self, x: Tensor) -> Tensor:
        """Standardised states, winds times the cosine of latitude and not less their mean, (N, H, W, C)."""
        x = x.clone()
        x[..., self.winds] = (x[..., self.winds] + self.still) * self.harmonics.cosine
        return x

    def errors(self, noise: Tensor, directions: Tensor) -> Tensor:
        """What steps in a row are wrong by, in latents, from white noise, each (N, steps, K, h, w).

        Arguments:
            directions: the modes, orthonormal, (r, K h w).
        """
        inside, outside = parts(noise.flatten(2), directions)
        modes, rest = self.lasting.tolist()
        amplitudes = _red(inside, modes) @ lower(self.modes).mT
        left = torch.einsum("hkl,nslhw->nskhw", lower(self.rest), _red(outside, rest).reshape(noise.shape))
        return joined(amplitudes, left.flatten(2), directions).reshape(noise.shape)


def _place(phi: NDArray[np.float64]) -> Tensor:
    """Where rows are, of the size of 1 but next to the poles, (H, 1, `PLACE`)."""
    told = [np.sin(phi), np.cos(phi), np.tan(phi) / 5, 0.2 / np.cos(phi)]
    return torch.tensor(np.stack(told, axis=-1)[:, None], dtype=torch.float32)


def _red(white: Tensor, rho: float) -> Tensor:
    """Of variance 1 as white noise (N, steps, n) is, but each step rho times the last and something new."""
    red = white.clone()
    for k in range(1, white.shape[1]):
        red[:, k] = rho * red[:, k - 1] + (1 - rho**2) ** 0.5 * white[:, k]
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
