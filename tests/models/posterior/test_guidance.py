"""One guided denoising step against the closed form, with a right and a wrong preconditioner."""

import dataclasses
from typing import Any

import pandas as pd
import pytest
import torch
from torch import Tensor

from models.analysis import Analysis
from models.osse import example_network, observe
from models.posterior.guidance import OVERSHOOT, Diagonal, GaussianSolve, MomentMatching
from models.posterior.posterior import Posterior
from models.posterior.sampler import Preset
from models.testing.toy import gaussian_prior

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
    size, jacobian = denoised.shape[1], seen.rows
    identity = torch.eye(size).reshape(size, *climate.shape)
    left = climate.apply(lambda c: c * SIGMA**2 / (c + SIGMA**2), identity).flatten(1).double()
    bracket = jacobian @ left @ jacobian.T + torch.diag(seen.error**2)
    misfit = seen.value - seen.background - (denoised - mean.flatten().double()) @ jacobian.T
    return (denoised + torch.linalg.solve(bracket, misfit.T).T @ jacobian @ left).reshape(z.shape)


def with_wrong_covariance(analysis: Analysis, table: pd.DataFrame, wrong: float) -> Posterior:
    """The posterior, but with a Climatology whose covariance is off by the factor `wrong`."""
    climate = gaussian_prior().climatology
    climate.variances *= wrong
    climate.floor *= wrong
    posterior = analysis.posterior(table)
    return dataclasses.replace(
        posterior, gaussian=dataclasses.replace(posterior.gaussian, climatology=climate)
    )


def error(analysis: Analysis, table: pd.DataFrame, z: Tensor, iterations: int, *, wrong: float) -> float:
    """RMS error of the guided step."""
    posterior = with_wrong_covariance(analysis, table, wrong)
    guided = MomentMatching(iterations)(posterior, z, SIGMA)
    return float((guided.mean - exact(analysis, table, z)).square().mean().sqrt())


def test_with_the_right_covariance_one_iteration_and_the_gaussian_solve_are_exact(
    analysis: Analysis, table: pd.DataFrame, noisy: Tensor
) -> None:
    assert error(analysis, table, noisy, 1, wrong=1.0) < 1e-3
    alone = GaussianSolve()(analysis.posterior(table), noisy, SIGMA).mean
    assert float((alone - exact(analysis, table, noisy)).abs().max()) < 1e-2


def test_a_wrong_covariance_is_overcome_by_iterations_and_the_residual_says_so(
    analysis: Analysis, table: pd.DataFrame, noisy: Tensor
) -> None:
    errors = [error(analysis, table, noisy, k, wrong=3.0) for k in (1, 2, 4, 8)]
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > 1e-2 and errors[-1] < 0.1 * errors[0]
    posterior = with_wrong_covariance(analysis, table, 3.0)
    residuals = [MomentMatching(k)(posterior, noisy, SIGMA).residual or 0.0 for k in (1, 2, 4, 8)]
    assert residuals == sorted(residuals, reverse=True) and residuals[0] > 0.1


def test_the_last_weights_are_as_good_as_iterations(
    analysis: Analysis, table: pd.DataFrame, noisy: Tensor
) -> None:
    posterior = with_wrong_covariance(analysis, table, 3.0)
    before = MomentMatching(6)(posterior, noisy, 1.1 * SIGMA).weights
    cold, warm = (
        MomentMatching(1, warm)(posterior, noisy, SIGMA, before).residual or 0.0 for warm in (False, True)
    )
    assert warm < 0.5 * cold


def test_a_member_goes_on_until_its_residual_is_small_enough_and_no_further(
    analysis: Analysis, table: pd.DataFrame, noisy: Tensor
) -> None:
    posterior = with_wrong_covariance(analysis, table, 3.0)
    each = [[MomentMatching(k)(posterior, z[None], SIGMA) for k in (1, 2, 3, 4)] for z in noisy]
    tolerance = 1.001 * (each[0][1].residual or 0.0)
    guided = MomentMatching(4, tolerance=tolerance)(posterior, noisy, SIGMA)
    for own, mean in zip(each, guided.mean, strict=True):
        enough = next(g for g in own if (g.residual or 0.0) <= tolerance)
        torch.testing.assert_close(mean, enough.mean[0], rtol=1e-4, atol=1e-4)
    assert (guided.residual or 0.0) <= tolerance


def test_the_diagonal_is_only_an_approximation(
    analysis: Analysis, table: pd.DataFrame, noisy: Tensor
) -> None:
    posterior = analysis.posterior(table)
    off = Diagonal(1.0)(posterior, noisy, SIGMA).mean - exact(analysis, table, noisy)
    assert float(off.square().mean().sqrt()) > 10 * error(analysis, table, noisy, 1, wrong=1.0)


def test_a_solve_ahead_of_the_noise_level_lets_observations_count_more(
    analysis: Analysis, table: pd.DataFrame, noisy: Tensor
) -> None:
    posterior = analysis.posterior(table)

    def moved(ahead: float) -> float:
        guided = GaussianSolve(ahead)(posterior, noisy, SIGMA)
        return float((guided.mean - guided.unguided).square().mean())

    assert moved(0.25) > moved(0.5) > moved(1.0)
    assert Preset(8, 1.0, 0.1, True, iterations=0, ahead=0.5).guidance == GaussianSolve(0.5)


def test_ahead_accurate_observations_are_not_overshot_without_bound(
    analysis: Analysis, table: pd.DataFrame, noisy: Tensor
) -> None:
    posterior = analysis.posterior(table.assign(error=1e-3 * table["error"]))
    low = 0.05

    def misfit(z: Tensor) -> float:
        seen = posterior.gaussian
        return float(((posterior.observe(z) - seen.value) / seen.error).square().mean())

    guided = GaussianSolve(0.1)(posterior, noisy, low)
    assert misfit(guided.mean) < OVERSHOOT**2 * misfit(guided.unguided)
    assert guided.chi2 is None


@pytest.mark.parametrize(
    ("wrong", "settings"),
    [
        ("iterations", {"iterations": 1, "ahead": 0.5}),
        ("warm", {"iterations": 0, "warm": True}),
        ("tolerance", {"iterations": 0, "tolerance": 0.1}),
        ("delta", {"delta": 1.5}),
        ("ahead", {"iterations": 0, "ahead": 0.0}),
        ("loudness", {"stochastic": False, "loudness": 1.1}),
        ("loudness", {"particles": 4, "loudness": 1.1}),
        ("loudness", {"loudness": 0.0}),
    ],
)
def test_settings_that_exclude_each_other_are_refused(wrong: str, settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=wrong):
        Preset(8, 1.0, 0.1, **{"stochastic": True, **settings})
