"""What a sampler of p(z | y) needs to know, and nothing about where it came from."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from models.posterior.gaussian import GaussianObservations, LinearObservations
from models.posterior.noise import START, Noise
from models.prior.climatology import Climatology

Denoise = Callable[[Tensor, float], Tensor]


@dataclass(frozen=True, eq=False)
class Posterior:
    """A prior of windows z of any shape, and p observations y of them.

    Attributes:
        denoiser: D, (z (N, *shape), sigma) -> E[z_0 | z_0 + sigma n = z] of the same shape; differentiable.
        observe: H(Dec(z)), (N, *shape) -> (N, p); differentiable. N is the number of members times that of
            their particles, those of a member in turn.
        gaussian: y, R, and the same observations of the Climatology, linearised.
        mean: m, of the Climatology, (*shape).
    """

    denoiser: Denoise
    observe: Callable[[Tensor], Tensor]
    gaussian: GaussianObservations
    mean: Tensor

    @classmethod
    def of_rows(
        cls, denoiser: Denoise, rows: Tensor, error: Tensor, jacobian: Tensor, climatology: Climatology
    ) -> Self:
        """Of anomalies whose observations by the same network differ from member to member.

        What is observed is how far a member's windows depart from its y, and that is to be nothing.

        Arguments:
            rows: y of each member, (N, p), float64.
            error: standard deviation, (p,), float64.
            jacobian: J, (p, size), float64.
            climatology: its modes give windows their size, its shape theirs.
        """
        look = jacobian.float()

        def depart(z: Tensor) -> Tensor:
            return z.flatten(1) @ look.T - rows.to(z).repeat_interleave(len(z) // len(rows), dim=0)

        seen = LinearObservations(torch.zeros_like(error), error, -rows, climatology, jacobian)
        return cls(denoiser, depart, seen, torch.zeros(climatology.shape))

    def start(self, noise: Noise, sigma: float) -> Tensor:
        """Draws of the Gaussian posterior with noise of level sigma, (N, *shape)."""
        seen, shape = self.gaussian, self.mean.shape
        drawn = seen.draw(self.mean, noise.states(START, shape), noise.errors(seen.random_numbers))
        return drawn + sigma * noise.states(0, shape)
