"""Scores of fields: every cell by its area, squares before roots."""

import numpy as np
import pytest

from models.verification.field_scores import FieldScores, summary
from models.verification.scores import crps_ensemble

WEIGHTS = np.array([[0.5], [1.5]])


def case(seed: int, members: int = 5, scale: float = 1.0) -> tuple[FieldScores, np.ndarray, np.ndarray]:
    draws = np.random.default_rng(seed).standard_normal((members + 1, 3, 2, 400))
    ensemble, truth = draws[1:], scale * draws[0]
    return FieldScores.of(ensemble, truth, WEIGHTS), ensemble, truth


def test_a_row_of_three_times_the_area_counts_three_times():
    scores, ensemble, truth = case(0)
    square = ((ensemble.mean(0) - truth) ** 2).mean(-1)
    np.testing.assert_allclose(scores.square, (square[:, 0] + 3 * square[:, 1]) / 4)
    crps = crps_ensemble(ensemble, truth).mean(-1)
    np.testing.assert_allclose(scores.crps, (crps[:, 0] + 3 * crps[:, 1]) / 4)
    np.testing.assert_allclose(scores.ranks.sum(-1), 1)


def test_an_honest_ensemble_of_five_is_found_honest():
    found = summary([case(seed)[0] for seed in range(20)], ["a", "b", "c"])["b"]
    assert found["spread_skill"] == pytest.approx(1, abs=0.03)
    assert found["coverage50"] == pytest.approx(0.5, abs=0.02)
    assert found["coverage90"] == pytest.approx(0.9, abs=0.02)
    assert found["rmse"] == pytest.approx(np.sqrt(1.2), abs=0.03)


def test_one_that_errs_twice_as_far_as_it_says_is_not():
    found = summary([case(seed, scale=2.0)[0] for seed in range(5)], ["a", "b", "c"])["a"]
    assert found["spread_skill"] < 0.6 and found["coverage90"] < 0.85


def test_members_that_all_are_the_truth_are_as_far_off_as_they_say():
    nothing = FieldScores.of(np.zeros((3, 1, 2, 4)), np.zeros((1, 2, 4)), WEIGHTS)
    found = summary([nothing, nothing], ["q25"])["q25"]
    assert found["spread_skill"] == 1 and found["rmse"] == found["crps"] == 0


def test_the_root_is_taken_of_the_mean_of_all_cases():
    small, large = case(0)[0], case(1, scale=5.0)[0]
    found = summary([small, large], ["a", "b", "c"])["c"]["rmse"]
    assert found == pytest.approx(np.sqrt((small.square[2] + large.square[2]) / 2))


def pairs(seed: int, members: int, common: float) -> np.ndarray:
    """A truth and members of variance 1, `common` of which has no sign: (1 + members, 3, 2, 400)."""
    rng = np.random.default_rng(seed)
    shape = (members // 2, 3, 2, 400)
    even, odd = common**0.5 * rng.standard_normal(shape), (1 - common) ** 0.5 * rng.standard_normal(shape)
    mirrored = np.stack([even + odd, even - odd], axis=1).reshape(members, *shape[1:])
    return np.concatenate([rng.standard_normal((1, *shape[1:])), mirrored])


@pytest.mark.parametrize(("members", "common"), [(4, 0.0), (8, 0.0), (8, 0.4)])
def test_mirrored_pairs_are_scored_as_the_draws_that_they_are(members: int, common: float):
    """Spread, CRPS and coverage of N(0, 1); the mean is off by what pairs have in common only."""
    draws = [pairs(seed, members, common) for seed in range(40)]
    found = summary([FieldScores.of(d[1:], d[0], WEIGHTS, mirrored=True) for d in draws], ["a", "b", "c"])[
        "a"
    ]
    assert found["rmse"] == pytest.approx(np.sqrt(1 + common / (members / 2)), abs=0.02)
    assert found["spread"] == pytest.approx(1, abs=0.02)
    assert found["spread_skill"] == pytest.approx(1, abs=0.02)
    assert found["crps"] == pytest.approx(1 / np.sqrt(np.pi), abs=0.01)
    assert found["coverage50"] == pytest.approx(0.5, abs=0.02)
    assert found["coverage90"] == pytest.approx(0.9, abs=0.02)


def test_pairs_taken_for_independent_would_look_better_than_they_are():
    d = np.concatenate([pairs(seed, 4, 0.0) for seed in range(40)], axis=-1)
    taken, told = (FieldScores.of(d[1:], d[0], WEIGHTS, mirrored=m) for m in (False, True))
    assert (taken.crps < 0.9 * told.crps).all()
