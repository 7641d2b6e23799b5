"""Trials of a classical problem: a truth, what is seen of it, and members of the posterior, many times.

Truths are drawn either from the prior itself, by its sampler with many levels and nothing observed, or from
the simulator it was trained on. With the first only the way of conditioning can be wrong, with the second
the prior as well.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.classical.assimilation import Network, assimilate
from models.classical.force import ForceGrid
from models.classical.prior import ClassicalPrior
from models.classical.problem import Problem
from models.posterior.sampler import Preset
from models.prior.parameter import ParameterNetwork
from models.verification.sbc import Array, Compared, compared

TRUTH_LEVELS = 96


@dataclass(frozen=True)
class Layout:
    """Every `every`-th state and every other variable of a window is seen with `error` (not standardised)."""

    window: int
    every: int
    error: float

    def network(self, prior: ClassicalPrior) -> Network:
        """The same, for a prior; a parameter is not seen."""
        states = torch.arange(0, self.window, self.every)
        points = torch.arange(0, prior.shape[2], 2)
        return Network.of(self.window, states, points, self.error / float(prior.std[0]))


def from_prior(
    prior: ClassicalPrior, sigma: tuple[float, float], window: int, number: int, seed: int
) -> Tensor:
    """Windows (number, L, K, 1, w), standardised, drawn from the prior; `sigma`: lowest and highest level."""
    nothing = torch.zeros(0, dtype=torch.int64)
    blind = Network(window, nothing, nothing, torch.zeros(0, dtype=torch.float64))
    preset = Preset(TRUTH_LEVELS, sigma[1], sigma[0], stochastic=True)
    empty = torch.zeros(number, 0, dtype=torch.float64)
    return assimilate(prior, blind, empty, preset, 1, seed, batch=64)[:, 0]


def from_simulator(prior: ClassicalPrior, problem: Problem, window: int, number: int, seed: int) -> Tensor:
    """The same, each window from a trajectory of its own, none of which the prior was trained on."""
    return prior.standardise(problem.unseen(number, window, seed, prior.spacing))


@dataclass(frozen=True, eq=False)
class Trials:
    """Standardised truths (N, L, K, 1, w), what was seen of them (N, p) and members (N, M, L, K, 1, w)."""

    prior: ClassicalPrior
    network: Network
    truth: Tensor
    values: Tensor
    members: Tensor

    def compared(self) -> Compared:
        """Test functions, members (N, M) and truth (N,): see `functions`."""
        return compared(lambda z: functions(self, z), self.members, self.truth)


def run(
    prior: ClassicalPrior, layout: Layout, truth: Tensor, preset: Preset, members: int, seed: int
) -> Trials:
    """Observes truths (N, L, K, 1, w) with errors of their own and assimilates each."""
    network = layout.network(prior)
    generator = np.random.default_rng([seed, 1, 1])
    noise = generator.standard_normal((len(truth), len(network.points)))
    values = seen(network, truth) + network.error * torch.from_numpy(noise)
    drawn = assimilate(prior, network, values, preset, members, seed, batch=64 // preset.particles)
    return Trials(prior, network, truth, values, drawn)


def seen(network: Network, z: Tensor) -> Tensor:
    """The variables of windows (..., L, K, 1, w) that are observed, (..., p), float64."""
    return z.flatten(-3)[..., network.states, network.points].double()


def functions(trials: Trials, z: Tensor) -> dict[str, Array]:
    """What is compared of windows z (N, M, L, K, 1, w), (N, M) each."""
    x = z[:, :, :, 0, 0].double()
    point = z.shape[-1] // 2  # even, so it is seen
    state = int(trials.network.states[len(trials.network.states) // 2])
    misfit = (seen(trials.network, z) - trials.values[:, None]) / trials.network.error
    out = {
        "observed": x[:, :, state, point],
        "unobserved": x[:, :, state, point + 1],
        "last state": x[:, :, -1, point + 1],
        "mean": x.mean((2, 3)),
        "energy": x.square().mean((2, 3)),
        "likelihood": -0.5 * misfit.square().sum(-1),
    }
    if isinstance(trials.prior.network, ParameterNetwork):
        out["parameter"] = trials.prior.restore(z)[:, :, :, -1].mean((2, 3, 4))
    return {name: value.numpy() for name, value in out.items()}


def by_filters(trials: Trials, layout: Layout, members: int, seed: int) -> dict[str, float]:
    """How well filters of `members` know the force (`models.classical.force`), from the same observations."""
    prior, network, generator = trials.prior, trials.network, torch.Generator().manual_seed(seed)
    grid = ForceGrid.build(members, prior.spacing, generator)
    states, points = network.states.unique(), network.points.unique()
    values = trials.values * prior.std[0] + prior.mean[0]
    weights = torch.stack(
        [grid.posterior(y.reshape(len(states), -1), states, points, layout.error, generator) for y in values]
    )
    mean = weights @ grid.forces
    variance = weights @ grid.forces**2 - mean**2
    square = (mean - prior.restore(trials.truth)[:, 0, -1, 0, 0]).square().mean()
    return {"rmse": float(square.sqrt()), "spread_skill": float((variance.mean() / square).sqrt())}
