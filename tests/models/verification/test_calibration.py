"""Calibration measures must be exact for calibrated ensembles of any size, and see those that are not."""

import numpy as np
import pytest

from models.verification import calibration as cal


def _ensemble(n: int, size: int, spread: float = 1.0, error: float = 0.0, seed: int = 0):
    g = np.random.default_rng(seed)
    centre = g.normal(size=n)
    members = centre + spread * g.normal(size=(size, n))
    return members, centre + g.normal(size=n) + error * g.normal(size=n)


@pytest.mark.parametrize("size", [2, 7, 32])
@pytest.mark.parametrize("error", [0.0, 0.7])
@pytest.mark.parametrize("level", [0.5, 0.9])
def test_a_calibrated_ensemble_of_any_size_has_nominal_coverage(
    size: int, error: float, level: float
) -> None:
    members, y = _ensemble(20_000, size, error=error)
    covered = cal.coverage(cal.rank_probabilities(members, y, error), level)
    assert covered == pytest.approx(level, abs=4 * np.sqrt(level * (1 - level) / 20_000))


def test_uniform_ranks_give_exactly_nominal_coverage() -> None:
    for size in (1, 4, 9):
        for level in (0.3, 0.5, 0.9):
            assert cal.coverage(np.eye(size + 1), level) == pytest.approx(level, abs=1e-14)


def test_the_outermost_ranks_are_partly_inside_a_wide_interval() -> None:
    assert [cal.coverage(np.eye(4)[[r]], 0.5) for r in range(4)] == pytest.approx([0, 1, 1, 0])
    assert [cal.coverage(np.eye(4)[[r]], 0.9) for r in range(4)] == pytest.approx([0.8, 1, 1, 0.8])


def test_an_over_confident_ensemble_covers_too_little_and_has_too_little_spread() -> None:
    members, y = _ensemble(5000, 16, spread=0.5)
    ranks = cal.rank_probabilities(members, y)
    assert cal.coverage(ranks, 0.9) < 0.7
    assert cal.spread_skill(members, y) < 0.65
    counts = cal.rank_histogram(ranks, np.random.default_rng(1))
    assert counts[0] > 2 * counts[8]
    assert cal.flatness(counts)[1] < 1e-6


def test_rank_probabilities_with_error_are_the_average_over_perturbed_members() -> None:
    g = np.random.default_rng(2)
    members, y, error = g.normal(size=(4, 3)), g.normal(size=3), np.array([0.5, 1.0, 2.0])
    draws = 200_000
    perturbed = members + error * g.normal(size=(draws, 4, 3))
    ranks = (perturbed < y).sum(axis=1)
    expected = np.stack([(ranks == r).mean(axis=0) for r in range(5)], axis=1)
    np.testing.assert_allclose(cal.rank_probabilities(members, y, error), expected, atol=5e-3)


def test_ties_are_shared_and_rows_without_error_stay_exact_beside_rows_with_error() -> None:
    members = np.array([[1.0, 0.0], [1.0, 0.0], [2.0, 0.0]])
    actual = cal.rank_probabilities(members, np.array([1.0, 0.0]), np.array([0.0, 1.0]))
    np.testing.assert_allclose(actual[0], [1 / 3, 1 / 3, 1 / 3, 0])
    np.testing.assert_allclose(actual[1], np.array([1, 3, 3, 1]) / 8)


def test_gaussian_coverage_and_spread_skill_of_an_honest_gaussian() -> None:
    g = np.random.default_rng(3)
    mean, std = g.normal(size=20_000), g.uniform(0.5, 2, size=20_000)
    y = mean + std * g.normal(size=20_000)
    assert cal.coverage_gaussian(mean, std, y, 0.9) == pytest.approx(0.9, abs=0.01)
    assert cal.spread_skill_gaussian(mean, std, y) == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("size", [3, 20])
def test_spread_skill_of_a_calibrated_ensemble_is_one_however_few_members(size: int) -> None:
    members, y = _ensemble(40_000, size, error=0.6)
    assert cal.spread_skill(members, y, 0.6) == pytest.approx(1, abs=0.015)


def test_the_rank_histogram_counts_every_observation_once_and_is_flat_for_a_calibrated_ensemble() -> None:
    members, y = _ensemble(5000, 9, error=0.5)
    ranks = cal.rank_probabilities(members, y, 0.5)
    for bins in (None, 4, 7):
        counts = cal.rank_histogram(ranks, np.random.default_rng(4), bins)
        assert counts.sum() == 5000 and counts.size == (bins or 10)
        assert cal.flatness(counts)[1] > 1e-3


def test_reliability_gives_the_frequency_of_the_event_per_stated_probability() -> None:
    diagram = cal.reliability([0.1, 0.12, 0.95, 1.0], [False, True, True, True], bins=10)
    np.testing.assert_allclose(diagram["forecast"], [0.11, 0.975])
    assert diagram["observed"] == [0.5, 1.0] and diagram["count"] == [2, 2]


def test_members_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        cal.rank_probabilities(np.array([[np.nan], [1.0]]), np.zeros(1))


def _mirrored(n: int, size: int, common: float, error: float):
    """Pairs of variance 1, `common` of which has no sign."""
    g = np.random.default_rng(5)
    even, odd = (w**0.5 * g.normal(size=((size + 1) // 2, n)) for w in (common, 1 - common))
    members = np.stack([even + odd, even - odd], axis=1).reshape(-1, n)[:size]
    return members, g.normal(size=n) + error * g.normal(size=n)


@pytest.mark.parametrize(("size", "common"), [(3, 0.0), (6, 0.0), (6, 0.4), (7, 0.2)])
@pytest.mark.parametrize("error", [0.0, 0.7])
def test_mirrored_members_are_as_honest_as_draws(size: int, common: float, error: float) -> None:
    members, y = _mirrored(40_000, size, common, error)
    assert cal.spread_skill(members, y, error, mirrored=True) == pytest.approx(1, abs=0.015)
    ranks = cal.rank_probabilities(members, y, error, mirrored=True)
    assert ranks.shape == (40_000, (size + 1) // 2 + 1)
    np.testing.assert_allclose(ranks.sum(axis=1), 1)
    for level in (0.5, 0.9):
        assert cal.coverage(ranks, level) == pytest.approx(level, abs=0.01)


def test_mirrored_members_taken_for_independent_would_seem_too_wide() -> None:
    members, y = _mirrored(40_000, 4, 0.0, 0.0)
    assert cal.spread_skill(members, y) > 1.2
    assert cal.coverage(cal.rank_probabilities(members, y), 0.5) > 0.53


def test_one_mirrored_pair_has_no_spread() -> None:
    with pytest.raises(ValueError, match=r"mirrored members \(2\) are too few"):
        cal.spread_skill(np.zeros((2, 4)), np.zeros(4), mirrored=True)
