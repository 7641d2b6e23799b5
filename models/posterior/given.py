"""What is known of a window's states beside the reports: observations of the latents themselves.

Rows are scaled so that their errors are independent and of size one. What is observed of a member is how far
its rows depart from those it is given, and that is to be nothing (`Posterior.of_rows` does the same for few
numbers).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from models.posterior.many import ManyObservations
from models.posterior.posterior import Posterior
from models.prior.climatology import Climatology


@dataclass(frozen=True, eq=False)
class GivenState:
    """One state with independent errors, linear in windows: G z = wanted + n, n ~ N(0, 1).

    Attributes:
        position: in the window, 0 the first.
        state: latents, of each member or the same for all, (N, K, h, w) or (1, K, h, w).
        error: their standard deviation, (K, h, w).
    """

    position: int
    state: Tensor
    error: Tensor

    @property
    def wanted(self) -> Tensor:
        """Of each member, or the same for all, (N, p) or (1, p)."""
        return (self.state / self.error).flatten(1)

    def look(self, z: Tensor) -> Tensor:
        """G z for windows (N, L, K, h, w): (N, p)."""
        return (z[:, self.position] / self.error).flatten(1)

    def back(self, weights: Tensor, shape: tuple[int, ...]) -> Tensor:
        """G^T w for w (N, p): windows of that shape, (N, L, K, h, w)."""
        z = weights.new_zeros(len(weights), *shape)
        z[:, self.position] = weights.unflatten(1, self.error.shape) / self.error
        return z

    def along(self, climatology: Climatology) -> Tensor:
        """G U, (p, rank)."""
        return climatology.at_state(self.position) / self.error.flatten()[:, None]

    def squares(self) -> Tensor:
        """Diagonal of G G^T, (p,)."""
        return self.error.flatten() ** -2


def exactly(states: Tensor, position: int, error: float) -> GivenState:
    """A state of each member, (N, K, h, w), with an error that is small beside what latents vary by."""
    return GivenState(position, states, torch.full(states.shape[1:], error))


def given(posterior: Posterior, known: Sequence[GivenState], members: int) -> Posterior:
    """The posterior of `members` windows, given these states as well.

    Raises:
        TypeError: the observations of `posterior` are not `ManyObservations`.
    """
    if not known:
        return posterior
    reports, shape = posterior.gaussian, tuple(posterior.mean.shape)
    if not isinstance(reports, ManyObservations):
        raise TypeError("states can be given beside observations by action only (`linearise.by_action`)")
    wanted = torch.cat([k.wanted.expand(members, -1) for k in known], dim=1)
    along = torch.cat([k.along(reports.climatology) for k in known])
    squares = torch.cat([k.squares() for k in known])
    counts = [len(reports.value), *(k.wanted.shape[1] for k in known)]

    def look(z: Tensor) -> Tensor:
        return torch.cat([k.look(z) for k in known], dim=1)

    def observe(z: Tensor) -> Tensor:
        own = wanted.repeat_interleave(len(z) // members, dim=0)
        return torch.cat([posterior.observe(z), look(z) - own], dim=1)

    def action(anomalies: Tensor) -> Tensor:
        return torch.cat([reports.action(anomalies), look(anomalies)], dim=1)

    def adjoint(weights: Tensor) -> Tensor:
        first, *others = weights.split(counts, dim=1)
        parts = [k.back(own, shape) for k, own in zip(known, others, strict=True)]
        return sum(parts, reports.adjoint(first))

    departure = look(posterior.mean[None]) - wanted
    both = ManyObservations(
        torch.cat([reports.value, torch.zeros_like(squares)]),
        torch.cat([reports.error, torch.ones_like(squares)]),
        torch.cat([reports.background.expand(members, -1), departure], dim=1),
        reports.climatology,
        torch.cat([reports.along, along]),
        torch.cat([reports.rest, (squares - along.square().sum(1)).clamp_min(0)]),
        action,
        adjoint,
        reports.small,
    )
    return replace(posterior, observe=observe, gaussian=both)
