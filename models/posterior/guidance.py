r"""Guidance is itself a denoiser (Rozet & Louppe 2023): it turns E[z | z_sigma] into E[z | z_sigma, y].

Moment matching (Rozet et al. 2024, "Learning diffusion priors from observations"):

    E[z|z_sigma, y] = D + V J^T v,    (R + J V J^T) v = y - H(Dec(D)),    V = sigma^2 dD/dz_sigma.

V J^T v is a vector-Jacobian product through H, decoder and denoiser. Three ways to come by v:

    MomentMatching   a few Krylov iterations (`krylov.py`), preconditioned by the same system with the
                     Climatology's covariance at that noise level in place of V, warm-started or not
    GaussianSolve    the preconditioner alone, as if it were exact: one vector-Jacobian product
    Diagonal         R + gamma sigma^2 J J^T, the diagonal of it (SDA; DPS): a baseline, wrong where
                     observations are dense or accurate

H and the decoder are linearised once per step, where the denoised windows are; the denoiser is only ever
differentiated backwards. The solve is done in the precision of the observations (float64; float32 for very
many), whatever the networks run in.

Where the prior is far from Gaussian, moment matching lets observations count too little at high noise, and
members settle in regimes that the observations exclude. A solve *ahead* of the sampler believes that less
noise is left than there is, a sigma with a < 1 in place of sigma, as does `Diagonal` with gamma = a^2. Where
a sigma is small beside the errors of the observations that does not matter; before, members are drawn too
far, which Langevin corrections make up for (`sampler.py`). Accurate observations would be overshot by up to
1 / a^2, and the sampler would diverge where noise is low. So no member moves g times as far as fits best with
g c > OVERSHOOT, c = |J V J^T v| / |sigma^2 J J^T v| being what is left of a change of z after denoising.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from models.posterior.jacobian import Jacobian
from models.posterior.krylov import solve
from models.posterior.posterior import Posterior


@dataclass(frozen=True, eq=False)
class Guided:
    """What a guided step believes.

    Attributes:
        mean: E[z | z_sigma, y], (N, *shape).
        weights: v, (N, p), for a warm start at the next noise level.
        chi2: mean over members and observations of the squared misfit of the *unguided* expectation, in
            R + J V J^T: 1 where prior, observations and their errors agree. None without observations, and
            where that was not solved for.
        residual: largest relative residual of the linear solve among the members; None if none was needed.
        unguided: E[z | z_sigma], (N, *shape).
        misfit: y - H(Dec(unguided)), (N, p).
    """

    mean: Tensor
    unguided: Tensor
    misfit: Tensor | None = None
    weights: Tensor | None = None
    chi2: float | None = None
    residual: float | None = None


HUGE = 1e4  # of latents, whose standard deviation is of the order of 1


def check_finite(guided: Guided, i: int, levels: Sequence[float]) -> None:
    """Raise FloatingPointError, naming noise level i of `levels`, if the sampler has diverged."""
    if not guided.mean.abs().max() < HUGE:  # not even NaN is
        raise FloatingPointError(
            f"the sampler diverged at noise level {i + 1} of {len(levels)} ({levels[i]:.3g})"
        )


class Guidance(Protocol):
    """A way to condition a denoiser on observations."""

    def __call__(self, posterior: Posterior, z: Tensor, sigma: float, last: Tensor | None = None) -> Guided:
        """One step at noisy windows z (N, *shape); `last`: the weights of the last step."""


@dataclass(frozen=True, eq=False)
class _Step:
    """One denoised batch, ready to be corrected."""

    denoised: Tensor
    misfit: Tensor
    pull: Callable[[Tensor], Tensor]
    push: Callable[[Tensor], Tensor]

    @classmethod
    def at(cls, posterior: Posterior, z: Tensor, sigma: float) -> "_Step":
        """Runs denoiser and decoder once, and keeps what their products need."""
        z = z.detach().requires_grad_()
        with torch.enable_grad():
            denoised = posterior.denoiser(z, sigma)
        seen, value = Jacobian(posterior.observe, denoised), posterior.gaussian.value

        def pull(v: Tensor) -> Tensor:
            """V J^T v, (N, size), for v (N, p)."""
            (gradient,) = torch.autograd.grad(denoised, z, seen.pull(v), retain_graph=True)
            return sigma**2 * gradient.flatten(1).to(v)

        def push(u: Tensor) -> Tensor:
            """J u, (N, p), for u (N, size)."""
            return seen.push(u.reshape(z.shape)).to(u)

        return cls(denoised.detach(), value - seen.value.to(value), pull, push)

    def guided(
        self, correction: Tensor, weights: Tensor, residual: float | None = None, *, exact: bool = True
    ) -> Guided:
        """The denoised batch corrected by `correction` (N, size); `exact`: by weights of R + J V J^T."""
        mean = self.denoised + correction.reshape(self.denoised.shape).to(self.denoised)
        chi2 = float((self.misfit * weights).mean()) if exact else None
        return Guided(mean, self.denoised, self.misfit, weights, chi2, residual)


def _unguided(posterior: Posterior, z: Tensor, sigma: float) -> Guided:
    with torch.no_grad():
        denoised = posterior.denoiser(z, sigma)
    return Guided(denoised, denoised)


@dataclass(frozen=True)
class MomentMatching:
    """Krylov iterations; `warm`: begin with the weights of the last level, at one more product a step.

    A member has no more of them once its relative residual is `tolerance` or less.
    """

    iterations: int = 1
    warm: bool = False
    tolerance: float = 0.0

    def __call__(self, posterior: Posterior, z: Tensor, sigma: float, last: Tensor | None = None) -> Guided:
        """As in `Guidance`."""
        seen = posterior.gaussian
        if not len(seen.value):
            return _unguided(posterior, z, sigma)
        step = _Step.at(posterior, z, sigma)
        found = solve(
            step.misfit,
            step.pull,
            step.push,
            seen.noise,
            seen.bracket(sigma),
            self.iterations,
            last if self.warm else None,
            self.tolerance,
        )
        return step.guided(found.correction, found.weights, float(found.residual.max()))


OVERSHOOT = 3.0  # with g c below 2 / delta a correction of size delta is stable


@dataclass(frozen=True)
class GaussianSolve:
    """The Climatology's bracket as if it were the prior's; `ahead`: a, of the noise level it is taken at."""

    ahead: float = 1.0

    def __call__(self, posterior: Posterior, z: Tensor, sigma: float, last: Tensor | None = None) -> Guided:
        """As in `Guidance`."""
        seen = posterior.gaussian
        if not len(seen.value):
            return _unguided(posterior, z, sigma)
        step = _Step.at(posterior, z, sigma)
        bracket = seen.bracket(self.ahead * sigma)
        weights = bracket.unwhiten(bracket.whiten(step.misfit))
        correction = step.pull(weights)
        if self.ahead == 1:
            return step.guided(correction, weights)
        plain = seen.push(seen.pull(sigma**2 * weights))
        share = _stable(step.misfit / seen.error, step.push(correction) / seen.error, plain / seen.error)
        return step.guided(share * correction, share * weights, exact=False)


def _stable(misfit: Tensor, moved: Tensor, plain: Tensor) -> Tensor:
    """How much of a correction may be made, (N, 1): d, J V J^T v and sigma^2 J J^T v, (N, p), in errors."""
    size = moved.norm(dim=1).clamp_min(torch.finfo(moved.dtype).tiny)
    fit = (misfit * moved).sum(1) / size / size
    return (OVERSHOOT * fit * plain.norm(dim=1) / size).clamp(0, 1)[:, None]


@dataclass(frozen=True)
class Diagonal:
    """R + gamma sigma^2 diag(J J^T) in place of the bracket (Rozet & Louppe 2023); gamma is tuned by hand."""

    gamma: float = 1e-2

    def __call__(self, posterior: Posterior, z: Tensor, sigma: float, last: Tensor | None = None) -> Guided:
        """As in `Guidance`."""
        if not len(posterior.gaussian.value):
            return _unguided(posterior, z, sigma)
        step, seen = _Step.at(posterior, z, sigma), posterior.gaussian
        weights = step.misfit / (seen.error**2 + self.gamma * sigma**2 * seen.squares)
        return step.guided(step.pull(weights), weights)
