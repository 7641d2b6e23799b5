r"""Very many observations: J by its action and by what it makes of the Climatology's modes.

With C = U diag(lambda - delta) U^T + delta I, the bracket is

    S = A diag(lambda) A^T + delta J (1 - U U^T) J^T + R,        A = J U, (p, rank).

The modes are pushed through J once. Of the middle term, what the small scales that are not among the modes
add, the diagonal is kept: it is found by probing J with random signs (Hutchinson 1990; Bekas et al. 2007).
Then S is diagonal plus low rank, and S^-1 costs O(p rank) (Woodbury). In closed form (`mean`, `draw`,
`predict`) small scales are thus an error of each observation for itself, and only the modes are analysed;
in guidance the Krylov solve makes up for the rest. Memory is p x rank float32: a million observations
of 256 modes take 1 GB.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from models.posterior.bracket import Bracket, ModeBracket
from models.posterior.gaussian import GaussianObservations
from models.prior.climatology import Climatology

Linear = Callable[[Tensor], Tensor]
PROBES = 64


@dataclass(frozen=True, eq=False)
class ManyObservations(GaussianObservations):
    """Observations whose Jacobian is never formed; float32.

    Attributes:
        along: J U, (p, rank).
        rest: diagonal of J (1 - U U^T) J^T, (p,).
        action, adjoint: J and J^T, (N, *shape) -> (N, p) and back.
    """

    along: Tensor
    rest: Tensor
    action: Linear
    adjoint: Linear

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

    def bracket(self, sigma: float | None = None, inflation: Tensor | None = None) -> Bracket:
        """By the Woodbury identity in the space of the modes."""
        variances, floor = (v.to(self.along) for v in self.left(sigma))
        along = self.along
        if self.shared is not None:
            along = torch.cat([along, self.shared.to(along)], dim=1)
            variances = torch.cat([variances, variances.new_ones(self.shared.shape[1])])
        return ModeBracket.of(along, variances, self._variances(inflation).to(along) + floor * self.rest)

    def _gain(self, misfit: Tensor) -> Tensor:
        weights = self._whole.unwhiten(self._whole.whiten(misfit))
        modes = (weights @ self.along) * self.climatology.variances
        return self.climatology.across(modes).reshape(-1, *self.climatology.shape)

    def _seen(self, spread: Tensor) -> Tensor:
        return self.climatology.along(spread.flatten(1)) @ self.along.T


def modes_of(
    action: Linear, climatology: Climatology, generator: torch.Generator, observations: int
) -> tuple[Tensor, Tensor]:
    """`along` and `rest` of `ManyObservations`; `rest` is estimated from random signs."""
    chunk = min(64, max(1, TOGETHER // observations))
    flat = climatology.modes.float()
    modes = flat.reshape(-1, *climatology.shape)
    along = torch.empty(observations, len(modes))
    for first in range(0, len(modes), chunk):
        along[:, first : first + chunk] = action(modes[first : first + chunk]).T
    rest = torch.zeros(observations)
    for _ in range(PROBES // chunk):
        signs = torch.randint(0, 2, (chunk, flat.shape[1]), generator=generator) * 2.0 - 1
        signs = signs - (signs @ flat.T) @ flat
        rest += action(signs.reshape(-1, *climatology.shape)).square().sum(0) / (PROBES // chunk * chunk)
    return along, rest


TOGETHER = 2**22  # values of observations that are worked out at a time
