"""The oracle of instruments that are not linear: right where they are, observing what it says it does."""

import dataclasses

import torch

from models.testing.nonlinear import WIND, wind


def test_importance_sampling_agrees_with_the_closed_form_where_the_instrument_is_linear() -> None:
    oracle = wind("speed", states=2, points=16, stations=2, draws=400_000)
    oracle = dataclasses.replace(oracle, instrument=lambda w: w[..., 0])  # u itself
    jacobian = torch.zeros_like(oracle.linear.jacobian)
    jacobian[torch.arange(2), oracle.places[::2]] = 1
    linear = dataclasses.replace(oracle.linear, jacobian=jacobian, value=oracle.linear.value - WIND)
    mean, std = oracle.moments()
    assert torch.allclose(mean, linear.mean, atol=0.01)
    assert torch.allclose(std, linear.posterior_covariance.diagonal().sqrt(), atol=0.01)


def test_of_a_speed_the_side_the_wind_came_from_is_not_known() -> None:
    oracle = wind("speed", states=2, points=16, stations=1, draws=200_000)
    mean, std = oracle.moments()
    u, v = oracle.places.tolist()
    assert abs(float(mean[v])) < 0.02 < 0.1 < abs(float(mean[u]))
    assert float(std[v]) > 3 * float(oracle.linear.error)


def test_the_distance_is_small_for_the_posterior_and_large_for_the_prior() -> None:
    oracle = wind("saturating", states=2, points=16, stations=1, draws=200_000)
    s, w = oracle.weighted
    chosen = torch.multinomial(w, 2000, replacement=True, generator=torch.Generator().manual_seed(1))
    z = torch.zeros(2000, len(oracle.linear.covariance), dtype=torch.float64)
    z[:, oracle.places] = s[chosen]
    assert oracle.distance(z) < 1.95 / 2000**0.5
    z[:, oracle.places] = s[:2000]
    assert oracle.distance(z) > 0.2


def test_what_the_sampler_is_given_is_linearised_at_the_mean() -> None:
    oracle = wind("saturating", states=2, points=16, stations=2, draws=10)
    posterior, step = oracle.posterior(), 1e-3 * torch.linspace(-1, 1, 64).double().reshape(1, 2, 2, 1, 16)
    there = posterior.observe(step)
    expected = posterior.gaussian.background + posterior.gaussian.push(step)
    assert torch.allclose(there, expected, atol=1e-5)
