r"""From noise to posterior samples: second-order multistep on a log-spaced grid of noise levels.

DPM-Solver++(2M) (Lu et al. 2022) for z_sigma = z + sigma n. With h = log(sigma / sigma'), and the denoised
estimates D at this and D_ at the last level (h_ apart), the extrapolated E = D + h / (2 h_) (D - D_) gives

    ODE:  z' = e^-h z + (1 - e^-h) E
    SDE:  z' = e^-2h z + (1 - e^-2h) E + sigma' (1 - e^-2h)^1/2 n.

The ODE needs fewest levels; the SDE forgets early errors, which matters where the posterior is not Gaussian.
The start is a draw of the Gaussian posterior plus noise of the first level ("Kalman start").
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor

from models.posterior.guidance import GuidedDenoiser
from models.posterior.noise import OBSERVATIONS, START, normal


@dataclass(frozen=True)
class Preset:
    """Settings of the sampler: number of noise levels, first and last sigma, ODE or SDE, GMRES iterations."""

    steps: int
    sigma_start: float
    sigma_stop: float
    stochastic: bool
    iterations: int = 1

    @property
    def levels(self) -> list[float]:
        """The noise levels, descending, (steps,)."""
        return torch.logspace(
            math.log10(self.sigma_start), math.log10(self.sigma_stop), self.steps, dtype=torch.float64
        ).tolist()


@dataclass(frozen=True)
class Progress:
    """Where the sampler is: `level` of `levels` done, the noise level sigma, chi2 of the posterior there."""

    level: int
    levels: int
    sigma: float
    chi2: float | None


def sample(
    denoiser: GuidedDenoiser,
    preset: Preset,
    *,
    seed: int,
    members: Sequence[int],
    times: pd.DatetimeIndex,
    progress: Callable[[Progress], None] = lambda p: None,
) -> Tensor:
    """Posterior samples (N, L, K, h, w), one per number in `members`.

    Arguments:
        times: of the L states; with seed and member they name the noise.
        progress: called after each level; what it raises stops the sampler.

    Raises:
        FloatingPointError: the iteration diverged; names the level.
    """
    climate, observations = denoiser.prior.climatology, denoiser.observations
    mean = climate.mean(denoiser.year_fraction)

    def noise(level: int) -> Tensor:
        return normal(climate.shape[1:], seed=seed, members=members, level=level, times=times)

    errors = normal(
        (len(observations.value),), seed=seed, members=members, level=OBSERVATIONS, times=times[:1]
    )
    levels = preset.levels
    z = observations.draw(mean, noise(START), errors[:, 0]) + levels[0] * noise(0)
    last: tuple[Tensor, float] | None = None
    for i, sigma in enumerate(levels):
        denoised, chi2 = denoiser(z, sigma)
        if not torch.isfinite(denoised).all():
            raise FloatingPointError(
                f"the sampler diverged at noise level {i + 1} of {len(levels)} ({sigma:.3g})"
            )
        if i + 1 == len(levels):
            z = denoised
        else:
            h = math.log(sigma / levels[i + 1])
            ahead = denoised if last is None else denoised + h / (2 * last[1]) * (denoised - last[0])
            keep = math.exp(-2 * h if preset.stochastic else -h)
            z = keep * z + (1 - keep) * ahead
            if preset.stochastic:
                z = z + levels[i + 1] * math.sqrt(1 - keep) * noise(i + 1)
            last = (denoised, h)
        progress(Progress(i + 1, len(levels), sigma, chi2))
    return z
