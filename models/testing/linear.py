r"""Oracle: a linear-Gaussian posterior known in closed form, in space and time.

States on a ring of n points follow, per wavenumber k, an AR(1) process with the spectrum and memory

    variance_k ~ 1 / (1 + (k / k0)^2)^a,        correlation_k over one step = exp(-(1 + k / k0) / memory).

Stations see the state at a few points with an error of 1 % of its standard deviation; elsewhere a swath sees
many points in a row with 10 %. The denoiser is exact. The Climatology that starts and preconditions the
sampler is not: it has another spectrum, so that what is shown is what the guidance makes up for. As in
priors that ship, the Climatology's denoiser (float32) is corrected by a "network", here a matrix, that may
run in less precision.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from models.posterior.gaussian import LinearObservations
from models.posterior.posterior import Posterior
from models.prior.climatology import Climatology

STATION_ERROR, SWATH_ERROR = 0.01, 0.1


@dataclass(frozen=True)
class Spectrum:
    """k0, a, steps of memory, and total variance of the ring's states."""

    wavenumber: float = 4.0
    exponent: float = 1.5
    memory: float = 6.0
    variance: float = 1.0

    def covariance(self, states: int, points: int) -> Tensor:
        """Of windows, (L n, L n), float64."""
        k = torch.fft.fftfreq(points, 1 / points, dtype=torch.float64).abs()
        power = (1 + (k / self.wavenumber) ** 2) ** -self.exponent
        power = self.variance * power / power.sum()
        lag = torch.arange(states, dtype=torch.float64)
        lag = (lag[:, None] - lag).abs()
        memory = torch.exp(-lag[..., None] * (1 + k / self.wavenumber) / self.memory)
        rows = torch.fft.fft(power * memory).real  # (L, L, n): covariance as a function of distance
        distance = (torch.arange(points)[:, None] - torch.arange(points)) % points
        return rows[:, :, distance].permute(0, 2, 1, 3).reshape(states * points, -1)


TRUE, WRONG = Spectrum(), Spectrum(wavenumber=6.0, exponent=1.2, memory=5.0, variance=0.8)


@dataclass(frozen=True, eq=False)
class LinearOracle:
    """N(0, C) observed linearly.

    Attributes:
        covariance: C, (size, size), float64.
        jacobian: H, (p, size), float64.
        error: standard deviations, (p,).
        value: y, (p,).
        climatology: approximately C; gives windows their shape.
        dtype: of the network, such as bfloat16.
    """

    covariance: Tensor
    jacobian: Tensor
    error: Tensor
    value: Tensor
    climatology: Climatology
    dtype: torch.dtype = torch.float32

    @cached_property
    def _eigen(self) -> tuple[Tensor, Tensor]:
        values, vectors = torch.linalg.eigh(self.covariance)
        return values.clamp_min(0), vectors

    @cached_property
    def _exact(self) -> tuple[Tensor, Tensor]:
        cross = self.covariance @ self.jacobian.T
        solved = torch.linalg.solve(self.jacobian @ cross + torch.diag(self.error**2), cross.T)
        return self.value @ solved, self.covariance - cross @ solved

    @property
    def mean(self) -> Tensor:
        """E[z|y], (size,)."""
        return self._exact[0]

    @property
    def posterior_covariance(self) -> Tensor:
        """cov[z|y], (size, size)."""
        return self._exact[1]

    def posterior(self) -> Posterior:
        """What a sampler is given."""
        climate, jacobian = self.climatology, self.jacobian.float()
        networks: dict[float, Tensor] = {}

        def network(sigma: float) -> Tensor:
            """C (C + sigma^2)^-1, less the same of the Climatology."""
            if sigma not in networks:
                values, vectors = self._eigen
                exact = (vectors * (values / (values + sigma**2))) @ vectors.T
                rows = torch.eye(len(values)).reshape(-1, *climate.shape)
                rough = climate.apply(lambda c: c / (c + sigma**2), rows).flatten(1)
                networks[sigma] = (exact - rough).to(self.dtype)
            return networks[sigma]

        def denoise(z: Tensor, sigma: float) -> Tensor:
            rough = climate.apply(lambda c: c / (c + sigma**2), z)
            return rough + (z.flatten(1).to(self.dtype) @ network(sigma)).to(z).reshape(z.shape)

        def observe(z: Tensor) -> Tensor:
            return z.flatten(1) @ jacobian.T

        background = torch.zeros_like(self.value)
        gaussian = LinearObservations(self.value, self.error, background, self.climatology, self.jacobian)
        return Posterior(denoise, observe, gaussian, torch.zeros(self.climatology.shape))


def ring(states: int = 12, points: int = 128, seed: int = 0, rank: int = 384) -> LinearOracle:
    """Stations and a swath on a ring of `points`, over `states` steps; `rank` modes in the Climatology."""
    generator = torch.Generator().manual_seed(seed)
    covariance = TRUE.covariance(states, points)
    seen, error = [], []
    stations = torch.arange(0, points * 5 // 8, max(1, points // 12))
    swath = torch.arange(points * 5 // 8, points)
    for state in range(states):
        for places, std in ((stations, STATION_ERROR), (swath, SWATH_ERROR)):
            seen.append(state * points + places)
            error.append(torch.full((len(places),), std, dtype=torch.float64))
    jacobian = torch.eye(states * points, dtype=torch.float64)[torch.cat(seen)]
    errors = torch.cat(error)
    factor = torch.linalg.cholesky(covariance + 1e-10 * torch.eye(len(covariance), dtype=torch.float64))
    truth = factor @ torch.randn(len(covariance), generator=generator, dtype=torch.float64)
    value = jacobian @ truth + errors * torch.randn(len(errors), generator=generator, dtype=torch.float64)
    climatology = Climatology(states, (1, 1, points), min(rank, states * points * 3 // 4))
    climatology.set_covariance(WRONG.covariance(states, points))
    return LinearOracle(covariance, jacobian, errors, value, climatology)
