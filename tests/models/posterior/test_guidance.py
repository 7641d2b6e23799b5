"""One guided denoising step against the closed form, with a right and a wrong preconditioner."""

import dataclasses

import pandas as pd
import pytest
import torch
from torch import Tensor

from models.analysis import Analysis
from models.osse import example_network, observe
from models.posterior.guidance import GuidedDenoiser
from models.testing import gaussian_prior

SIGMA = 0.7


@pytest.fixture(scope="module")
def analysis() -> Analysis:
    return Analysis(gaussian_prior(), pd.date_range("2019-02-17T12:00Z", periods=2, freq="24h"))


@pytest.fixture(scope="module")
def table(analysis: Analysis) -> pd.DataFrame:
    mean = analysis.prior.climatology.mean(analysis.year_fraction)
    states = analysis.prior.decode(mean).numpy()
    return observe(analysis, example_network(analysis.prior.card), states, seed=0)


@pytest.fixture(scope="module")
def noisy(analysis: Analysis) -> Tensor:
    mean = analysis.prior.climatology.mean(analysis.year_fraction)
    return mean + 2 * torch.randn(3, *mean.shape, generator=torch.Generator().manual_seed(0))


def exact(analysis: Analysis, table: pd.DataFrame, z: Tensor) -> Tensor:
    """E[z | z_sigma, y] with dense matrices."""
    climate, seen = analysis.prior.climatology, analysis.linear(table)
    mean = climate.mean(analysis.year_fraction)
    denoised = climate.denoise(z, torch.tensor(SIGMA), mean).flatten(1).double()
    size, jacobian = denoised.shape[1], seen.jacobian
    identity = torch.eye(size).reshape(size, *climate.shape)
    left = climate.apply(lambda c: c * SIGMA**2 / (c + SIGMA**2), identity).flatten(1).double()
    bracket = jacobian @ left @ jacobian.T + torch.diag(seen.error**2)
    misfit = seen.value - seen.background - (denoised - mean.flatten().double()) @ jacobian.T
    return (denoised + torch.linalg.solve(bracket, misfit.T).T @ jacobian @ left).reshape(z.shape)


def error(analysis: Analysis, table: pd.DataFrame, z: Tensor, iterations: int, *, wrong: float) -> float:
    """RMS error of the guided step; the preconditioner's covariance is off by the factor `wrong`."""
    climate = gaussian_prior().climatology
    climate.variances *= wrong
    climate.floor *= wrong
    seen = dataclasses.replace(analysis.linear(table), climatology=climate)
    guided = GuidedDenoiser(
        analysis.prior, analysis.operator(table), seen, analysis.year_fraction, iterations
    )
    return float((guided(z, SIGMA)[0] - exact(analysis, table, z)).square().mean().sqrt())


def test_with_the_right_covariance_one_iteration_is_exact(
    analysis: Analysis, table: pd.DataFrame, noisy: Tensor
) -> None:
    assert error(analysis, table, noisy, 1, wrong=1.0) < 1e-3


def test_a_wrong_covariance_is_overcome_by_iterations(
    analysis: Analysis, table: pd.DataFrame, noisy: Tensor
) -> None:
    errors = [error(analysis, table, noisy, k, wrong=3.0) for k in (1, 2, 4, 8)]
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > 1e-2 and errors[-1] < 0.1 * errors[0]
