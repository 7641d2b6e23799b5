r"""Posterior trajectories longer than the windows a prior knows: coarse to fine, by one network for both.

First every 2^pace-th state, in one window of long time steps; then windows of short ones fill in, given the
states that are there (`models.posterior.windows.coarse_to_fine`). States that are given are observations with
a small error. Observations between two states of a window are interpolated, H = (1 - s) x_a + s x_b, and what
interpolation gets wrong is added to the variance of their errors, as if each were wrong for itself,

    var(x_t - (1 - s) x_a - s x_b)
        = c_0 (1 + (1 - s)^2 + s^2) - 2 (1 - s) c_{t-a} - 2 s c_{b-t} + 2 s (1 - s) c_{b-a},

c being the autocovariance of a component.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from models.classical.assimilation import Window
from models.classical.prior import ClassicalPrior
from models.posterior.noise import SeededNoise
from models.posterior.posterior import Posterior
from models.posterior.sampler import Preset, sample
from models.posterior.windows import Known, coarse_to_fine

GIVEN = 0.02  # error of states that are given, of their standard deviation


@dataclass(frozen=True, eq=False)
class Observed:
    """Observations of a trajectory, standardised.

    Attributes:
        states, points: which state and component (flat, of K w) each sees, (p,) int64.
        values, error: of them, (p,).
    """

    states: Tensor
    points: Tensor
    values: Tensor
    error: Tensor


def trajectories(
    prior: ClassicalPrior,
    observed: Observed,
    states: int,
    preset: Preset,
    members: int,
    seed: int,
    *,
    window: int,
    pace: int,
) -> Tensor:
    """Members (members, states, K, 1, w), standardised.

    Arguments:
        states: 1 + a multiple of 2^pace, of which at most `window` are anchors.
        window: states sampled together. A network does worse in much shorter ones than it was trained on,
            so it does with few anchors, too.
        pace: of the anchors, the longest time step that the network has learned or a shorter one.

    Raises:
        ValueError: `states`, `window` and `pace` do not fit together.
    """
    number = 0

    def draw(times: Tensor, known: Known | None) -> Tensor:
        nonlocal number
        number += 1
        posterior = of_window(prior, observed, times, known, members)
        return sample(posterior, preset, SeededNoise(seed * 100_003 + number, members))

    return coarse_to_fine(draw, torch.arange(states), (2**pace, 1), window)


def of_window(
    prior: ClassicalPrior, observed: Observed, times: Tensor, known: Known | None, members: int
) -> Posterior:
    """The posterior of the states at `times` (L,), equally far apart, for as many members."""
    step = int(times[1] - times[0])
    pace, length, size = step.bit_length() - 1, len(times), prior.shape[0] * prior.shape[2]
    inside = (observed.states >= times[0]) & (observed.states <= times[-1])
    at, points = observed.states[inside] - times[0], observed.points[inside]
    before = (at // step).clamp(max=length - 2)
    s = (at - before * step).double() / step
    rows = torch.arange(len(at))
    jacobian = torch.zeros(len(at), length * size, dtype=torch.float64)
    jacobian[rows, before * size + points] = 1 - s
    jacobian[rows, (before + 1) * size + points] = s
    variance = observed.error[inside].double() ** 2 + _interpolation(prior, s, step, points)
    y = observed.values[inside].double().expand(members, -1)
    if known is not None:
        given = (known.positions[:, None] * size + torch.arange(size)).flatten()
        exact = torch.zeros(len(given), length * size, dtype=torch.float64)
        exact[torch.arange(len(given)), given] = 1
        jacobian = torch.cat([exact, jacobian])
        variance = torch.cat([torch.full((len(given),), GIVEN**2, dtype=torch.float64), variance])
        y = torch.cat([known.states.flatten(1).double(), y], dim=1)
    window = Window(prior.denoiser(length, pace), prior.climatology(length, pace), jacobian, variance.sqrt())
    return window.posterior(y)


def _interpolation(prior: ClassicalPrior, s: Tensor, step: int, points: Tensor) -> Tensor:
    """Variance of what interpolation between two states gets wrong, (p,)."""
    own = prior.autocovariance[: step + 1, :, :, 0].diagonal(dim1=1, dim2=2)  # (step + 1, K)
    c = own.double()[:, points // prior.shape[2]]  # (step + 1, p)
    ahead = (s * step).round().long()[None]
    since, until = c.gather(0, ahead)[0], c.gather(0, step - ahead)[0]
    total = c[0] * (1 + (1 - s) ** 2 + s**2) + 2 * s * (1 - s) * c[step]
    return (total - 2 * (1 - s) * since - 2 * s * until).clamp_min(0)
