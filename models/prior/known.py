r"""A Climatology of windows whose first state has been seen, with white errors.

What the past has to say of a window, it says of the state the window begins with. Let that be k = z_0 + e
with independent errors e ~ N(0, E) of latents. For amplitudes a ~ N(0, diag(lambda)) of the modes U, and what
lies outside of them white with variance delta,

    cov(a | k) = (diag(1 / lambda) + U_0^T (E + delta)^-1 U_0)^-1 = M,
    E[a | k]   = M U_0^T (E + delta)^-1 (k - m_0).

M has eigenvectors Q; so what is known of windows given k is again a Climatology, with other modes U Q,
smaller variances and another mean, and all that works with one works with this one. Outside of the modes
nothing is taken from k, not even for the first state itself: a floor of variance delta stays there, and only
a network, which is told k, can know better.
"""

from typing import Self

import torch
from torch import Tensor

from models.prior.space_time import SpaceTimeClimatology


class KnownClimatology(SpaceTimeClimatology):
    """N(m, C) given the first state with errors.

    Attributes:
        error: E, (K, h, w).
        share: of each latent's variance what is unknown when it alone is seen, (K, h, w).
        weight: 1 / (E + delta), (K, h, w).
        first: the part of the modes in the first state, (rank, r).
        state: k, (K, h, w); zeros until it is told (`at`).
    """

    error: Tensor
    share: Tensor
    weight: Tensor
    first: Tensor
    state: Tensor

    @classmethod
    def knowing(cls, climatology: SpaceTimeClimatology, error: Tensor) -> Self:
        """Of `climatology`, where the first state is seen with error variances (K, h, w)."""
        floor, spatial = climatology.floor, climatology.spatial
        weight = 1 / (error + floor)
        inner = (spatial * weight.flatten().double()) @ spatial.T
        before = climatology.courses[:, 0]
        precision = before @ inner @ before.T + torch.diag(1 / climatology.variances.double())
        values, vectors = torch.linalg.eigh(precision)
        courses = torch.tensordot(vectors.T, climatology.courses, dims=1)
        new = cls.of(climatology.seasons, spatial, courses, (1 / values).to(floor), float(floor))
        parts = {"error": error, "weight": weight, "first": courses[:, 0], "state": torch.zeros_like(error)}
        parts["share"] = error / (error + climatology.marginal(0))
        for name, part in parts.items():
            new.register_buffer(name, part)
        return new

    def at(self, state: Tensor) -> Self:
        """With that first state, (K, h, w), or one for each window, (N, K, h, w); all else is shared."""
        return self._with(state=state)

    def mean(self, year_fraction: Tensor) -> Tensor:
        """Given the first state; as of any `Climatology`."""
        mean = super().mean(year_fraction)
        departure = (self.state - mean[..., 0, :, :, :]) * self.weight
        seen = departure.flatten(-3).to(self.spatial) @ self.spatial.T @ self.first.T
        return mean + self.across(seen * self.variances).unflatten(-1, self.shape).to(mean)

    def told(self, year_fraction: Tensor) -> tuple[Tensor, ...]:
        """What a network is told of the first state, (..., K + 1, h, w).

        How far each latent is expected to be from the climatological mean, as far as it is known by itself;
        and how little that is, on average over the latents of a column.
        """
        mean = super().mean(year_fraction)[..., 0, :, :, :]
        told = (1 - self.share) * (self.state - mean)
        share = self.share.mean(0, keepdim=True).expand(*told.shape[:-3], 1, *told.shape[-2:])
        return (torch.cat([told, share], dim=-3),)
