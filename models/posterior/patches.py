r"""Observations of a patch of the Earth, turned so that what small scales add to each is independent.

Where observations are dense, small scales that no mode of the Climatology holds make their expected misfits
alike: in a patch, by P = J (1 - U U^T) J^T. With errors R and

    R^-1/2 P R^-1/2 = Q diag(theta) Q^T,        W = Q^T R^-1/2,

W (R + floor P) W^T = diag(1 + floor theta) for every floor, and all that is easy with independent errors is
easy again. What patches have in common is left to the modes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from models.posterior.bracket import ModeBracket

MOST = 256  # observations of a patch that are turned together


@dataclass(frozen=True, eq=False)
class Patch:
    """Some observations, rows (n,), and what small scales add to their covariance, (n, n)."""

    rows: Tensor
    covariance: Tensor


def together(where: Tensor) -> list[Tensor]:
    """Positions of observations in the same patch, `MOST` at the most, given the patch of each, (n,)."""
    counts = torch.unique(where, return_counts=True)[1].tolist()
    order = torch.argsort(where, stable=True)
    return [own for group in order.split(counts) for own in group.split(MOST)]


def alike(samples: Tensor, variance: Tensor) -> Tensor:
    """Covariance (n, n) with the correlations of samples (m, n) about nothing, and these variances (n,)."""
    size = samples.square().sum(0).sqrt().clamp_min(torch.finfo(samples.dtype).tiny)
    scaled = samples / size * variance.sqrt()
    return scaled.T @ scaled


@dataclass(frozen=True, eq=False)
class Turn:
    """W.

    Attributes:
        scale: R^-1/2, (p,).
        parts: rows and Q of each patch.
        theta: of all, (p,).
    """

    scale: Tensor
    parts: list[tuple[Tensor, Tensor]]
    theta: Tensor

    @classmethod
    def of(cls, variances: Tensor, rest: Tensor, there: Sequence[Patch]) -> Self:
        """Of errors with `variances` (p,), where small scales add `rest` (p,), together in patches."""
        scale, theta, parts = variances.rsqrt(), rest / variances, []
        for patch in there:
            own = scale[patch.rows].to(patch.covariance)
            theta[patch.rows], turn = torch.linalg.eigh(own[:, None] * patch.covariance * own)
            parts.append((patch.rows, turn))
        return cls(scale, parts, theta.clamp_min(0))

    def __call__(self, x: Tensor) -> Tensor:
        """W x for x (N, p), in its precision."""
        out = x * self.scale.to(x)
        for rows, turn in self.parts:
            out[:, rows] = out[:, rows] @ turn.to(x)
        return out

    def back(self, x: Tensor) -> Tensor:
        """W^T x for x (N, p), in its precision."""
        out = x.clone()
        for rows, turn in self.parts:
            out[:, rows] = x[:, rows] @ turn.T.to(x)
        return out * self.scale.to(x)


@dataclass(frozen=True, eq=False)
class TurnedBracket:
    """S of observations whose turned ones have the bracket `turned`."""

    turn: Turn
    turned: ModeBracket

    def whiten(self, d: Tensor) -> Tensor:
        """As of any `Bracket`."""
        return self.turned.whiten(self.turn(d.double()))

    def unwhiten(self, w: Tensor) -> Tensor:
        """As of any `Bracket`."""
        return self.turn.back(self.turned.unwhiten(w))

    def inverse_diagonal(self) -> Tensor:
        """As of any `Bracket`."""
        out = self.turned.inverse_diagonal()
        for rows, turn in self.turn.parts:
            own = turn.double()
            explained = own @ self.turned.explained(rows)
            out[rows] = own.square() @ self.turned.scale[rows] ** -2 - explained.square().sum(1)
        return out * self.turn.scale.to(out).square()
