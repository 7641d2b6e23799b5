"""What a sampler of p(z | y) needs to know, and nothing about where it came from."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from models.posterior.gaussian import GaussianObservations
from models.posterior.noise import START, Noise


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

    denoiser: Callable[[Tensor, float], Tensor]
    observe: Callable[[Tensor], Tensor]
    gaussian: GaussianObservations
    mean: Tensor

    def start(self, noise: Noise, sigma: float) -> Tensor:
        """Draws of the Gaussian posterior with noise of level sigma, (N, *shape)."""
        seen, shape = self.gaussian, self.mean.shape
        drawn = seen.draw(self.mean, noise.states(START, shape), noise.errors(seen.random_numbers))
        return drawn + sigma * noise.states(0, shape)
