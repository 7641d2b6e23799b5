import pytest
import torch

from models.posterior.grams import Grams

DELTA = 0.25


@pytest.fixture
def along() -> torch.Tensor:
    return torch.randn(3000, 20, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def theta() -> torch.Tensor:
    spread = torch.rand(3000, generator=torch.Generator().manual_seed(1))
    return 10 ** (7 * spread - 3)  # from what is nothing beside errors of 1 to what dwarfs them


@pytest.mark.parametrize("floor", [DELTA, 0.03, 1e-3])
def test_the_sum_is_that_of_its_own_diagonal_at_every_floor(along, theta, floor):
    diagonal, gram = Grams.of(along, theta, DELTA).at(floor)
    exact = along.double()
    torch.testing.assert_close(gram, (exact / diagonal[:, None]).T @ exact)


def test_the_diagonal_is_right_at_the_largest_floor(along, theta):
    diagonal, _ = Grams.of(along, theta, DELTA).at(DELTA)
    torch.testing.assert_close(diagonal, 1 + DELTA * theta.double())


@pytest.mark.parametrize("floor", [0.1, 0.01, 1e-4])
def test_and_within_three_hundredths_below(along, theta, floor):
    diagonal, _ = Grams.of(along, theta, DELTA).at(floor)
    torch.testing.assert_close(diagonal, 1 + floor * theta.double(), rtol=0.03, atol=0)


def test_observations_without_small_scales_are_left_alone(along):
    diagonal, _ = Grams.of(along, torch.zeros(3000), DELTA).at(DELTA)
    torch.testing.assert_close(diagonal, torch.ones(3000, dtype=torch.float64), rtol=1e-3, atol=0)
