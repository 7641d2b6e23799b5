"""Particles correct the weights of modes, and change nothing where moment matching is right."""

import dataclasses

import pandas as pd
import pytest
import torch

from models.posterior.noise import CounterNoise
from models.posterior.sampler import Preset, sample
from models.testing.counted import counted
from models.testing.linear import ring
from models.testing.mixture import MixtureOracle, mixture


def preset(particles: int, last: float = 0.02) -> Preset:
    return Preset(20, 10.0, last, stochastic=True, iterations=1, warm=True, particles=particles)


def noise(members: range, states: int = 1) -> CounterNoise:
    times = pd.date_range("2000-01-01", periods=states, freq="6h", tz="UTC")
    return CounterNoise(3, members, times, mirrored=False)


@pytest.fixture(scope="module")
def oracle() -> MixtureOracle:
    return mixture(size=8, modes=3, observed=2, seed=2)


def distance(oracle: MixtureOracle, particles: int) -> float:
    z = sample(oracle.posterior(), preset(particles), noise(range(300))).flatten(1)
    return float((oracle.share(z) - oracle.posterior_weights).abs().sum() / 2)


def test_more_particles_bring_the_weights_of_modes_to_the_exact_ones(oracle: MixtureOracle) -> None:
    plain, corrected = distance(oracle, 1), distance(oracle, 8)
    assert plain > 0.08
    assert corrected < 0.04


def test_below_a_noise_level_a_member_goes_on_with_one_particle(oracle: MixtureOracle) -> None:
    posterior, cost = counted(oracle.posterior(), 5)
    one = dataclasses.replace(preset(4), alone=0.5, corrections=1)
    sample(posterior, one, noise(range(5)))
    above = sum(sigma >= 0.5 for sigma in one.levels)
    assert 0 < above < one.steps
    assert cost.forward == 4 * above + 2 * (one.steps - above) + 1  # at the level of the change both are


def test_a_member_alone_is_the_member_of_a_batch(oracle: MixtureOracle) -> None:
    batch = sample(oracle.posterior(), preset(4), noise(range(6)))
    alone = sample(oracle.posterior(), preset(4), noise(range(4, 5)))
    assert torch.allclose(batch[4:5], alone, atol=1e-4)
    assert not torch.allclose(batch[3:4], alone)


def test_a_gaussian_posterior_stays_what_it_is() -> None:
    exact = ring(states=3, points=16, rank=12)
    z = sample(exact.posterior(), preset(4, 0.003), noise(range(300), 3)).flatten(1).double()
    variance = exact.posterior_covariance.diagonal()
    assert float(((z.mean(0) - exact.mean).square() / variance).mean().sqrt()) < 1.6 * 300**-0.5
    assert abs(float((z.var(0) / variance).mean().sqrt()) - 1) < 0.06


def test_without_observations_every_particle_is_as_good_as_another(oracle: MixtureOracle) -> None:
    posterior = oracle.posterior()
    none = posterior.gaussian.part(torch.arange(0))
    free = dataclasses.replace(posterior, observe=lambda z: z.flatten(1)[:, :0], gaussian=none)
    assert sample(free, preset(3), noise(range(2))).shape == (2, 1, 1, 1, 8)
