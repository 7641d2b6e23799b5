"""Posterior windows of a classical problem: many windows at once, each with its own observations and members.

Chaos forgets: what a filter knows at a time is in the last state of a window that ends there and is long
enough, what a smoother knows in a middle one. So nothing is cycled. All windows observe the same
components at the same places, y = z[index] + e; what `Posterior` is given as observations are the
departures z[index] - y, all zero, so that one Posterior serves windows whose y differ.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.classical.prior import ClassicalPrior
from models.posterior.gaussian import LinearObservations
from models.posterior.noise import OBSERVATIONS
from models.posterior.posterior import Posterior
from models.posterior.sampler import Preset, sample


@dataclass(frozen=True, eq=False)
class Network:
    """Which components of a window of L states are seen, and how well.

    Attributes:
        window: L.
        states, points: of each observation, its state and its component (flat, of K w), (p,) int64.
        error: standard deviation, in units of the standardised states, (p,).
    """

    window: int
    states: Tensor
    points: Tensor
    error: Tensor


@dataclass(frozen=True, eq=False)
class SeededNoise:
    """Standard normal numbers that only depend on the seed, the level and the shape asked for."""

    seed: int
    rows: int

    def states(self, level: int, shape: Sequence[int]) -> Tensor:
        """(rows, *shape)."""
        return self._draw(level, tuple(shape))

    def errors(self, count: int, level: int = OBSERVATIONS) -> Tensor:
        """(rows, count)."""
        return self._draw(level, (count,))

    def _draw(self, level: int, shape: tuple[int, ...]) -> Tensor:
        generator = np.random.default_rng([self.seed, level])
        return torch.from_numpy(generator.standard_normal((self.rows, *shape), dtype=np.float32))


def assimilate(
    prior: ClassicalPrior,
    network: Network,
    values: Tensor,
    preset: Preset,
    members: int,
    seed: int,
    batch: int = 256,
) -> Tensor:
    """Members of the posterior of every window, (B, members, L, K, 1, w), standardised.

    Arguments:
        values: y, standardised, (B, p).
        batch: rows (windows times members) that are sampled together.
    """
    denoiser, climatology = prior.denoiser(network.window), prior.climatology(network.window)
    size = climatology.modes.shape[1]
    index = network.states * (size // network.window) + network.points
    jacobian = torch.zeros(len(index), size, dtype=torch.float64)
    jacobian[torch.arange(len(index)), index] = 1
    mean = torch.zeros(climatology.shape)
    zero = torch.zeros(len(index), dtype=torch.float64)

    def denoise(z: Tensor, sigma: float) -> Tensor:
        return denoiser(z, z.new_full((len(z),), sigma), z.new_zeros(z.shape[:2]))

    out = []
    rows = values.repeat_interleave(members, dim=0)
    for number, part in enumerate(rows.split(batch)):
        y = part.repeat_interleave(preset.particles, dim=0)

        def observe(z: Tensor, y: Tensor = y) -> Tensor:
            return z.flatten(1)[:, index] - y.to(z)

        seen = LinearObservations(zero, network.error.double(), -y.double(), climatology, jacobian)
        posterior = Posterior(denoise, observe, seen, mean)
        out.append(sample(posterior, preset, SeededNoise(seed * 100_003 + number, len(part))))
    return torch.cat(out).unflatten(0, (len(values), members))
