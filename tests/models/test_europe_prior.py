"""What must hold for any prior, checked on the one that ships: `europe`."""

import numpy as np
import pandas as pd
import pytest

from models.analysis import Analysis, sample
from models.observations.table import empty
from models.osse import example_network, observe
from models.prior.card import load_card
from models.prior.prior import load_prior

TIMES = pd.date_range("2019-02-17T12:00Z", periods=2, freq="24h")


@pytest.fixture(scope="module")
def analysis() -> Analysis:
    return Analysis(load_prior(load_card("europe")), TIMES)


@pytest.fixture(scope="module")
def free(analysis: Analysis) -> np.ndarray:
    return sample(analysis, empty(), members=range(48), seed=1, preset="balanced")


@pytest.fixture(scope="module")
def table(analysis: Analysis, free: np.ndarray) -> pd.DataFrame:
    return observe(analysis, example_network(analysis.prior.card), free[40], seed=2)


def test_without_observations_members_have_the_mean_and_spread_of_the_season(
    analysis: Analysis, free: np.ndarray
) -> None:
    climate = analysis.linear(everywhere(analysis))
    mean, std = climate.background.numpy(), climate.variance().sqrt().numpy()
    members = free.reshape(len(free), -1)
    error = (members.mean(axis=0) - mean) / (std / np.sqrt(len(free)))
    assert np.sqrt((error**2).mean()) < 1.8  # 1 but for chance; neighbouring errors go together
    ratio = members.std(axis=0, ddof=1) / std
    assert 0.85 < np.sqrt((ratio**2).mean()) < 1.15


def everywhere(analysis: Analysis) -> pd.DataFrame:
    """An observation of every value of the states, in their order."""
    state = analysis.prior.card.state
    lat, lon = (a.ravel() for a in np.meshgrid(state.grid.latitude, state.grid.longitude, indexing="ij"))
    rows = [
        pd.DataFrame(
            {
                "time": time,
                "latitude": lat,
                "longitude": lon,
                "variable": c.variable,
                "pressure": np.nan if c.level is None else c.level * 100.0,
                "value": 0.0,
                "error": 1.0,
            }
        )
        for time in analysis.times
        for c in state.channels
    ]
    return pd.concat(rows, ignore_index=True)


def test_observations_of_unbounded_error_change_nothing(
    analysis: Analysis, free: np.ndarray, table: pd.DataFrame
) -> None:
    useless = sample(analysis, table.assign(error=1e9), members=range(2), seed=1, preset="balanced")
    scale = free.std(axis=(0, 1, 3, 4), keepdims=True)[0]
    assert np.abs((useless - free[:2]) / scale).max() < 1e-3


def test_a_member_alone_is_the_member_of_a_batch_and_order_does_not_matter(
    analysis: Analysis, free: np.ndarray, table: pd.DataFrame
) -> None:
    batch = sample(analysis, table, members=range(4), seed=1, preset="balanced")
    shuffled = table.sample(frac=1, random_state=0)
    alone = sample(analysis, shuffled, members=[2], seed=1, preset="balanced")[0]
    scale = free.std(axis=(0, 1, 3, 4), keepdims=True)[0]
    assert np.abs((alone - batch[2]) / scale).max() < 1e-3
