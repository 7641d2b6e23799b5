r"""The bracket S = J V J^T + R of a Gaussian, factorised: what preconditions or replaces the linear solve.

Two forms of one thing. Both give S^-1 d and whitened misfits W d with W^T W = S^-1.

    dense   a Cholesky factor: exact, for up to some thousand observations
    modes   S = D^1/2 (I + B B^T) D^1/2 with B (p, rank) the scaled modes and D diagonal (Woodbury 1950): for
            10^5 to 10^6 observations. With B^T B = Q diag(g) Q^T,
            (I + B B^T)^-1/2 = I + B Q diag(((1 + g)^-1/2 - 1) / g) Q^T B^T.

Algebra is in float64: where observations outweigh the prior a million times, as many do together, float32 has
no digits left for the modes that they say less of. A itself may be kept in float32.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor

from models.posterior.grams import ROWS


class Bracket(Protocol):
    """S, factorised."""

    def whiten(self, d: Tensor) -> Tensor:
        """W d for misfits d (N, p)."""

    def unwhiten(self, w: Tensor) -> Tensor:
        """W^T w for w (N, p); unwhiten(whiten(d)) is S^-1 d."""

    def inverse_diagonal(self) -> Tensor:
        """Diagonal of S^-1, (p,)."""


@dataclass(frozen=True, eq=False)
class DenseBracket:
    """S by its lower Cholesky factor (p, p)."""

    factor: Tensor

    def whiten(self, d: Tensor) -> Tensor:
        """L^-1 d."""
        return torch.linalg.solve_triangular(self.factor, d.T, upper=False).T

    def unwhiten(self, w: Tensor) -> Tensor:
        """L^-T w."""
        return torch.linalg.solve_triangular(self.factor.T, w.T, upper=True).T

    def inverse_diagonal(self) -> Tensor:
        """From the inverse, p^3."""
        return torch.cholesky_inverse(self.factor).diagonal()


@dataclass(frozen=True, eq=False)
class ModeBracket:
    """S = D^1/2 (I + B B^T) D^1/2 with D = diag(scale^2), B = basis diag(g^1/2), basis = D^-1/2 along mix.

    The basis has orthonormal columns and is not formed: `along` is by far the largest thing there is.

    Attributes:
        along: A, (p, rank).
        scale: D^1/2, (p,).
        mix: of the modes, (rank, k).
        growth: g, (k,).
    """

    along: Tensor
    scale: Tensor
    mix: Tensor
    growth: Tensor

    @classmethod
    def of(
        cls, along: Tensor, variances: Tensor, diagonal: Tensor, gram: Tensor | None = None
    ) -> "ModeBracket":
        """S = A diag(variances) A^T + diag(diagonal), for A = `along` (p, rank) and diagonal (p,).

        Arguments:
            gram: A^T diag(1 / diagonal) A, (rank, rank) float64, where it is known.
        """
        scale = diagonal.double().sqrt()
        if gram is None:
            gram = along.new_zeros(along.shape[1], along.shape[1], dtype=torch.float64)
            for rows, d in zip(along.split(ROWS), scale.split(ROWS), strict=True):
                scaled = rows.double() / d[:, None]
                gram.addmm_(scaled.T, scaled)
        root = variances.double().sqrt()
        growth, rotation = torch.linalg.eigh(root[:, None] * gram * root)
        kept = growth > growth[-1] * along.shape[1] * torch.finfo(growth.dtype).eps
        growth = growth[kept]
        return cls(along, scale, root[:, None] * rotation[:, kept] / growth.sqrt(), growth)

    def whiten(self, d: Tensor) -> Tensor:
        """(I + B B^T)^-1/2 D^-1/2 d."""
        return self._shrink(d.double() / self.scale)

    def unwhiten(self, w: Tensor) -> Tensor:
        """D^-1/2 (I + B B^T)^-1/2 w."""
        return self._shrink(w.double()) / self.scale

    def inverse_diagonal(self) -> Tensor:
        """Of D^-1, less what is explained."""
        every = torch.arange(len(self.scale)).split(ROWS)
        return self.scale**-2 - torch.cat([self.explained(rows).square().sum(1) for rows in every])

    @cached_property
    def _weight(self) -> Tensor:
        return self.mix * (self.growth / (1 + self.growth)).sqrt()

    def explained(self, rows: Tensor) -> Tensor:
        """These rows (n,) of E, (n, k), with S^-1 = D^-1 - E E^T."""
        return self.along[rows].double() @ self._weight / self.scale[rows, None] ** 2

    def _shrink(self, x: Tensor) -> Tensor:
        """(I + B B^T)^-1/2 x."""
        modes = projected(x / self.scale, self.along) @ self.mix
        less = (modes * ((1 + self.growth).rsqrt() - 1)) @ self.mix.T
        back = [less @ rows.double().T for rows in self.along.split(ROWS)]
        return x + torch.cat(back, dim=1) / self.scale


def projected(x: Tensor, along: Tensor) -> Tensor:
    """x A for x (N, p) and A (p, rank), float64 whatever A is kept in."""
    parts = zip(x.double().split(ROWS, dim=1), along.split(ROWS), strict=True)
    return sum((own @ rows.double() for own, rows in parts), x.new_zeros((), dtype=torch.float64))
