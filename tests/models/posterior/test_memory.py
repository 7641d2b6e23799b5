"""What windows in a row remember of the state between them, against closed forms."""

import pandas as pd
import pytest
import torch

from models.analysis import Analysis
from models.posterior.memory import Memory, remembered
from models.prior.climatology import Climatology
from models.prior.modes import joined, parts
from models.prior.space_time import SpaceTimeClimatology
from models.testing.toy import gaussian_prior

TIMES = pd.date_range("2019-02-17T12:00Z", periods=2, freq="24h")
SHAPE, SIZE, MODES = (2, 2, 3), 12, 3


@pytest.fixture(scope="module")
def analysis() -> Analysis:
    return Analysis(gaussian_prior(rank=110), TIMES)


def noise(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def a_memory(rest: torch.Tensor) -> Memory:
    directions = torch.linalg.qr(noise(SIZE, MODES, seed=7))[0].T
    return Memory(directions, torch.tensor([0.5, 1.0, 2.0]), rest, noise(1, SIZE))


def matrix(memory: Memory) -> torch.Tensor:
    """G, (K h w, 2 K h w), of windows of two states."""
    return memory.look(torch.eye(2 * SIZE).unflatten(1, (2, *SHAPE))).T


def test_only_the_first_state_is_seen_and_the_adjoint_is_that_of_the_matrix() -> None:
    memory, w = a_memory(0.3 + torch.rand(SIZE, generator=torch.Generator().manual_seed(2))), noise(4, SIZE)
    assert matrix(memory)[:, SIZE:].abs().max() == 0
    back = memory.back(w, (2, *SHAPE)).flatten(1)
    torch.testing.assert_close(back, w @ matrix(memory), rtol=1e-4, atol=1e-5)


def test_errors_of_modes_and_of_the_rest_are_as_told() -> None:
    """(G^T G)^-1 has the variances of modes along them, and that of the rest elsewhere."""
    memory = a_memory(torch.full((SIZE,), 0.3))
    own = matrix(memory)[:, :SIZE]
    torch.testing.assert_close(memory.squares(), own.square().sum(1), rtol=1e-4, atol=1e-5)
    covariance = torch.linalg.inv(own.T @ own)
    x = noise(1, SIZE)
    inside, outside = parts(x, memory.directions)
    expected = joined(memory.modes**2 * inside, 0.09 * outside, memory.directions)
    torch.testing.assert_close(x @ covariance, expected, rtol=1e-3, atol=1e-4)


def test_what_it_sees_of_modes_of_a_window_is_its_matrix_times_them() -> None:
    climatology = Climatology(2, SHAPE, rank=5)
    climatology.modes.copy_(torch.linalg.qr(noise(2 * SIZE, 5, seed=9).double())[0].T)
    memory = a_memory(torch.full((SIZE,), 0.3))
    expected = matrix(memory) @ climatology.modes.float().T
    torch.testing.assert_close(memory.along(climatology), expected, rtol=1e-4, atol=1e-5)


def recalled(analysis: Analysis, states: torch.Tensor, inflation: float = 1.0) -> Memory:
    return remembered(states, analysis.prior.climatology, analysis.mean[0], inflation)


@pytest.mark.parametrize("inflation", [1.0, 1.5])
def test_with_the_climatology_a_memory_is_what_the_ensemble_knew(
    analysis: Analysis, inflation: float
) -> None:
    """Mean and variance, of every latent a quarter of the climatology's (all of them are modes here)."""
    own, members = analysis.prior.climatology.marginal(0), 4000
    states = analysis.mean[0] + 0.7 * own.sqrt() + 0.5 * own.sqrt() * noise(members, *own.shape)
    memory, before = recalled(analysis, states, inflation), own.flatten()
    after = 1 / (1 / before + memory.modes**-2)
    assert float((after / before).mean()) == pytest.approx(0.25 * inflation, rel=0.03)
    departure = after * (memory.wanted - memory.look(analysis.mean[None]))[0] / memory.modes
    expected = (states.mean(0) - analysis.mean[0]).flatten()
    torch.testing.assert_close(departure, expected, rtol=0.03, atol=0.01)


def test_an_ensemble_as_wide_as_the_climatology_is_hardly_believed(analysis: Analysis) -> None:
    own = analysis.prior.climatology.marginal(0)
    memory = recalled(analysis, analysis.mean[0] + 2 * own.sqrt() * noise(4000, *own.shape))
    assert (memory.modes**2 > 50 * own.flatten()).all()


def test_the_mean_of_few_members_is_off_by_as_much_as_it_says(analysis: Analysis) -> None:
    """Draws of a truth, of what the past makes of it, and of an ensemble of that: off by one error."""
    own, off, draws = analysis.prior.climatology.marginal(0), [], 200
    for k in range(draws):
        center = analysis.mean[0] + 0.75**0.5 * own.sqrt() * noise(*own.shape, seed=3 * k)
        truth = center + 0.5 * own.sqrt() * noise(*own.shape, seed=3 * k + 1)
        memory = recalled(analysis, center + 0.5 * own.sqrt() * noise(4, *own.shape, seed=3 * k + 2))
        off.append(memory.wanted - memory.look(truth[None, None]))
    assert float(torch.cat(off).std()) == pytest.approx(1, rel=0.05)


def test_what_is_no_mode_is_remembered_by_channel_and_column() -> None:
    shape = (2, 8, 16)
    spatial = torch.linalg.qr(noise(256, 1, seed=9))[0].T
    climate = torch.linspace(0.3, 3.0, 256).reshape(shape)  # each latent has a variance of its own
    climatology = SpaceTimeClimatology.of(
        torch.zeros(5, *shape), spatial, climate, torch.ones(1, 1, 1), torch.ones(1), floor=1.0
    )
    share = torch.tensor([0.2, 0.5])[:, None, None] * torch.linspace(0.5, 1.5, 128).reshape(8, 16)
    states = (share * climate).sqrt() * noise(4000, *shape)
    memory = remembered(states, climatology, torch.zeros(shape), 1.0)
    expected = (share / (1 - share) * climate).sqrt().flatten()
    torch.testing.assert_close(memory.rest, expected, rtol=0.15, atol=0)  # the mode takes a little
