"""States of a window that are given, up to an error: observations of the latents themselves.

What is observed of a member is how far its latents depart from the state it is given, and that is to be
nothing (`Posterior.of_rows` does the same for few numbers).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from models.posterior.many import ManyObservations
from models.posterior.posterior import Posterior


@dataclass(frozen=True, eq=False)
class Given:
    """One state.

    Attributes:
        position: in the window, 0 the first.
        state: latents, of each member or the same for all, (N, K, h, w) or (1, K, h, w).
        error: their standard deviation, (K, h, w).
    """

    position: int
    state: Tensor
    error: Tensor

    def of(self, member: int) -> "Given":
        """What one member is given."""
        return replace(self, state=self.state if len(self.state) == 1 else self.state[member : member + 1])


def given(posterior: Posterior, states: Sequence[Given], members: int) -> Posterior:
    """The posterior of `members` windows, given these states as well.

    Raises:
        TypeError: the observations of `posterior` are not `ManyObservations`.
    """
    if not states:
        return posterior
    reports = posterior.gaussian
    if not isinstance(reports, ManyObservations):
        raise TypeError("states can be given beside observations by action only (`linearise.by_action`)")
    _, *shape = posterior.mean.shape
    positions = [s.position for s in states]
    wanted = torch.stack([s.state.expand(members, *shape) for s in states], dim=1)
    error = torch.stack([s.error for s in states]).flatten()
    along = torch.cat([reports.climatology.at_state(p) for p in positions])

    def at(z: Tensor) -> Tensor:
        return z[:, positions].flatten(1)

    def observe(z: Tensor) -> Tensor:
        own = wanted.flatten(1).repeat_interleave(len(z) // members, dim=0)
        return torch.cat([posterior.observe(z), at(z) - own], dim=1)

    def action(anomalies: Tensor) -> Tensor:
        return torch.cat([reports.action(anomalies), at(anomalies)], dim=1)

    def adjoint(weights: Tensor) -> Tensor:
        count = len(reports.value)
        out = reports.adjoint(weights[:, :count])
        return out.index_add(1, torch.tensor(positions), weights[:, count:].unflatten(1, (-1, *shape)))

    departure = (posterior.mean[positions] - wanted).flatten(1)
    both = ManyObservations(
        torch.cat([reports.value, torch.zeros_like(error)]),
        torch.cat([reports.error, error]),
        torch.cat([reports.background.expand(members, -1), departure], dim=1),
        reports.climatology,
        torch.cat([reports.along, along]),
        torch.cat([reports.rest, (1 - along.square().sum(1)).clamp_min(0)]),
        action,
        adjoint,
        reports.small,
    )
    return replace(posterior, observe=observe, gaussian=both)
