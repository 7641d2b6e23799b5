r"""What the decoder makes of small changes of a state: its Jacobian D along some directions, once for all.

The decoder knows no time, and the climatological mean hardly changes in a window, so one linearisation serves
all its states. It is pushed along the modes of space S, and along random signs s outside of them. For an
observation operator H and the modes U of a window (their part at each state a combination of S) these give

    A = H D U,        diag(H D (1 - U U^T) D^T H^T) = |H D S|^2 - |A|^2 + E |H D s|^2

(Hutchinson 1990; Bekas et al. 2007), for any number of observations at the cost of interpolating fields.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from models.observations.operator import ObservationOperator
from models.posterior.jacobian import Jacobian
from models.posterior.patches import Patch, alike, together
from models.prior.climatology import Climatology
from models.prior.prior import Prior

PROBES = 64
CHUNK = 32  # directions pushed at a time


@dataclass(frozen=True, eq=False)
class Tangent:
    """D along directions of a state.

    Attributes:
        basis: S, orthonormal, (r, K h w).
        fields: D S, SI units, (r, C, H, W).
        probes: D s for signs s with their part in S taken away, (PROBES, C, H, W).
        latent: rows and columns of latents, (h, w).
    """

    basis: Tensor
    fields: Tensor
    probes: Tensor
    latent: tuple[int, int]

    @classmethod
    def of(cls, prior: Prior, state: Tensor) -> Self:
        """At latents `state` (K, h, w)."""
        basis = prior.climatology.directions.float()
        generator = torch.Generator().manual_seed(0)
        signs = torch.randint(0, 2, (PROBES, state.numel()), generator=generator) * 2.0 - 1
        signs = signs - (signs @ basis.T) @ basis
        height, breadth = state.shape[1:]
        return cls(basis, _pushed(prior, state, basis), _pushed(prior, state, signs), (height, breadth))

    def seen(self, operator: ObservationOperator, climatology: Climatology) -> tuple[Tensor, Tensor]:
        """A, (p, rank), and the diagonal of what lies outside of the modes, (p,)."""
        observations, rank = len(operator.index), len(climatology.variances)
        along, inside = torch.zeros(observations, rank), torch.zeros(observations)
        for state in range(climatology.shape[0]):
            rows, at_state = operator.of_state(state)
            if not len(rows):
                continue
            spatial = at_state(self.fields[:, None]).T
            along[rows] += spatial @ climatology.along_state(self.basis, state)
            inside[rows] += spatial.square().sum(1) + at_state(self.probes[:, None]).square().mean(0)
        return along, (inside - along.square().sum(1)).clamp_min(0)

    def patches(self, operator: ObservationOperator, climatology: Climatology, rest: Tensor) -> list[Patch]:
        """What lies outside of the modes adds to observations together, in patches of the latents' size.

        Samples of it are turned round the Earth: small scales are much alike along a latitude. In a region
        they come in again on the other side.

        Arguments:
            rest: what it adds to each, as of `seen`.
        """
        (height, breadth), (points, columns) = self.latent, operator.shape[-2:]
        down, right = points // height, columns // breadth
        found, free = [], torch.ones(len(operator.index), dtype=torch.bool)
        for state, fields in enumerate(self._outside(climatology)):
            rows, at_state = operator.of_state(state)
            new = free[rows].nonzero()[:, 0]  # those that see two states are with the first
            free[rows] = False
            if not len(new):
                continue
            rows, index, weight = rows[new], at_state.index[new], at_state.weight[new]
            cell = index.gather(1, weight.argmax(1, keepdim=True))[:, 0] % (points * columns)
            where = cell // columns // down * columns + cell % columns // right
            turned = torch.cat([fields.roll(right * k, -1) for k in range(breadth)])[:, None]
            for own in together(where):
                part = ObservationOperator(at_state.shape, index[own], weight[own])
                found.append(Patch(rows[own], alike(part(turned), rest[rows[own]])))
        return found

    def _outside(self, climatology: Climatology) -> Iterator[Tensor]:
        """For each state, samples of D s outside of the modes, (PROBES, C, H, W)."""
        states, generator = climatology.shape[0], torch.Generator().manual_seed(1)
        signs = torch.randint(0, 2, (PROBES, states, len(self.basis)), generator=generator) * 2.0 - 1
        modes = [climatology.along_state(self.basis, state) for state in range(states)]
        along = torch.einsum("mlr,lrk->mk", signs, torch.stack(modes))
        for state in range(states):
            inside = signs[:, state] - along @ modes[state].T
            yield self.probes + torch.tensordot(inside, self.fields, dims=1)


def _pushed(prior: Prior, state: Tensor, directions: Tensor) -> Tensor:
    parts = []
    for part in directions.split(CHUNK):
        copies = state.expand(len(part), *state.shape)
        parts.append(Jacobian(prior.decode, copies).push(part.reshape(copies.shape)).float())
    return torch.cat(parts)
