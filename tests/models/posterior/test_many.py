"""Very many observations, by the action of their Jacobian, against the same ones with a dense matrix."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch

from models.analysis import Analysis
from models.osse import example_network, observe
from models.posterior.gaussian import LinearObservations
from models.posterior.guidance import MomentMatching
from models.posterior.linearise import by_action
from models.posterior.many import ManyObservations
from models.testing.toy import gaussian_prior

TIMES = pd.date_range("2019-02-17T12:00Z", periods=2, freq="24h")
SIGMA = 0.7


@pytest.fixture(scope="module")
def analysis() -> Analysis:
    return Analysis(gaussian_prior(rank=110), TIMES)


@pytest.fixture(scope="module")
def table(analysis: Analysis) -> pd.DataFrame:
    states = analysis.prior.decode(analysis.mean).numpy()
    return observe(analysis, example_network(analysis.prior.card), states, seed=0)


@pytest.fixture(scope="module")
def dense(analysis: Analysis, table: pd.DataFrame) -> LinearObservations:
    return analysis.dense(table)


@pytest.fixture(scope="module")
def many(analysis: Analysis, table: pd.DataFrame, dense: LinearObservations) -> ManyObservations:
    return by_action(analysis.prior, analysis.operator(table), analysis.mean, dense.value, dense.error)


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


def test_action_and_adjoint_are_those_of_the_matrix(
    dense: LinearObservations, many: ManyObservations
) -> None:
    a, w = noise(3, *dense.climatology.shape), noise(3, len(dense.value))
    assert torch.allclose(many.push(a).double(), dense.push(a), rtol=1e-4, atol=1e-2)
    assert torch.allclose(many.pull(w), dense.pull(w.double()), rtol=1e-4, atol=1e-2)
    assert torch.allclose(many.squares.double(), dense.squares, rtol=0.4)


def test_stations_that_report_at_any_time_have_a_row_of_the_matrix_each(
    analysis: Analysis, table: pd.DataFrame
) -> None:
    """And it does what the action does, also of what lies between two states."""
    hours = np.random.default_rng(0).uniform(0, 24, len(table))
    often = table.assign(time=TIMES[0] + pd.to_timedelta(hours, "h"))
    dense, value = analysis.dense(often), torch.zeros(len(often), dtype=torch.float64)
    many = by_action(analysis.prior, analysis.operator(often), analysis.mean, value, value + 1)
    assert len(dense.jacobian) == len(table.groupby(["station_id", "variable"]))
    a, w = noise(3, *dense.climatology.shape), noise(3, len(often))
    assert torch.allclose(many.push(a).double(), dense.push(a), rtol=1e-4, atol=1e-2)
    assert torch.allclose(many.pull(w), dense.pull(w.double()), rtol=1e-4, atol=1e-2)
    near, exact = many.among(torch.arange(len(often))), dense.covariance()
    assert float((near - exact).abs().max() / exact.diagonal().max()) < 0.1


def test_a_guided_step_is_the_same_after_a_few_iterations(
    analysis: Analysis, table: pd.DataFrame, dense: LinearObservations, many: ManyObservations
) -> None:
    posterior = analysis.posterior(table)
    z = analysis.mean + 2 * noise(3, *analysis.mean.shape)
    exact = MomentMatching(6)(posterior, z, SIGMA).mean
    guided = MomentMatching(6)(dataclasses.replace(posterior, gaussian=many), z, SIGMA)
    assert float((guided.mean - exact).abs().max()) < 2e-2
    assert (guided.residual or 0.0) < 1e-2


def test_small_scales_taken_together_save_iterations() -> None:
    """Of a dense network, where few modes hold little of what it sees; the prior is its Climatology."""
    analysis = Analysis(gaussian_prior(rank=10), TIMES)
    sparse = example_network(analysis.prior.card)
    moved = [
        sparse.assign(latitude=50 + (sparse.latitude - 50) * share, station_id=sparse.station_id + str(share))
        for share in (0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0)
    ]
    table = observe(analysis, pd.concat(moved), analysis.prior.decode(analysis.mean).numpy(), seed=0)
    posterior, z = analysis.posterior(table), analysis.mean + 2 * noise(3, *analysis.mean.shape)
    dense = analysis.dense(table)
    many = by_action(analysis.prior, analysis.operator(table), analysis.mean, dense.value, dense.error)
    left = [
        MomentMatching(2)(dataclasses.replace(posterior, gaussian=seen), z, SIGMA).residual or 0.0
        for seen in (many, dataclasses.replace(many, small=()))
    ]
    assert 0 < left[0] < 0.5 * left[1]


def test_an_observation_between_two_states_is_in_one_patch(analysis: Analysis, table: pd.DataFrame) -> None:
    between = table.assign(time=table["time"].where(table.index % 3 > 0, TIMES[0] + pd.Timedelta(hours=9)))
    value = torch.zeros(len(table), dtype=torch.float64)
    many = by_action(analysis.prior, analysis.operator(between), analysis.mean, value, value + 1)
    assert torch.cat([patch.rows for patch in many.small]).sort().values.tolist() == list(range(len(table)))
    for patch in many.small:
        torch.testing.assert_close(patch.covariance.diagonal(), many.rest[patch.rows])


def test_what_the_climatology_expects_of_them_is_near(
    dense: LinearObservations, many: ManyObservations
) -> None:
    rows = torch.arange(len(dense.value)).flip(0)[::3]
    exact, near = dense.among(rows), many.among(rows)
    torch.testing.assert_close(near.diagonal(), many.variance()[rows], rtol=1e-5, atol=0)
    torch.testing.assert_close(many.variance(), dense.variance(), rtol=0.1, atol=0)
    size = exact.diagonal().sqrt()
    assert float(((near - exact) / size / size[:, None]).abs().max()) < 0.1
    assert torch.linalg.eigvalsh(near + torch.diag(dense.error[rows] ** 2)).min() > 0
    alone = dataclasses.replace(many, small=())  # small scales of each for itself
    torch.testing.assert_close(alone.among(rows).diagonal(), near.diagonal(), rtol=1e-5, atol=0)


def test_optimal_interpolation_is_near_and_errs_on_the_safe_side(
    dense: LinearObservations, many: ManyObservations
) -> None:
    background, jacobian = dense.background[:5] + 1.0, dense.rows[:5] * 0.9
    (mean, std), (near, near_std) = (o.predict(background, jacobian) for o in (dense, many))
    assert float(((near - mean) / std).abs().max()) < 0.5
    assert (near_std > 0.98 * std).all() and (near_std < 1.5 * std).all()


def test_errors_that_reports_share_are_a_bias_with_a_prior(dense: LinearObservations) -> None:
    """R = diag + F F^T is the same as an unknown b ~ N(0, 1) added as F b (closed form)."""
    shared = torch.full((len(dense.value), 1), 3.0, dtype=torch.float64) * dense.error[:, None]
    biased = dataclasses.replace(dense, shared=shared)
    covariance = dense.covariance() + torch.diag(dense.error**2) + shared @ shared.T
    expected = dense.climatology.apply(
        lambda c: c, dense.pull(torch.linalg.solve(covariance, dense.value - dense.background)[None])
    )
    zero = torch.zeros(dense.climatology.shape)
    assert torch.allclose(biased.mean(zero), expected[0], rtol=1e-3, atol=1e-3)
    drawn = biased.draw(zero, noise(2000, *zero.shape), noise(2000, biased.random_numbers))
    again = drawn.std(0) / dense.draw(zero, noise(2000, *zero.shape), noise(2000, len(dense.value))).std(0)
    assert float(again.mean()) > 1.001
