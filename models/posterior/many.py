r"""Very many observations: J by its action and by what it makes of the Climatology's modes.

With C = U diag(lambda - delta) U^T + delta I, the bracket is

    S = A diag(lambda) A^T + delta J (1 - U U^T) J^T + R,        A = J U, (p, rank).

The modes are pushed through J once (`tangent.py`). Of the middle term, what the small scales that are not
among the modes add, blocks are kept, of the observations of a patch (`patches.py`). Turned so that blocks are
diagonal, S is diagonal plus low rank, and S^-1 costs O(p rank) (Woodbury). In closed form (`mean`, `draw`,
`predict`) small scales are thus an error that a patch has in common, and only the modes are analysed; in
guidance the Krylov solve makes up for the rest. Memory is twice p x rank float32, and at most twice p x 256
for the blocks: a million observations of 256 modes take up to 4 GB.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from models.posterior.bracket import Bracket, ModeBracket, projected
from models.posterior.gaussian import GaussianObservations
from models.posterior.grams import Grams
from models.posterior.patches import Patch, Turn, TurnedBracket

Linear = Callable[[Tensor], Tensor]

VERY_MANY = 8192  # observations, from which on products of their modes are summed once for all noise levels


@dataclass(frozen=True, eq=False)
class ManyObservations(GaussianObservations):
    """Observations whose Jacobian is never formed; float32.

    Attributes:
        along: J U, (p, rank).
        rest: diagonal of J (1 - U U^T) J^T, (p,).
        small: blocks of the same.
        action, adjoint: J and J^T, (N, *shape) -> (N, p) and back.
    """

    along: Tensor
    rest: Tensor
    action: Linear
    adjoint: Linear
    small: Sequence[Patch] = ()

    def push(self, anomalies: Tensor) -> Tensor:
        """J a."""
        return self.action(anomalies)

    def pull(self, weights: Tensor) -> Tensor:
        """J^T w."""
        return self.adjoint(weights.float())

    @property
    def squares(self) -> Tensor:
        """Diagonal of J J^T, (p,)."""
        return self.along.square().sum(-1) + self.rest

    def variance(self) -> Tensor:
        """Diagonal of J C J^T, (p,)."""
        inside = self.along.square() @ self.climatology.variances.to(self.along)
        return (inside + self.climatology.floor * self.rest).double()

    def among(self, rows: Tensor) -> Tensor:
        """J C J^T of the observations at these positions, (n, n); small scales add to it patch by patch."""
        along, (patch, place) = self.along[rows].double(), self._places
        outside, there = torch.diag(self.rest[rows].double()), patch[rows]
        for k in there[there >= 0].unique().tolist():
            own = (there == k).nonzero()[:, 0]
            at = place[rows[own]]
            outside[own[:, None], own] = self.small[k].covariance[at[:, None], at].double()
        return (along * self.climatology.variances) @ along.T + self.climatology.floor * outside

    @cached_property
    def _places(self) -> tuple[Tensor, Tensor]:
        """Which patch each observation is in, -1 for none, and where in it, (p,) each."""
        patch, place = torch.full((2, len(self.rest)), -1)
        for k, own in enumerate(self.small):
            patch[own.rows], place[own.rows] = k, torch.arange(len(own.rows))
        return patch, place

    def bracket(self, sigma: float | None = None, inflation: Tensor | None = None) -> Bracket:
        """By the Woodbury identity in the space of the modes, of observations turned patch by patch.

        Of very many at a noise level, what small scales add is rounded a little (`grams.py`).
        """
        variances, floor = (v.to(self.along) for v in self.left(sigma))
        turn, along = self._turned if inflation is None else self._turn(self._variances(inflation))
        if self.shared is not None:
            variances = torch.cat([variances, variances.new_ones(self.shared.shape[1])])
        if sigma is None or inflation is not None or len(along) < VERY_MANY:
            return TurnedBracket(turn, ModeBracket.of(along, variances, 1 + floor * turn.theta))
        diagonal, gram = self._grams.at(float(floor))
        return TurnedBracket(turn, ModeBracket.of(along, variances, diagonal, gram))

    @cached_property
    def _grams(self) -> Grams:
        turn, along = self._turned
        return Grams.of(along, turn.theta, float(self.climatology.floor))

    @cached_property
    def _turned(self) -> tuple[Turn, Tensor]:
        return self._turn(self._variances(None))

    def _turn(self, variances: Tensor) -> tuple[Turn, Tensor]:
        """W of errors with these variances (p,), and W A, with F beside it."""
        turn = Turn.of(variances.to(self.along), self.rest, self.small)
        along = self.along if self.shared is None else torch.cat([self.along, self.shared.to(self.along)], 1)
        return turn, turn(along.T).T.contiguous()

    def _gain(self, misfit: Tensor) -> Tensor:
        weights = self._whole.unwhiten(self._whole.whiten(misfit))
        modes = projected(weights, self.along) * self.climatology.variances
        return self.climatology.across(modes).float().reshape(-1, *self.climatology.shape)

    def _seen(self, spread: Tensor) -> Tensor:
        return self.climatology.along(spread.flatten(1)) @ self.along.T
