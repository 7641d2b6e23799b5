r"""Particles: the sampler's steps, weighed by what moment matching gets wrong about them.

Moment matching takes p(z | z_sigma) for Gaussian. Where it has several modes, weight leaks to modes that the
observations exclude. So each member carries K particles through the steps of the SDE and weighs them (twisted
diffusion sampler; Wu et al. 2023),

    w' = w  p(z' | z) / q(z' | z, y)  L(z') / L(z),        L(z) ~ exp(-1/2 d^T v),  d = y - H(Dec(D)),

with p the unguided and q the guided step, and L a guess at the likelihood, v being the guidance's solution of
(R + J V J^T) v = d. With many particles none of these matters: what is sampled tends to the posterior itself.
Particles whose weights are uneven are resampled within their member, and at the last of the levels given one
of each member is drawn, with which the sampler goes on. Members know nothing of each other, so each is
reproducible alone.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from models.posterior.guidance import Guidance, Guided, check_finite
from models.posterior.noise import OBSERVATIONS, Noise
from models.posterior.posterior import Posterior

APART = 1_000_000_000  # between the noise levels of a member's particles
RESAMPLE = 500_000_000  # the noise levels of resampling begin here


@dataclass(frozen=True, eq=False)
class Shifted:
    """Noise with the numbers of levels that are `by` higher."""

    noise: Noise
    by: int

    def states(self, level: int, shape: Sequence[int]) -> Tensor:
        """(N, *shape)."""
        return self.noise.states(level + self.by, shape)

    def errors(self, count: int, level: int = OBSERVATIONS) -> Tensor:
        """(N, count)."""
        return self.noise.errors(count, level + self.by)


@dataclass(frozen=True, eq=False)
class Chosen:
    """One particle of every member, at the last of the levels given.

    Attributes:
        z: noisy windows, (N, *shape).
        weights: v of the guidance there, (N, p); None without observations.
        last: D at the level before, and the step in log sigma from there; None if there was none.
    """

    z: Tensor
    weights: Tensor | None
    last: tuple[Tensor, float] | None


def choose(
    posterior: Posterior,
    levels: Sequence[float],
    count: int,
    noise: Noise,
    guidance: Guidance,
    told: Callable[[int, Guided], None],
) -> Chosen:
    """One of `count` particles for each member of `noise`.

    Arguments:
        levels: noise levels, descending.
        told: called after each but the last, with its number and what was believed there.

    Raises:
        FloatingPointError: the iteration diverged; names the level.
        ValueError: no levels.
    """
    each, shape = [Shifted(noise, APART * k) for k in range(count)], posterior.mean.shape
    z = torch.stack([posterior.start(n, levels[0]) for n in each], 1).flatten(0, 1)
    log = torch.zeros(len(z) // count, count, dtype=torch.float64)
    change, before = torch.zeros_like(log), torch.zeros_like(log)
    weights: Tensor | None = None
    last: tuple[Tensor, Tensor, float] | None = None
    for i, sigma in enumerate(levels):
        guided = guidance(posterior, z, sigma, weights)
        check_finite(guided, i, levels)
        if guided.misfit is not None and guided.weights is not None:
            likelihood = -0.5 * (guided.misfit * guided.weights).sum(-1).double().reshape(log.shape)
            log = log + change + likelihood - (before if i else likelihood)
            before = likelihood
        uniform = torch.special.ndtr(noise.errors(1, RESAMPLE + i).double())  # in (0, 1), (N, 1)
        if i + 1 == len(levels):
            one = _drawn(log, uniform)
            v = None if guided.weights is None else guided.weights[one]
            return Chosen(z[one], v, None if last is None else (last[0][one], last[2]))
        told(i, guided)
        kept, log = _resampled(log, uniform)
        z, mean, free, before = z[kept], guided.mean[kept], guided.unguided[kept], before.flatten()[kept]
        before, weights = before.reshape(log.shape), None if guided.weights is None else guided.weights[kept]
        h, next_sigma = math.log(sigma / levels[i + 1]), levels[i + 1]
        q, p = mean, free
        if last is not None:
            r = h / (2 * last[2])
            q, p = mean + r * (mean - last[0][kept]), free + r * (free - last[1][kept])
        share, variance = 1 - math.exp(-2 * h), next_sigma**2 * (1 - math.exp(-2 * h))
        step = math.sqrt(variance) * torch.stack([n.states(i + 1, shape) for n in each], 1).flatten(0, 1)
        # |z' - E_q|^2 - |z' - E_p|^2, with z' = E_q + step
        apart = (share * (q - p)).flatten(1).double()
        change = -((2 * step.flatten(1) + apart) * apart).sum(1).reshape(log.shape) / (2 * variance)
        z = z + share * (q - z) + step
        last = (mean, free, h)
    raise ValueError("a sampler needs at least one noise level")


def systematic(log: Tensor, uniform: Tensor) -> Tensor:
    """Particles in proportion to exp(log) (N, K), by one number in (0, 1) each, (N, K) (Kitagawa 1996)."""
    count = log.shape[1]
    points = (torch.arange(count) + uniform) / count
    return torch.searchsorted(torch.softmax(log, 1).cumsum(1), points).clamp_max(count - 1)


def _resampled(log: Tensor, uniform: Tensor) -> tuple[Tensor, Tensor]:
    """Which particles go on (N K,), and with what log weights (N, K).

    Members of which less than half the particles count are resampled.
    """
    members, count = log.shape
    poor = 1 / torch.softmax(log, 1).square().sum(1, keepdim=True) < count / 2
    chosen = torch.where(poor, systematic(log, uniform), torch.arange(count))
    return (chosen + count * torch.arange(members)[:, None]).flatten(), torch.where(poor, 0.0, log)


def _drawn(log: Tensor, uniform: Tensor) -> Tensor:
    """One particle of each member by its weight, (N,)."""
    members, count = log.shape
    chosen = torch.searchsorted(torch.softmax(log, 1).cumsum(1), uniform).clamp_max(count - 1)
    return chosen[:, 0] + count * torch.arange(members)
