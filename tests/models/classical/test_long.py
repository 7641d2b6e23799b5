"""Long trajectories of Lorenz (1996), coarse to fine."""

import pytest
import torch

from models.classical.long import Observed, _interpolation, of_window, trajectories
from models.classical.prior import load
from models.classical.problem import PROBLEMS
from models.posterior.noise import SeededNoise
from models.posterior.sampler import Preset, sample
from models.posterior.windows import Known

PRIOR = load("lorenz96")
PRESET = Preset(8, 0.7, 0.03, stochastic=True, iterations=1)


def observed(truth: torch.Tensor, every: int, error: float) -> Observed:
    states, points = torch.arange(0, len(truth), every), torch.arange(0, 40)
    noise = torch.randn(len(states), 40, generator=torch.Generator().manual_seed(0))
    values = truth[states].flatten(1) + error * noise
    count = len(states) * 40
    return Observed(
        states.repeat_interleave(40),
        points.repeat(len(states)),
        values.flatten(),
        torch.full((count,), error),
    )


def test_a_trajectory_longer_than_the_windows_is_near_the_truth_everywhere() -> None:
    truth = PRIOR.standardise(PROBLEMS["lorenz96"].unseen(1, 33, seed=3))[0]
    seen = observed(truth, every=2, error=0.3)
    z = trajectories(PRIOR, seen, 33, PRESET, members=2, seed=0, window=20, pace=2)
    assert z.shape == (2, 33, 1, 1, 40)
    error = (z.mean(0) - truth).square().mean((1, 2, 3)).sqrt()
    assert float(error.mean()) < 0.2, error
    assert float(error.max()) < 0.3, error


def test_states_that_are_given_stay_and_those_between_are_known_better_than_by_interpolation() -> None:
    truth = PRIOR.standardise(PROBLEMS["lorenz96"].unseen(1, 9, seed=4))[0]
    known = Known(torch.tensor([0, 4, 8]), truth[[0, 4, 8]].expand(2, -1, -1, -1, -1))
    nothing = Observed(*(torch.zeros(0, dtype=torch.int64) for _ in range(2)), torch.zeros(0), torch.zeros(0))
    posterior = of_window(PRIOR, nothing, torch.arange(9), known, members=2)
    z = sample(posterior, PRESET, SeededNoise(0, 2))
    apart = (z - truth).square().mean((0, 2, 3, 4)).sqrt()
    line = (truth[0] + truth[4]) / 2 - truth[2]
    assert float(apart[[0, 4, 8]].max()) < 0.06
    assert float(apart[2]) < 0.2 * float(line.square().mean().sqrt())


def test_interpolation_is_wrong_between_the_states_only_and_as_often_as_simulated() -> None:
    step, points = 4, torch.zeros(5, dtype=torch.int64)
    s = torch.arange(5, dtype=torch.float64) / step
    variance = _interpolation(PRIOR, s, step, points)
    x = PRIOR.standardise(PROBLEMS["lorenz96"].unseen(200, 5, seed=5)).double()[:, :, 0, 0]
    line = x[:, :1] * (1 - s)[None, :, None] + x[:, 4:] * s[None, :, None]
    assert torch.allclose(variance, (x - line).square().mean((0, 2)), rtol=0.1, atol=1e-6)
    assert variance[0] == variance[4] == 0


def test_what_does_not_fit_is_refused() -> None:
    nothing = Observed(*(torch.zeros(0, dtype=torch.int64) for _ in range(2)), torch.zeros(0), torch.zeros(0))
    with pytest.raises(ValueError, match="the last is no anchor"):
        trajectories(PRIOR, nothing, 48, PRESET, 1, 0, window=16, pace=2)
