"""Scores against independent formulas: properscoring, quadrature, brute force, simulation."""

import numpy as np
import properscoring
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from models.state.grid import Grid
from models.verification import scores


def test_the_unfair_crps_of_an_ensemble_agrees_with_properscoring() -> None:
    g = np.random.default_rng(1)
    members, y = g.normal(size=(9, 40)), g.normal(size=40)
    expected = properscoring.crps_ensemble(y, members.T)
    np.testing.assert_allclose(scores.crps_ensemble(members, y, fair=False), expected, rtol=1e-12)


def test_the_fair_crps_is_the_double_sum_over_different_members() -> None:
    g = np.random.default_rng(2)
    x, y = g.normal(size=(6, 3)), g.normal(size=3)
    pairs = np.abs(x[:, None] - x[None]).sum(axis=(0, 1)) / (6 * 5)
    np.testing.assert_allclose(scores.crps_ensemble(x, y), np.abs(x - y).mean(0) - pairs / 2, rtol=1e-12)


@pytest.mark.parametrize("size", [2, 5])
def test_the_fair_crps_of_few_members_averages_to_that_of_their_distribution(size: int) -> None:
    g = np.random.default_rng(3)
    n = 200_000
    y = g.normal(0.5, 1.0, size=n)
    members = g.normal(0.2, 1.3, size=(size, n))
    expected = scores.crps_gaussian(0.2, 1.3, y).mean()
    fair = scores.crps_ensemble(members, y)
    assert abs(fair.mean() - expected) < 4 * fair.std() / np.sqrt(n)
    assert scores.crps_ensemble(members, y, fair=False).mean() > expected * 1.1


def test_the_crps_of_a_gaussian_agrees_with_properscoring_and_is_the_distance_where_std_is_zero() -> None:
    g = np.random.default_rng(4)
    y, mu, s = g.normal(size=20), g.normal(size=20), g.uniform(0.1, 3, size=20)
    expected = properscoring.crps_gaussian(y, mu, s)
    np.testing.assert_allclose(scores.crps_gaussian(mu, s, y), expected, rtol=1e-12)
    np.testing.assert_allclose(scores.crps_gaussian([1.0, 1.0], [0.0, 0.0], [3.0, 1.0]), [2.0, 0.0])


def test_the_crps_of_the_mixture_is_the_integral_of_its_squared_distance_from_the_step() -> None:
    x, s, y = np.array([-1.0, 0.3, 2.0]), 0.7, 0.9

    def cdf(t: float) -> float:
        return float(norm.cdf((t - x) / s).mean())

    expected = quad(lambda t: cdf(t) ** 2, -12, y)[0] + quad(lambda t: (1 - cdf(t)) ** 2, y, 12)[0]
    actual = scores.crps_mixture(x[:, None], s, np.array([y]), fair=False)
    np.testing.assert_allclose(actual, expected, rtol=1e-7)


def test_the_fair_crps_of_few_members_with_observation_error_averages_to_that_of_the_sum() -> None:
    g = np.random.default_rng(5)
    n, error = 50_000, 0.8
    y = g.normal(size=n) + error * g.normal(size=n)
    members = g.normal(size=(3, n))
    actual = scores.crps_mixture(members, error, y)
    expected = scores.crps_gaussian(0, np.hypot(1, error), y).mean()
    assert abs(actual.mean() - expected) < 4 * actual.std() / np.sqrt(n)
    assert scores.crps_mixture(members, error, y, fair=False).mean() > expected * 1.05


def test_without_observation_error_the_mixture_is_the_ensemble() -> None:
    g = np.random.default_rng(6)
    x, y = g.normal(size=(7, 5)), g.normal(size=5)
    for fair in (True, False):
        np.testing.assert_allclose(
            scores.crps_mixture(x, 0.0, y, fair=fair), scores.crps_ensemble(x, y, fair=fair), rtol=1e-12
        )


def test_an_unset_error_or_a_single_member_is_refused_with_a_hint() -> None:
    with pytest.raises(ValueError, match="errors must be set"):
        scores.crps_mixture(np.zeros((3, 1)), np.array([np.nan]), np.zeros(1))
    with pytest.raises(ValueError, match="fair=False"):
        scores.crps_ensemble(np.zeros((1, 4)), np.zeros(4))
    with pytest.raises(ValueError, match="one value per member"):
        scores.crps_ensemble(np.zeros((3, 4)), np.zeros(5))


def test_bias_is_positive_where_the_prediction_is_too_high() -> None:
    assert scores.bias([3.0, 2.0], [1.0, 1.0]) == 1.5
    assert scores.rmse([3.0, 1.0], [1.0, 1.0]) == pytest.approx(np.sqrt(2))


def test_area_means_weight_by_the_area_of_the_cells() -> None:
    grid = Grid(np.linspace(90, -90, 181), np.arange(0, 360, 2.0))
    field = np.broadcast_to(np.sin(np.deg2rad(grid.latitude))[:, None] ** 2, grid.shape)
    assert scores.area_mean(field, grid.area_weights) == pytest.approx(1 / 3, abs=1e-3)
    assert scores.area_rmse(field + 2.0, field, grid.area_weights) == pytest.approx(2.0)


@pytest.mark.parametrize("members", [3, 4, 7])
@pytest.mark.parametrize("error", [0.0, 0.8])
def test_of_mirrored_members_independent_ones_are_compared(members: int, error: float) -> None:
    """Pairs that only differ in sign: taken for independent they would look better than N(0, 1) is."""
    g = np.random.default_rng(8)
    n = 60_000
    half = g.normal(size=((members + 1) // 2, n))
    x = np.stack([half, -half], axis=1).reshape(-1, n)[:members]
    y = g.normal(size=n) + error * g.normal(size=n)
    told = scores.crps_mixture(x, error, y, mirrored=True)
    expected = scores.crps_gaussian(0, np.hypot(1, error), y).mean()
    assert abs(told.mean() - expected) < 4 * told.std() / np.sqrt(n)
    assert scores.crps_mixture(x, error, y).mean() < expected - 8 * told.std() / np.sqrt(n)
    exact = scores.crps_ensemble(x, y, mirrored=True)
    np.testing.assert_allclose(scores.crps_mixture(x, 0.0, y, mirrored=True), exact, rtol=1e-9, atol=1e-12)


def test_one_mirrored_pair_has_no_fair_score() -> None:
    with pytest.raises(ValueError, match=r"mirrored members \(2\) have a fair score only, of 3 or more"):
        scores.crps_ensemble(np.zeros((2, 4)), np.zeros(4), mirrored=True)
    with pytest.raises(ValueError, match="have a fair score only"):
        scores.crps_mixture(np.zeros((4, 4)), 1.0, np.zeros(4), fair=False, mirrored=True)
