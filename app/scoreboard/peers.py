"""azula's moment matching (Rozet et al. 2024; a package by the authors of SDA and Appa) on our posteriors.

Everything but the denoiser and the observations is azula's own: noise schedule, sampler, linear solve. azula
draws from torch's global generator, which is seeded here and put back afterwards.
"""

from dataclasses import dataclass

import torch
from azula.denoise import Denoiser, DiracPosterior
from azula.guidance import MMPSDenoiser
from azula.linalg.covariance import DiagonalCovariance
from azula.noise import RectifiedSchedule, Schedule, VESchedule
from azula.sample import DDIMSampler, DDPMSampler, PCSampler, Sampler, xEABSampler
from torch import Tensor

from models.posterior.posterior import Posterior


@dataclass(frozen=True)
class Azula:
    """Settings of azula's sampler.

    Attributes:
        sampler: ddpm, ddim, pc (predictor and two corrections of 0.1, as Appa has it) or xeab (multistep of
            second order, DPM-Solver++(2M)).
        steps: of the sampler.
        iterations: of GMRES.
        sigma: range of a log-spaced schedule; None for the rectified schedule 1e-3 to 1e3, as Appa has it.
    """

    sampler: str
    steps: int
    iterations: int
    sigma: tuple[float, float] | None = None

    def sample(self, posterior: Posterior, rows: int, seed: int) -> Tensor:
        """Posterior samples (rows, *shape).

        Raises:
            FloatingPointError: they are not finite.
        """
        schedule = VESchedule(*self.sigma) if self.sigma else RectifiedSchedule()
        value = posterior.gaussian.value.float().expand(rows, -1)
        guided = MMPSDenoiser(
            _Ours(posterior, schedule),
            y=value,
            A=posterior.observe,
            cov_y=DiagonalCovariance(posterior.gaussian.error.float() ** 2),
            solver="gmres",
            iterations=self.iterations,
        )
        sampler = _sampler(self.sampler, guided, self.steps)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            start = sampler.init((rows, *posterior.mean.shape), mean=posterior.mean)
            z = sampler(start)
        if not torch.isfinite(z).all():
            raise FloatingPointError("azula's sampler diverged")
        return z


class _Ours(Denoiser):
    """Our denoiser, of z + sigma n, as one of alpha z + sigma n."""

    def __init__(self, posterior: Posterior, schedule: Schedule) -> None:
        super().__init__()
        self.posterior = posterior
        self.schedule = schedule

    def forward(self, x_t: Tensor, t: Tensor, **kwargs: object) -> DiracPosterior:
        """E[z | x_t], t ()."""
        alpha, sigma = self.schedule(t)
        denoised = self.posterior.denoiser(x_t / alpha, float(sigma / alpha))
        # a tensor of its own: what counts the backward passes is hooked to `denoised`
        return DiracPosterior(denoised.view_as(denoised))


def _sampler(name: str, denoiser: Denoiser, steps: int) -> Sampler:
    if name == "pc":
        return PCSampler(denoiser, corrections=2, delta=0.1, steps=steps, silent=True)
    if name == "xeab":
        return xEABSampler(denoiser, order=2, steps=steps, silent=True)
    return {"ddpm": DDPMSampler, "ddim": DDIMSampler}[name](denoiser, steps=steps, silent=True)
