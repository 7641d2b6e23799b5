"""What is known of the first state of a window, against the closed form of Gaussians."""

import pytest
import torch
from torch import Tensor, nn

from models.prior.denoiser import Denoiser
from models.prior.known import KnownClimatology
from models.prior.space_time import SpaceTimeClimatology

WINDOW, SHAPE, SPATIAL, RANK = 3, (2, 2, 3), 6, 8
SIZE = 12


def a_climatology(floor: float) -> SpaceTimeClimatology:
    generator = torch.Generator().manual_seed(0)
    spatial = torch.linalg.qr(torch.randn(SIZE, SPATIAL, generator=generator).double())[0].T
    courses = torch.linalg.qr(torch.randn(WINDOW * SPATIAL, RANK, generator=generator).double())[0].T
    seasons = torch.randn(5, *SHAPE, generator=generator)
    variances = torch.linspace(3, 1, RANK)
    return SpaceTimeClimatology.of(
        seasons, spatial, courses.reshape(RANK, WINDOW, SPATIAL), variances, floor=floor
    )


def covariance(climatology: SpaceTimeClimatology) -> Tensor:
    size = WINDOW * SIZE
    return climatology.apply(lambda c: c, torch.eye(size).reshape(size, WINDOW, *SHAPE)).reshape(size, size)


def an_error() -> Tensor:
    return torch.rand(*SHAPE, generator=torch.Generator().manual_seed(1)) + 0.2


WHEN = torch.tensor([0.1, 0.2, 0.3])


def test_it_is_the_gaussian_conditioned_on_what_was_seen():
    """Where hardly anything lies outside of the modes; with E as the covariance of the errors:
    C - C_0 (C_00 + E)^-1 C_0^T, and the mean moved accordingly.
    """
    climatology, error = a_climatology(floor=1e-5), an_error()
    state = torch.randn(*SHAPE, generator=torch.Generator().manual_seed(2))
    known = KnownClimatology.knowing(climatology, error).at(state)
    c = covariance(climatology).double()
    seen = torch.linalg.solve(c[:SIZE, :SIZE] + torch.diag(error.flatten().double()), c[:SIZE])
    torch.testing.assert_close(covariance(known).double(), c - c[:, :SIZE] @ seen, atol=2e-4, rtol=0)
    mean = climatology.mean(WHEN)
    moved = seen.T @ (state - mean[0]).flatten().double()
    torch.testing.assert_close((known.mean(WHEN) - mean).flatten().double(), moved, atol=2e-4, rtol=0)


def test_each_window_may_have_a_first_state_of_its_own():
    climatology, states = a_climatology(floor=0.1), torch.randn(4, *SHAPE)
    known = KnownClimatology.knowing(climatology, an_error())
    together = known.at(states).mean(WHEN.expand(4, -1))
    assert together.shape == (4, WINDOW, *SHAPE)
    for state, mean in zip(states, together, strict=True):
        torch.testing.assert_close(known.at(state).mean(WHEN), mean)
    torch.testing.assert_close(known.at(states).mean(WHEN), together)


def test_the_less_is_known_the_nearer_the_climatology():
    climatology, state = a_climatology(floor=0.1), torch.ones(SHAPE)
    traces = []
    for size in (1e-3, 1.0, 1e6):
        known = KnownClimatology.knowing(climatology, torch.full(SHAPE, size)).at(state)
        traces.append(float(covariance(known).trace()))
    assert traces[0] < traces[1] < traces[2]
    torch.testing.assert_close(covariance(known), covariance(climatology), atol=1e-4, rtol=0)
    torch.testing.assert_close(known.mean(WHEN), climatology.mean(WHEN), atol=1e-4, rtol=0)
    (told,) = known.told(WHEN)
    assert told[:-1].abs().max() < 1e-4
    torch.testing.assert_close(told[-1], torch.ones(SHAPE[1:]))


def test_a_network_is_told_of_what_is_known_exactly_all_of_it():
    climatology, state = a_climatology(floor=0.1), torch.randn(SHAPE)
    known = KnownClimatology.knowing(climatology, torch.full(SHAPE, 1e-8)).at(state)
    (told,) = known.told(WHEN)
    torch.testing.assert_close(told[:-1], state - climatology.mean(WHEN)[0])
    assert told[-1].abs().max() < 1e-6


def test_without_a_network_the_denoiser_is_that_of_what_is_known():
    """E[z_0 | z, k] of the conditional Gaussian."""
    known = KnownClimatology.knowing(a_climatology(floor=0.1), an_error()).at(torch.ones(SHAPE))
    told: list[tuple[int, ...]] = []

    class Nothing(nn.Module):
        def forward(self, x: Tensor, log_sigma: Tensor, season: Tensor, first: Tensor) -> Tensor:
            told.append(tuple(first.shape))
            return torch.zeros(len(x), WINDOW, *SHAPE)

    z = torch.randn(2, WINDOW, *SHAPE)
    when = WHEN.expand(2, -1)
    found = Denoiser(known, Nothing())(z, torch.full((2,), 0.7), when)
    torch.testing.assert_close(found, known.denoise(z, torch.tensor(0.7), known.mean(when)))
    assert told == [(2, SHAPE[0] + 1, *SHAPE[1:])]


@pytest.mark.parametrize("floor", [1e-4, 0.3])
def test_variances_stay_positive_and_descend_from_those_of_the_climatology(floor: float):
    climatology = a_climatology(floor)
    known = KnownClimatology.knowing(climatology, torch.full(SHAPE, 1e-6))
    assert float(known.variances.min()) > 0
    assert float(known.variances.max()) <= float(climatology.variances.max()) * (1 + 1e-5)
    torch.testing.assert_close(known.modes @ known.modes.T, torch.eye(RANK).double())
