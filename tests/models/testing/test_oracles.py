"""The oracles themselves, checked by another way to the same numbers: sampling the prior and weighing."""

import pandas as pd
import torch

from models.posterior.noise import CounterNoise
from models.posterior.sampler import Preset, sample
from models.testing.counted import counted
from models.testing.linear import ring
from models.testing.mixture import MixtureOracle, mixture


def prior_sample(oracle: MixtureOracle, count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    chosen = torch.multinomial(oracle.weights, count, replacement=True, generator=generator)
    factors = torch.linalg.cholesky(oracle.covariances)
    white = torch.randn(count, oracle.means.shape[1], generator=generator, dtype=torch.float64)
    return oracle.means[chosen] + torch.einsum("nij,nj->ni", factors[chosen], white)


def weighed(z: torch.Tensor, log_weight: torch.Tensor) -> torch.Tensor:
    return torch.softmax(log_weight, 0) @ z


def test_the_posterior_of_a_mixture_is_that_of_importance_sampling() -> None:
    oracle = mixture(size=4, modes=3, observed=2, error=0.5)
    z = prior_sample(oracle, 200_000)
    log = -0.5 * (((oracle.value - z @ oracle.jacobian.T) / oracle.error) ** 2).sum(-1)
    mean, std = oracle.moments()
    expected = weighed(z, log)
    assert torch.allclose(mean, expected, atol=0.03)
    assert torch.allclose(std, (weighed(z**2, log) - expected**2).sqrt(), atol=0.03)


def test_the_denoiser_of_a_mixture_is_that_of_importance_sampling() -> None:
    oracle, sigma = mixture(size=4, modes=3), 0.8
    z = prior_sample(oracle, 200_000)
    noisy = torch.tensor([0.5, -0.3, 0.2, 0.9], dtype=torch.float64)
    log = -0.5 * ((noisy - z) ** 2).sum(-1) / sigma**2
    denoised = oracle.posterior().denoiser(noisy.reshape(1, 1, 1, 1, 4).float(), sigma)
    assert torch.allclose(denoised.flatten().double(), weighed(z, log), atol=0.03)


def test_samples_of_a_mixture_are_counted_to_their_modes() -> None:
    oracle = mixture()
    modes, generator = oracle.posterior_modes, torch.Generator().manual_seed(1)
    chosen = torch.multinomial(oracle.posterior_weights, 4000, replacement=True, generator=generator)
    white = torch.randn(4000, 32, generator=generator, dtype=torch.float64)
    z = modes.mean[chosen] + torch.einsum("nij,nj->ni", modes.scale_tril[chosen], white)
    assert float((oracle.share(z) - oracle.posterior_weights).abs().sum() / 2) < 0.02


def test_the_posterior_of_a_ring_is_the_one_by_information() -> None:
    """(C^-1 + H^T R^-1 H)^-1, where the oracle uses the gain."""
    oracle = ring(states=3, points=16, rank=12)
    precision = torch.linalg.inv(oracle.covariance) + oracle.jacobian.T @ (
        oracle.jacobian / oracle.error[:, None] ** 2
    )
    covariance = torch.linalg.inv(precision)
    assert torch.allclose(oracle.posterior_covariance, covariance, atol=1e-6)
    assert torch.allclose(
        oracle.mean, covariance @ oracle.jacobian.T @ (oracle.value / oracle.error**2), atol=1e-4
    )


def test_the_denoiser_of_a_ring_is_exact_although_its_climatology_is_not() -> None:
    oracle, sigma = ring(states=3, points=16, rank=12), 0.4
    posterior = oracle.posterior()
    z = torch.randn(2, *oracle.climatology.shape, generator=torch.Generator().manual_seed(0))
    identity = torch.eye(48, dtype=torch.float64)
    exact = (
        z.flatten(1).double() @ oracle.covariance @ torch.linalg.inv(oracle.covariance + sigma**2 * identity)
    )
    assert torch.allclose(posterior.denoiser(z, sigma).flatten(1).double(), exact, atol=1e-5)
    rough = oracle.climatology.apply(lambda c: c / (c + sigma**2), z).flatten(1)
    assert float((rough - exact).abs().max()) > 0.05


def test_evaluations_and_products_are_counted_per_member() -> None:
    oracle = ring(states=3, points=16, rank=12)
    posterior, cost = counted(oracle.posterior(), 4)
    times = pd.date_range("2000-01-01", periods=3, freq="6h", tz="UTC")
    preset = Preset(5, 10.0, 0.1, stochastic=False, iterations=2, warm=True)
    sample(posterior, preset, CounterNoise(0, range(4), times))
    assert (cost.forward, cost.backward, cost.total) == (5, 2 + 4 * 3, 33)
