"""The ensemble filter against the Kalman filter, and what is special about it."""

import numpy as np
import pytest
import torch

from models.ensemble.letkf import Tuning, analyse

EVERYWHERE = 1e9


def a_problem(members: int = 12) -> dict[str, np.ndarray]:
    """Three fields on four columns, five observations, each of one field in one column."""
    rng = np.random.default_rng(0)
    ensemble = rng.standard_normal((members, 3, 4)) + 2
    where = np.array([0, 5, 7, 7, 10])
    return {
        "ensemble": ensemble,
        "predicted": ensemble.reshape(members, -1)[:, where],
        "value": rng.standard_normal(5) + 2,
        "error": np.array([0.5, 0.2, 1.0, 0.3, 0.7]),
        "distance": np.abs(rng.standard_normal((4, 5))) * 100,
        "where": where,
    }


def analysed(
    problem: dict[str, np.ndarray], length: float = EVERYWHERE, relaxation: float = 0.0
) -> np.ndarray:
    known = {k: torch.from_numpy(v) for k, v in problem.items() if k != "where"}
    return analyse(**known, tuning=Tuning(length, relaxation)).numpy()


def test_without_localisation_it_is_the_kalman_filter():
    problem = a_problem()
    after = analysed(problem).reshape(12, -1)
    before = problem["ensemble"].reshape(12, -1)
    covariance = np.cov(before.T)
    operator = np.eye(12)[problem["where"]]
    bracket = operator @ covariance @ operator.T + np.diag(problem["error"] ** 2)
    gain = np.linalg.solve(bracket, operator @ covariance).T
    expected = before.mean(0) + gain @ (problem["value"] - before.mean(0)[problem["where"]])
    np.testing.assert_allclose(after.mean(0), expected, atol=1e-9)
    np.testing.assert_allclose(np.cov(after.T), covariance - gain @ operator @ covariance, atol=1e-9)


def test_columns_far_from_all_observations_are_left_alone():
    problem = a_problem()
    problem["distance"][2] = 5000.0
    after = analysed(problem, length=1000.0)
    np.testing.assert_allclose(after[:, :, 2], problem["ensemble"][:, :, 2], atol=1e-12)
    assert not np.allclose(after[:, :, 1], problem["ensemble"][:, :, 1])


def test_each_column_sees_what_is_near_it():
    problem = a_problem()
    near = problem["distance"] < 100
    after = analysed(problem, length=40.0)
    for g in range(4):
        alone = {
            **{k: problem[k][..., near[g]] for k in ("predicted", "value", "error")},
            "ensemble": problem["ensemble"][:, :, [g]],
            "distance": problem["distance"][[g]][:, near[g]],
        }
        np.testing.assert_allclose(analysed(alone, length=40.0)[..., 0], after[..., g])


def test_an_observation_counts_the_less_the_farther_it_is():
    """Its error variance is divided by exp(-d^2 / 2 L^2)."""
    ensemble = torch.randn(9, 1, 1, generator=torch.Generator().manual_seed(0)).double()
    value, error, distance = (torch.tensor([x]).double() for x in (3.0, 0.7, 500.0))
    predicted, mean, variance = ensemble[:, 0], float(ensemble.mean()), float(ensemble.var())
    after = analyse(ensemble, predicted, value, error, distance[None], Tuning(500.0, 0.0))
    gain = variance / (variance + 0.7**2 * np.exp(0.5))
    assert float(after.mean()) == pytest.approx(mean + gain * (3 - mean))
    assert float(after.var()) == pytest.approx((1 - gain) * variance)


def test_many_columns_are_analysed_as_one_by_one():
    problem = a_problem()
    many = problem | {
        "ensemble": np.tile(problem["ensemble"], (1, 1, 40)),
        "distance": np.tile(problem["distance"], (40, 1)),
    }
    np.testing.assert_allclose(
        analysed(many, length=60.0), np.tile(analysed(problem, length=60.0), (1, 1, 40)), atol=1e-12
    )


@pytest.mark.parametrize("relaxation", [0.0, 0.4, 1.0])
def test_lost_spread_is_given_back(relaxation: float):
    problem = a_problem()
    after, plain = (analysed(problem, relaxation=r) for r in (relaxation, 0.0))
    spreads = [x.std(axis=0) for x in (problem["ensemble"], plain)]
    np.testing.assert_allclose(after.mean(0), plain.mean(0), atol=1e-12)
    np.testing.assert_allclose(after.std(axis=0), relaxation * spreads[0] + (1 - relaxation) * spreads[1])
