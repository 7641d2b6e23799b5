r"""From noise to posterior samples: second-order multistep on a log-spaced grid of noise levels.

DPM-Solver++(2M) (Lu et al. 2022) for z_sigma = z + sigma n. With h = log(sigma / sigma'), and the denoised
estimates D at this and D_ at the last level (h_ apart), the extrapolated E = D + h / (2 h_) (D - D_) gives

    ODE:  z' = e^-h z + (1 - e^-h) E
    SDE:  z' = e^-2h z + (1 - e^-2h) E + s sigma' (1 - e^-2h)^1/2 n.

The ODE needs fewest levels; the SDE forgets early errors, which matters where the posterior is not Gaussian.
Its noise is a little too loud, s > 1, for a network that takes away more of it than there is (S_noise of
Karras et al. 2022), as those do that have not learned enough: their members are too much alike.
At every level but the last, `corrections` steps at the same sigma may follow the arrival there,

    z <- z + delta (D - z) + (2 delta - delta^2)^1/2 sigma n,

Langevin's (Song et al. 2021) with the size of noise for which pure noise keeps its variance exactly.
The start is a draw of the Gaussian posterior plus noise of the first level ("Kalman start"): the lower that
level, the fewer levels and the more is believed of the Gaussian.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from models.posterior.guidance import GaussianSolve, Guidance, Guided, MomentMatching, check_finite
from models.posterior.noise import Noise
from models.posterior.particles import choose
from models.posterior.posterior import Posterior

PER_LEVEL = 1000  # noise numbers set apart for the corrections of a level


@dataclass(frozen=True)
class Preset:
    """Settings of the sampler.

    Attributes:
        steps: number of noise levels, one denoiser evaluation each, and `corrections` more.
        sigma_start, sigma_stop: first and last of them.
        stochastic: SDE or ODE.
        loudness: s, of the noise of the SDE.
        iterations, warm, tolerance: of the linear solve (`models.posterior.guidance.MomentMatching`); with
            no iterations the Climatology's bracket replaces it (`GaussianSolve`), `ahead` of the noise level.
        corrections, delta: Langevin steps per level, and their size, between 0 and 1.
        particles: of each member; more than one makes the sampler right where moment matching is not, at so
            many times the cost (`models.posterior.particles`; always the SDE, without corrections).
        alone: noise level below which every member goes on with one of its particles.
    """

    steps: int
    sigma_start: float
    sigma_stop: float
    stochastic: bool
    iterations: int = 1
    warm: bool = False
    corrections: int = 0
    particles: int = 1
    alone: float = 0.0
    ahead: float = 1.0
    delta: float = 0.3
    tolerance: float = 0.0
    loudness: float = 1.0

    def __post_init__(self) -> None:
        """Checks what would otherwise be ignored.

        Raises:
            ValueError: settings exclude each other: a solve with iterations is always at the noise level,
                one without begins nowhere, and only the SDE without particles has noise that could be
                louder; or they are out of their range.
        """
        if self.iterations and self.ahead != 1:
            raise ValueError("a preset that solves ahead of the noise level has no iterations")
        if (self.warm or self.tolerance) and not self.iterations:
            raise ValueError("a preset without iterations has no warm start, and no tolerance")
        if self.loudness != 1 and (not self.stochastic or self.particles > 1):
            raise ValueError("loudness is of the noise of the SDE, without particles")
        if not (0 < self.delta <= 1 and 0 < self.ahead <= 1):
            raise ValueError(f"delta {self.delta:g} and ahead {self.ahead:g} have to be in (0, 1]")
        if not self.loudness > 0:
            raise ValueError(f"loudness {self.loudness:g} has to be positive")

    @property
    def levels(self) -> list[float]:
        """The noise levels, descending, (steps,)."""
        return torch.logspace(
            math.log10(self.sigma_start), math.log10(self.sigma_stop), self.steps, dtype=torch.float64
        ).tolist()

    @property
    def guidance(self) -> Guidance:
        """How observations enter."""
        if not self.iterations:
            return GaussianSolve(self.ahead)
        return MomentMatching(self.iterations, self.warm, self.tolerance)


@dataclass(frozen=True)
class Progress:
    """Where the sampler is.

    Attributes:
        level, levels: how many levels are done, of how many.
        sigma: the noise level.
        chi2: of the posterior there (see `models.posterior.guidance.Guided`).
        residual: largest relative residual of the linear solve.
    """

    level: int
    levels: int
    sigma: float
    chi2: float | None
    residual: float | None = None


def sample(
    posterior: Posterior,
    preset: Preset,
    noise: Noise,
    progress: Callable[[Progress], None] = lambda p: None,
    guidance: Guidance | None = None,
) -> Tensor:
    """Posterior samples (N, *shape), one per member of `noise`.

    Arguments:
        progress: called after each level; what it raises stops the sampler.
        guidance: instead of the preset's.

    Raises:
        FloatingPointError: the iteration diverged; names the level.
    """
    guide, levels, shape = guidance or preset.guidance, preset.levels, posterior.mean.shape
    weights: Tensor | None = None

    def told(i: int, guided: Guided) -> None:
        progress(Progress(i + 1, len(levels), levels[i], guided.chi2, guided.residual))

    def step(z: Tensor, i: int) -> Guided:
        nonlocal weights
        guided = guide(posterior, z, levels[i], weights)
        check_finite(guided, i, levels)
        weights = guided.weights
        return guided

    first, last = 0, None
    if preset.particles > 1:
        first = max(sum(sigma >= preset.alone for sigma in levels), 1) - 1
        chosen = choose(posterior, levels[: first + 1], preset.particles, noise, guide, told)
        z, weights, last = chosen.z, chosen.weights, chosen.last
    else:
        z = posterior.start(noise, levels[0])
    for i in range(first, len(levels)):
        final = i + 1 == len(levels)
        guided, delta = step(z, i), preset.delta
        for k in range(0 if final else preset.corrections):
            n = noise.states(PER_LEVEL * (i + 1) + k, shape)
            z = z + delta * (guided.mean - z) + math.sqrt(2 * delta - delta**2) * levels[i] * n
            guided = step(z, i)
        if final:
            z = guided.mean
        else:
            h = math.log(levels[i] / levels[i + 1])
            ahead = guided.mean if last is None else guided.mean + h / (2 * last[1]) * (guided.mean - last[0])
            keep = math.exp(-2 * h if preset.stochastic else -h)
            z = keep * z + (1 - keep) * ahead
            if preset.stochastic:
                loud = preset.loudness * levels[i + 1] * math.sqrt(1 - keep)
                z = z + loud * noise.states(i + 1, shape)
            last = (guided.mean, h)
        told(i, guided)
    return z
