"""Observations with gross errors are found and hardly believed; others are believed as before."""

import dataclasses

import pytest
import torch

from models.posterior.gaussian import LinearObservations
from models.posterior.robust import Huber, VarQC, believed, departures
from models.testing.linear import ring

BAD = [5, 20]  # stations that are wrong
ZERO = torch.zeros(3, 1, 1, 32)


@pytest.fixture(scope="module")
def good() -> LinearObservations:
    oracle = ring(states=3, points=32, rank=90)
    return LinearObservations(
        oracle.value, oracle.error, torch.zeros_like(oracle.value), oracle.climatology, oracle.jacobian
    )


@pytest.fixture(scope="module")
def spoiled(good: LinearObservations) -> LinearObservations:
    value = good.value.clone()
    value[BAD] += 3.0  # climatological standard deviations
    return dataclasses.replace(good, value=value)


def without(seen: LinearObservations) -> LinearObservations:
    return seen.part(torch.tensor([i for i in range(len(seen.value)) if i not in BAD]))


def apart(seen: LinearObservations, other: LinearObservations) -> float:
    return float((seen.mean(ZERO) - other.mean(ZERO)).square().mean().sqrt())


def test_departures_are_those_from_an_analysis_without_the_observation(good: LinearObservations) -> None:
    found, variance = departures(good, torch.ones_like(good.error))
    for i in (0, 17):
        others = good.part(torch.arange(len(good.value)) != i)
        mean, std = others.predict(good.background[[i]], good.jacobian[[i]])
        expected = (good.value[i] - mean) / torch.hypot(std, good.error[i])
        assert abs(float(found[i] - expected)) < 1e-3
        assert abs(float(variance[i].sqrt() / torch.hypot(std, good.error[i]) - 1)) < 1e-3


def test_one_report_and_its_weight_move_the_analysis_as_the_mixture_does() -> None:
    """Scalar z ~ N(0, B), y = z + e, e ~ (1 - A) N(0, r) + A uniform: E[z|y] = (1 - P) B / (B + r) y."""
    oracle = ring(states=3, points=32, rank=90)
    one = LinearObservations(
        oracle.value[:1], oracle.error[:1], oracle.value[:1] * 0, oracle.climatology, oracle.jacobian[:1]
    )
    for departure in (0.5, 2.0, 3.2):
        scale = torch.hypot(one.variance().sqrt(), one.error)
        seen = dataclasses.replace(one, value=departure * scale)
        doubted, found = believed(seen, VarQC())
        share = 1 - VarQC().gross_error(torch.tensor(departure, dtype=torch.float64))
        assert abs(float(found[0]) - departure) < 1e-3
        assert torch.allclose(doubted.mean(ZERO), (share * seen.mean(ZERO)).float(), rtol=1e-2, atol=1e-4)


def test_wrong_observations_are_as_good_as_not_there(spoiled: LinearObservations) -> None:
    likelihood = VarQC()
    doubted, found = believed(spoiled, likelihood)
    probability = likelihood.gross_error(found)
    assert (probability[BAD] > 0.99).all()
    exact = without(spoiled)
    assert apart(doubted, exact) < 0.1 * apart(spoiled, exact)
    hubered, _ = believed(spoiled, Huber())
    assert apart(hubered, exact) < 0.8 * apart(spoiled, exact)


def test_good_observations_are_believed_as_before(good: LinearObservations) -> None:
    doubted, found = believed(good, VarQC())
    assert float(VarQC().gross_error(found).mean()) < 0.06
    assert apart(doubted, good) < 0.05
    assert believed(good.part(torch.arange(0)), VarQC())[1].shape == (0,)


def test_weights_are_those_of_the_papers() -> None:
    departure = torch.tensor([0.0, 1.0, 3.0, -6.0, 100.0])
    assert torch.allclose(Huber(1.5).weight(departure), torch.tensor([1.0, 1.0, 0.5, 0.25, 0.015]))
    probability = VarQC(0.1, 5.0).gross_error(departure.double())
    gaussian = torch.distributions.Normal(0.0, 1.0).log_prob(departure).exp().double()
    assert torch.allclose(probability, 0.1 * 0.1 / (0.1 * 0.1 + 0.9 * gaussian), atol=1e-6)
