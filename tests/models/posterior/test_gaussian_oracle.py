"""Where the answer is known: an exactly Gaussian prior, linear observations, the posterior in closed form."""

import numpy as np
import pandas as pd
import pytest
import torch

from models.analysis import Analysis, sample
from models.observations.table import conform
from models.osse import example_network, observe
from models.prior.prior import Prior
from models.testing.toy import gaussian_prior

TIMES = pd.date_range("2019-02-17T12:00Z", periods=2, freq="24h")
MEMBERS = 400


@pytest.fixture(scope="module")
def prior() -> Prior:
    return gaussian_prior()


@pytest.fixture(scope="module")
def analysis(prior: Prior) -> Analysis:
    return Analysis(prior, TIMES)


@pytest.fixture(scope="module")
def observations(analysis: Analysis) -> pd.DataFrame:
    truth = sample_prior(analysis)[0]
    return observe(analysis, example_network(analysis.prior.card), truth, seed=1)


def sample_prior(analysis: Analysis) -> np.ndarray:
    return run(
        analysis, conform(pd.DataFrame(columns=["time", "latitude", "longitude", "variable", "value"])), 1
    )


def run(analysis: Analysis, table: pd.DataFrame, count: int, preset: str = "careful") -> np.ndarray:
    return sample(analysis, table, members=range(count), seed=7, preset=preset)


def exact(analysis: Analysis, table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Posterior mean and standard deviation of every value of every state, SI, (T, C, H, W)."""
    prior = analysis.prior
    mean = prior.climatology.mean(analysis.year_fraction)
    decoded, pull = torch.func.vjp(prior.decode, mean)
    rows = torch.eye(decoded.numel()).reshape(-1, *decoded.shape)
    jacobian = torch.func.vmap(pull)(rows)[0].flatten(1).double()
    there, spread = analysis.linear(table).predict(decoded.flatten().double(), jacobian)
    return there.reshape(decoded.shape).numpy(), spread.reshape(decoded.shape).numpy()


def standard_errors(members: np.ndarray, mean: np.ndarray, std: np.ndarray) -> tuple[float, float, float]:
    """RMS error of the mean in posterior std, its expectation, and the ratio of spreads."""
    error = np.sqrt((((members.mean(0) - mean) / std) ** 2).mean())
    return error, 1 / np.sqrt(len(members)), float(np.sqrt((members.var(0, ddof=1) / std**2).mean()))


@pytest.mark.parametrize(("preset", "bias", "spread"), [("careful", 0.04, 0.04), ("balanced", 0.12, 0.08)])
def test_the_posterior_is_the_closed_form_one(
    analysis: Analysis, observations: pd.DataFrame, preset: str, bias: float, spread: float
) -> None:
    members = run(analysis, observations, MEMBERS, preset)
    error, chance, ratio = standard_errors(members, *exact(analysis, observations))
    assert error < np.hypot(1.3 * chance, bias)
    assert abs(ratio - 1) < spread


def test_no_observations_give_the_prior_back(analysis: Analysis, observations: pd.DataFrame) -> None:
    members = run(analysis, observations.iloc[:0], MEMBERS)
    error, chance, ratio = standard_errors(members, *exact(analysis, observations.iloc[:0]))
    assert error < 1.4 * chance
    assert abs(ratio - 1) < 0.04


def test_observations_of_unbounded_error_give_the_prior_back(
    analysis: Analysis, observations: pd.DataFrame
) -> None:
    free = run(analysis, observations.iloc[:0], 4)
    useless = run(analysis, observations.assign(error=1e9), 4)
    assert np.abs(useless - free).max() < 1e-3 * free.std()


def test_the_order_of_observations_does_not_matter(analysis: Analysis, observations: pd.DataFrame) -> None:
    shuffled = observations.sample(frac=1, random_state=3)
    assert np.array_equal(run(analysis, observations, 2), run(analysis, shuffled, 2))


def test_a_member_alone_is_the_member_of_any_batch(analysis: Analysis, observations: pd.DataFrame) -> None:
    batch = run(analysis, observations, 5)
    alone = sample(analysis, observations, members=[3], seed=7, preset="careful")[0]
    scale = batch.std(axis=(0, 1, 3, 4), keepdims=True)[0]
    assert np.abs((alone - batch[3]) / scale).max() < 1e-3
    assert not np.allclose(batch[2], batch[3])


def test_the_gaussian_draws_have_the_closed_form_moments(
    analysis: Analysis, observations: pd.DataFrame
) -> None:
    linear, mean = analysis.linear(observations), analysis.prior.climatology.mean(analysis.year_fraction)
    generator = torch.Generator().manual_seed(0)
    white = torch.randn(4000, *mean.shape, generator=generator)
    errors = torch.randn(4000, len(observations), generator=generator)
    with torch.no_grad():
        drawn = analysis.prior.decode(linear.draw(mean, white, errors)).numpy()
        centre = analysis.prior.decode(linear.mean(mean)).numpy()
    expected, std = exact(analysis, observations)
    error, chance, ratio = standard_errors(drawn, expected, std)
    assert error < 1.4 * chance and abs(ratio - 1) < 0.02
    assert np.abs((centre - expected) / std).max() < 1e-2


def test_a_callback_that_raises_stops_the_sampler(analysis: Analysis, observations: pd.DataFrame) -> None:
    seen = []

    def stop(progress: object) -> None:
        seen.append(progress)
        if len(seen) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sample(analysis, observations, members=[0], seed=0, preset="fast", progress=stop)
    assert len(seen) == 3
