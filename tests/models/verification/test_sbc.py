"""Ranks of truths are uniform for the exact posterior of a Gaussian, and are not for a wrong one."""

import numpy as np

from models.verification.sbc import bins_for, calibration, together

WINDOWS, MEMBERS = 2000, 9


def trial(spread: float, shift: float = 0.0) -> dict[str, float]:
    """x ~ N(0, 1), y = x + e: x | y ~ N(y / 2, 1 / 2); members of spread and mean as told."""
    generator = np.random.default_rng(0)
    x = generator.standard_normal(WINDOWS)
    y = x + generator.standard_normal(WINDOWS)
    noise = generator.standard_normal((WINDOWS, MEMBERS))
    members = y[:, None] / 2 + shift + spread * 0.5**0.5 * noise
    return calibration({"x": (members, x)}, generator)


def test_the_exact_posterior_passes() -> None:
    found = trial(1.0)
    assert found["p"] > 0.01
    assert abs(found["functions"]["x"]["spread"] - 1) < 0.05  # type: ignore[index]


def test_a_posterior_too_narrow_or_shifted_is_convicted() -> None:
    assert trial(0.8)["p"] < 1e-6
    shifted = trial(1.0, shift=0.2)
    assert shifted["p"] < 1e-6
    assert shifted["functions"]["x"]["bias"] < -3  # type: ignore[index]


def test_bins_hold_whole_ranks_and_ten_windows_each() -> None:
    assert (bins_for(2000, 9), bins_for(50, 9), bins_for(10, 9)) == (10, 5, 2)


def test_the_least_p_counts_as_often_as_there_are_tests() -> None:
    assert together([0.5, 0.01]) == 0.02
    assert together([0.9, 0.8]) == 1.0
