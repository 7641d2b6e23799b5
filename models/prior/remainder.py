r"""A denoiser of what the Climatology leaves: for fields whose spectrum is steep, and short trainings.

The network neither has to learn to smooth, nor sees its window whitened (which hides the dynamics). With
the Gaussian's denoised window G = C (C + sigma^2)^-1 z, for windows of mean 0,

    D(z; sigma) = G + s_e F(G / s_g, (z - G) / s_r, sigma),

and scalars that make what F sees and is to find of unit variance, were the Climatology true,

    s_g^2 = <c^2 / (c + sigma^2)>,   s_r^2 = <sigma^4 / (c + sigma^2)>,   s_e^2 = <c sigma^2 / (c + sigma^2)>,

< > being the mean over the spectrum c of C. Both inputs keep their precision in bfloat16, which the noise in
z would not where it is weak.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from models.prior.climatology import Climatology
from models.prior.denoiser import Denoiser


class RemainderDenoiser(Denoiser):
    """D(z, sigma) of windows of mean 0."""

    def forward(self, z: Tensor, sigma: Tensor, year_fraction: Tensor) -> Tensor:
        """E[z_0 | z], as in `Denoiser`."""
        gaussian, error, inputs = self.parts(z, sigma)
        return gaussian + error * self.network(inputs, sigma.log(), year_fraction)

    def parts(self, z: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """G, s_e and what F sees, (N, L, 2 K, h, w), of windows z (N, L, K, h, w)."""
        climate, s2 = self.climatology, sigma[:, None] ** 2
        place = (slice(None), None, None, None, None)
        seen = mean_variance(climate, s2, lambda c, s2: c**2 / (c + s2)).rsqrt()[place]
        rest = mean_variance(climate, s2, lambda c, s2: s2**2 / (c + s2)).rsqrt()[place]
        error = mean_variance(climate, s2, lambda c, s2: c * s2 / (c + s2)).sqrt()[place]
        with torch.autocast(z.device.type, enabled=False):
            gaussian = climate.apply(lambda c: c / (c + s2), z)
        return gaussian, error, torch.cat([gaussian * seen, (z - gaussian) * rest], dim=2)


def mean_variance(
    climatology: Climatology, s2: Tensor, function: Callable[[Tensor, Tensor], Tensor]
) -> Tensor:
    """<function(c, sigma^2)> over the spectrum, (N,), for sigma^2 (N, 1)."""
    rank, size = climatology.modes.shape
    modes, rest = function(climatology.variances, s2), function(climatology.floor, s2)
    return (modes.sum(-1) + (size - rank) * rest[:, 0]) / size
