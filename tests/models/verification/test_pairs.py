"""What of mirrored members is independent, by hand and on average."""

import numpy as np
import pytest

from models.verification.pairs import independent, samples, spread, variances


@pytest.mark.parametrize(
    ("count", "mirrored", "expected"), [(4, False, 12), (4, True, 8), (5, True, 16), (2, True, 0)]
)
def test_members_of_different_pairs_are_independent(count: int, mirrored: bool, expected: int) -> None:
    assert independent(count, mirrored) == expected


def test_a_sample_has_one_of_each_pair_and_the_last_of_an_odd_number_is_of_both() -> None:
    assert [s.tolist() for s in samples(np.arange(5), True)] == [[0, 2, 4], [1, 3, 4]]
    assert [s.tolist() for s in samples(np.arange(4), True)] == [[0, 2], [1, 3]]
    assert [s.tolist() for s in samples(np.arange(3), False)] == [[0, 1, 2]]


def test_independent_members_have_the_variances_that_everybody_knows() -> None:
    x = np.random.default_rng(1).normal(size=(5, 3))
    variance, off = variances(x, mirrored=False)
    np.testing.assert_allclose(variance, x.var(axis=0, ddof=1))
    np.testing.assert_allclose(off, x.var(axis=0, ddof=1) / 5)


def test_pairs_that_differ_in_sign_alone_have_an_exact_mean() -> None:
    """Of 3, -3, 1 and -1 the members of different pairs differ by 2, 4, 4 and 2."""
    variance, off = variances(np.array([3.0, -3.0, 1.0, -1.0]), mirrored=True)
    assert (float(variance), float(off)) == pytest.approx(((4 + 16 + 16 + 4) / 8, 0))


@pytest.mark.parametrize("members", [3, 4, 9])
@pytest.mark.parametrize("common", [0.0, 0.3, 1.0])
def test_variances_are_right_on_average(members: int, common: float) -> None:
    g = np.random.default_rng(2)
    n = 100_000
    even, odd = (w**0.5 * g.normal(size=((members + 1) // 2, n)) for w in (common, 1 - common))
    x = np.stack([even + odd, even - odd], axis=1).reshape(-1, n)[:members]
    variance, off = variances(x, mirrored=True)
    assert variance.mean() == pytest.approx(1, abs=0.02)
    assert off.mean() == pytest.approx(x.mean(axis=0).var(), abs=0.02)


@pytest.mark.parametrize(("members", "mirrored"), [(1, False), (2, True)])
def test_too_few_members_have_no_spread(members: int, mirrored: bool) -> None:
    with pytest.raises(ValueError, match=f"\\({members}\\) are too few for a spread"):
        variances(np.zeros((members, 2)), mirrored)


def test_the_spread_is_that_of_independent_members_where_there_are_any() -> None:
    assert spread(np.array([[3.0], [-3.0], [1.0], [-1.0]])) == pytest.approx(np.sqrt(5))
    assert spread(np.array([[3.0], [-3.0]])) == pytest.approx(np.sqrt(18))
    assert spread(np.array([[3.0]])) == 0


def test_members_that_are_alike_have_no_spread_rather_than_none_that_is_a_number() -> None:
    alike = np.repeat(np.random.default_rng(0).normal(1e5, 1e3, size=(1, 1000)), 7, axis=0)
    assert (spread(alike) < 1e-3).all()
