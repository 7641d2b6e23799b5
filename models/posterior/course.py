r"""The course of a window's states, as far as the past or the future knows it, as an observation.

Of something with the covariance C over T states, let the past know that it is N(f, B); f is the mean of N
members of an ensemble, or of one member exactly what it goes on from (N infinite). With

    C^-1/2 B C^-1/2 = V diag(b) V^T,        x = V^T C^-1/2 (z - m)

the components of x are independent and of variance 1, and of each it is known that it is N(f_x, b). Bayes'
rule then makes of the past an observation of x whose value and error variance are

    f_x / (1 - b),        b / (1 - b) + b / (N (1 - b)^2),

for what is expected of x is smaller than x by 1 - b, and the mean of few members off by b / N. What is hardly
known, b near 1, hardly counts. So it is done with the amplitude of each of the Climatology's modes of space
P, and with what is left, (1 - P) z, latent by latent.
"""

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from models.prior.climatology import Climatology

LEAST, MOST = 1e-4, 0.99  # of what varies is left unknown; beyond, rows would have no digits


@dataclass(frozen=True, eq=False)
class Courses:
    """Covariances over T states: of mode amplitudes, (r, T, T), and of each latent without, (K h w, T, T)."""

    modes: Tensor
    rest: Tensor


@dataclass(frozen=True, eq=False)
class Course:
    """States in a row, with errors that are alike from state to state, and from place to place.

    Attributes:
        directions: orthonormal modes of a state, (r, K h w).
        modes: rows W of their amplitudes over T states, scaled by their errors, (r, T, T).
        rest: the same of each latent without them, (K h w, T, T).
        wanted: what they are of each member, or of all, (N, T K h w) or (1, T K h w).
        shape: (K, h, w).
        first: position of the first of these states.
    """

    directions: Tensor
    modes: Tensor
    rest: Tensor
    wanted: Tensor
    shape: tuple[int, ...]
    first: int = 0

    @classmethod
    def of(
        cls,
        states: Tensor,
        mean: Tensor,
        known: Courses,
        climate: Courses,
        directions: Tensor,
        members: float,
        first: int = 0,
    ) -> Self:
        """What is known of states in a row, the first of them at this position.

        Arguments:
            states: f, of each member or of all, (N, T, K, h, w) or (1, T, K, h, w).
            mean: m, (T, K, h, w).
            known, climate: B and C.
            members: of the ensemble that f is the mean of.
        """
        modes, large = _rows(known.modes, climate.modes, members)
        rest, larger = _rows(known.rest, climate.rest, members)
        inside, outside = _parts((states - mean).flatten(2), directions)
        size, small = large * _turn(modes, inside), larger * _turn(rest, outside)
        new = cls(directions, modes, rest, _joined(size, small, directions), tuple(mean.shape[1:]), first)
        return replace(new, wanted=new.wanted + new._look(mean[None]))

    @property
    def length(self) -> int:
        """T."""
        return self.modes.shape[-1]

    def look(self, z: Tensor) -> Tensor:
        """As of any `Given`."""
        return self._look(z[:, self.first : self.first + self.length])

    def _look(self, states: Tensor) -> Tensor:
        inside, outside = _parts(states.flatten(2), self.directions)
        return _joined(_turn(self.modes, inside), _turn(self.rest, outside), self.directions)

    def back(self, weights: Tensor, length: int) -> Tensor:
        """As of any `Given`."""
        inside, outside = _parts(weights.unflatten(1, (self.length, -1)), self.directions)
        turned = _turn(self.modes.mT, inside), _turn(self.rest.mT, outside)
        z = weights.new_zeros(len(weights), length, *self.shape)
        here = z[:, self.first : self.first + self.length]
        here += _joined(*turned, self.directions).reshape(here.shape)
        return z

    def along(self, climatology: Climatology) -> Tensor:
        """As of any `Given`."""
        states = range(self.first, self.first + self.length)
        modes = torch.stack([climatology.at_state(state).T for state in states], dim=1)
        return torch.cat([self._look(part) for part in modes.split(TOGETHER)]).T.contiguous()

    def squares(self) -> Tensor:
        """As of any `Given`; of the rest, as if latents were alike."""
        own = self.directions.square()
        small = self.rest.square().sum(2) * (1 - own.sum(0))[:, None]
        return (small.T + self.modes.square().sum(2).T @ own).flatten()


TOGETHER = 64  # modes of a window looked at together


def _parts(x: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
    """Amplitudes of modes, (N, T, r), and what is left, of states x (N, T, K h w)."""
    amplitudes = x @ directions.T
    return amplitudes, x - amplitudes @ directions


def _joined(amplitudes: Tensor, rest: Tensor, directions: Tensor) -> Tensor:
    """The inverse, (N, T K h w); of the rest, what lies outside of the modes."""
    return (rest + (amplitudes - rest @ directions.T) @ directions).flatten(1)


def _turn(rows: Tensor, x: Tensor) -> Tensor:
    """Rows (n, T, T) of courses x (N, T, n), (N, T, n)."""
    return torch.einsum("ist,nti->nsi", rows, x)


def _rows(known: Tensor, climate: Tensor, members: float) -> tuple[Tensor, Tensor]:
    """W (n, T, T), scaled by errors, and by what W f is to be multiplied, 1 / (1 - b), (T, n)."""
    values, axes = torch.linalg.eigh(climate.double())
    least = values[:, -1:] * torch.finfo(torch.float32).eps
    root = (axes * values.clamp_min(least).rsqrt()[:, None]) @ axes.mT
    b, turn = torch.linalg.eigh(root @ known.double() @ root)
    b = b.clamp(LEAST, MOST)
    error = b / (1 - b) + b / members / (1 - b) ** 2
    return (turn.mT @ root / error.sqrt()[..., None]).float(), (1 / (1 - b)).float().T
