"""States that are given beside reports, against the same rows in a dense matrix."""

import dataclasses

import pandas as pd
import pytest
import torch

from models.analysis import Analysis
from models.osse import example_network, observe
from models.posterior.gaussian import LinearObservations
from models.posterior.given import GivenState, exactly, given
from models.posterior.guidance import MomentMatching
from models.posterior.linearise import by_action
from models.posterior.posterior import Posterior
from models.testing.toy import gaussian_prior

TIMES = pd.date_range("2019-02-17T12:00Z", periods=2, freq="24h")
SIGMA, MEMBERS = 0.7, 3


@pytest.fixture(scope="module")
def analysis() -> Analysis:
    return Analysis(gaussian_prior(rank=110), TIMES)


def noise(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def reports(analysis: Analysis) -> tuple[LinearObservations, Posterior]:
    """Dense, and the posterior of the same ones by action."""
    states = analysis.prior.decode(analysis.mean).numpy()
    table = observe(analysis, example_network(analysis.prior.card), states, seed=0)
    dense, posterior = analysis.dense(table), analysis.posterior(table)
    many = by_action(analysis.prior, analysis.operator(table), analysis.mean, dense.value, dense.error)
    return dense, dataclasses.replace(posterior, gaussian=many)


def test_a_guided_step_is_that_of_reports_and_latents_in_one_matrix(
    analysis: Analysis, reports: tuple[LinearObservations, Posterior]
) -> None:
    dense, posterior = reports
    length, *shape = analysis.mean.shape
    wanted, error = analysis.mean[1] + noise(MEMBERS, *shape, seed=2), torch.full(tuple(shape), 0.5)
    both = given(posterior, [GivenState(1, wanted, error)], MEMBERS)
    z = analysis.mean + 2 * noise(MEMBERS, *analysis.mean.shape)
    found = MomentMatching(8)(both, z, SIGMA)

    size = error.numel()
    rows = torch.zeros(size, length * size, dtype=torch.float64)
    rows[:, size : 2 * size] = torch.eye(size)
    matrix = torch.cat([dense.rows, rows])
    covariance = analysis.prior.climatology
    for member in range(MEMBERS):
        denoised = covariance.denoise(z[member][None], torch.tensor(SIGMA), analysis.mean)[0]
        misfit = torch.cat(
            [
                dense.value - dense.background - dense.push((denoised - analysis.mean)[None])[0],
                (wanted[member] - denoised[1]).flatten().double(),
            ]
        )
        left = covariance.apply(lambda c: c * SIGMA**2 / (c + SIGMA**2), matrix.reshape(-1, *z.shape[1:]))
        bracket = matrix @ left.flatten(1).double().T
        bracket += torch.diag(torch.cat([dense.error, error.flatten().double()]) ** 2)
        step = torch.linalg.solve(bracket, misfit) @ left.flatten(1).double()
        expected = denoised + step.reshape(denoised.shape)
        assert float((found.mean[member] - expected).abs().max()) < 2e-2


def test_nothing_given_changes_nothing(reports: tuple[LinearObservations, Posterior]) -> None:
    assert given(reports[1], [], MEMBERS) is reports[1]


def test_a_dense_matrix_takes_no_states(
    analysis: Analysis, reports: tuple[LinearObservations, Posterior]
) -> None:
    dense = dataclasses.replace(reports[1], gaussian=reports[0])
    with pytest.raises(TypeError, match="by action only"):
        given(dense, [exactly(analysis.mean[:1], 0, 0.1)], 1)


def test_marginal_variances_are_the_diagonal_of_the_covariance(analysis: Analysis) -> None:
    climatology = analysis.prior.climatology
    size = analysis.mean[0].numel()
    unit = torch.zeros(len(range(0, size, 7)), *climatology.shape)
    unit[:, 1] = torch.eye(size)[::7].reshape(-1, *climatology.shape[1:])
    expected = (unit * climatology.apply(lambda c: c, unit)).flatten(1).sum(1)
    torch.testing.assert_close(expected, climatology.marginal(1).flatten()[::7], rtol=1e-4, atol=1e-6)
