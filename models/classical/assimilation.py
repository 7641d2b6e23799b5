"""Posterior windows of a classical problem: many windows at once, each with its own observations and members.

Chaos forgets: what a filter knows at a time is in the last state of a window that ends there and is long
enough, what a smoother knows in a middle one. So nothing is cycled. All windows have the same
J and R in y = J z + e; what `Posterior` is given as observations are the departures J z - y, all zero, so
that one Posterior serves windows whose y differ.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from models.classical.prior import ClassicalPrior
from models.posterior.noise import SeededNoise
from models.posterior.posterior import Posterior
from models.posterior.sampler import Preset, sample
from models.prior.climatology import Climatology
from models.prior.denoiser import Denoiser


@dataclass(frozen=True, eq=False)
class Network:
    """Which components of a window of L states are seen, and how well.

    Attributes:
        window: L.
        states, points: of each observation, its state and its component (flat, of K w), (p,) int64.
        error: standard deviation, in units of the standardised states, (p,).
        pace: states are 2^pace of the prior's `spacing` apart.
    """

    window: int
    states: Tensor
    points: Tensor
    error: Tensor
    pace: int = 0

    @classmethod
    def of(cls, window: int, states: Tensor, points: Tensor, error: float | Tensor) -> "Network":
        """All of `points` (m,) seen at each of `states` (n,), with one `error` or one per point (m,)."""
        each = torch.as_tensor(error, dtype=torch.float64).expand(len(points))
        count = len(states)
        return cls(window, states.repeat_interleave(len(points)), points.repeat(count), each.repeat(count))


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
    window = Window.of(prior, network)
    out = []
    rows = values.repeat_interleave(members, dim=0)
    for number, part in enumerate(rows.split(batch)):
        posterior = window.posterior(part)
        out.append(sample(posterior, preset, SeededNoise(seed * 100_003 + number, len(part))))
    return torch.cat(out).unflatten(0, (len(values), members))


@dataclass(frozen=True, eq=False)
class Window:
    """What all windows of a network share.

    Attributes:
        denoiser, climatology: of such windows.
        jacobian: J, (p, size), float64.
        error: standard deviation, (p,).
    """

    denoiser: Denoiser
    climatology: Climatology
    jacobian: Tensor
    error: Tensor

    @classmethod
    def of(cls, prior: ClassicalPrior, network: Network) -> "Window":
        """Looks at the windows of `prior` through `network`."""
        climatology = prior.climatology(network.window, network.pace)
        size = climatology.modes.shape[1]
        index = network.states * (size // network.window) + network.points
        jacobian = torch.zeros(len(index), size, dtype=torch.float64)
        jacobian[torch.arange(len(index)), index] = 1
        denoiser = prior.denoiser(network.window, network.pace)
        return cls(denoiser, climatology, jacobian, network.error.double())

    def posterior(self, rows: Tensor) -> Posterior:
        """Of windows that differ in y, `rows` (N, p)."""

        def denoise(z: Tensor, sigma: float) -> Tensor:
            return self.denoiser(z, z.new_full((len(z),), sigma), z.new_zeros(z.shape[:2]))

        return Posterior.of_rows(denoise, rows.double(), self.error, self.jacobian, self.climatology)
