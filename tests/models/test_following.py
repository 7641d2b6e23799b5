"""An ensemble beside an analysis: what it is told, and that the mean of both is better."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from models import osse
from models.analysis import Analysis, prepare
from models.following import beside, follow, reports
from models.hybrid import share
from models.observations.operator import ObservationOperator
from models.prior.card import load_card
from models.prior.prior import load_prior
from models.verification.pairs import variances
from models.verification.scores import area_mean
from models.weather import states_at


@pytest.fixture(scope="module")
def analysis() -> Analysis:
    card = load_card("earth-t21")
    times = pd.DatetimeIndex(pd.to_datetime(osse.example_times(card), utc=True))
    return Analysis(load_prior(card), times[-3:])


@pytest.fixture(scope="module")
def there(analysis: Analysis) -> np.ndarray:
    """The weather that is observed, (T, C, H, W)."""
    return states_at(analysis.prior.card, analysis.times)


@pytest.fixture(scope="module")
def superobs(analysis: Analysis) -> pd.DataFrame:
    card = analysis.prior.card
    table = osse.simulate_weather(card, osse.example_network(card), analysis.times, seed=0)
    return prepare(analysis, table)[1]


def test_every_superob_is_a_report_of_its_state_with_the_error_that_it_has(
    analysis: Analysis, there: np.ndarray, superobs: pd.DataFrame
) -> None:
    state, index = analysis.prior.card.state, analysis.index(superobs)
    seen = ObservationOperator.build(superobs, state, analysis.times)(torch.from_numpy(there).double())
    for k, own in enumerate(reports(analysis, superobs)):
        rows = superobs[index == k]
        assert own is not None and len(rows) > 100
        np.testing.assert_allclose(own.reports.observe(there[k]), seen[index == k])
        np.testing.assert_array_equal(own.value, rows["value"])
        np.testing.assert_array_equal(own.error(state, dict.fromkeys(state.names, 9.0)), rows["error"])


def test_the_order_of_superobs_does_not_matter(analysis: Analysis, superobs: pd.DataFrame) -> None:
    shuffled = reports(analysis, superobs.sample(frac=1.0, random_state=0))
    for own, other in zip(reports(analysis, superobs), shuffled, strict=True):
        assert own is not None and other is not None
        np.testing.assert_array_equal(own.value, other.value)


def test_a_state_of_which_nothing_is_reported_has_no_reports(
    analysis: Analysis, superobs: pd.DataFrame
) -> None:
    last = superobs[analysis.index(superobs) == 2]
    assert [own is None for own in reports(analysis, last)] == [True, True, False]
    assert reports(analysis, superobs[:0]) == [None] * 3


def test_robust_likelihoods_believe_a_wild_report_less(analysis: Analysis, superobs: pd.DataFrame) -> None:
    few = superobs[analysis.index(superobs) == 2][:60].reset_index(drop=True)
    wild = few.assign(value=few["value"].where(few.index != 7, few["value"] + 12 * few["error"]))
    *_, own = reports(analysis, wild, "varqc")
    assert own is not None
    inflated = own.reports.error / wild["error"].to_numpy()
    assert inflated[7] == inflated.max() > 2


def test_an_ensemble_that_follows_is_nearer_the_truth_where_reports_are_dense(
    analysis: Analysis, there: np.ndarray
) -> None:
    """At all states; and it says how far it is."""
    card, names = analysis.prior.card, ["t510", "t685", "sp"]
    latitude, longitude = (
        x.ravel()
        for x in np.meshgrid(card.state.grid.latitude[::2], card.state.grid.longitude[::2], indexing="ij")
    )
    places = pd.DataFrame({"latitude": latitude, "longitude": longitude, "elevation": 0.0})
    places["station_id"] = places.index.astype(str)
    parts = [places.assign(channel=name, error=np.nan, kind="POINT") for name in names]
    superobs = osse.simulate_weather(card, pd.concat(parts, ignore_index=True), analysis.times, seed=0)
    told: list[float] = []
    means, spread = follow(analysis, superobs, size=16, seed=1, progress=told.append)
    assert means.shape == spread.shape == there.shape and means.dtype == np.float32
    assert told == sorted(told) and told[-1] == 1.0
    seen = [card.state.names.index(name) for name in names]
    off, without = (
        np.sqrt(((x - there)[:, seen] ** 2).mean((2, 3)))
        for x in (means, follow(analysis, superobs[:0], size=16, seed=1)[0])
    )
    assert (off < 0.8 * without).all()
    said = np.sqrt((spread[:, seen] ** 2).mean((2, 3))) / off
    assert (said > 0.25).all() and (said < 1).all()  # 16 are too few to know


def test_what_progress_raises_stops_it(analysis: Analysis, superobs: pd.DataFrame) -> None:
    def stop(fraction: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        follow(analysis, superobs, size=16, seed=1, progress=stop)


def test_members_are_about_the_mean_of_both_and_no_air_is_drier_than_dry(
    analysis: Analysis, there: np.ndarray
) -> None:
    names = analysis.prior.card.state.names
    wind, water = names.index("u510"), names.index("q510")
    rng = np.random.default_rng(0)
    members = (there + rng.standard_normal((4, *there.shape))).astype(np.float32)
    followed = np.stack([there + np.float32(2.0), np.full_like(there, 0.5)])
    cells = analysis.prior.card.state.grid.area_weights
    found = beside(analysis, members, followed)
    weight = share(members, followed, cells)[:, None, None, None]
    assert ((weight > 0.15) & (weight < 0.25)).all()  # of variances, 1 and 0.25
    expected = weight * members.mean(0) + (1 - weight) * (there + 2.0)
    np.testing.assert_allclose(found.mean(0)[:, wind], expected[:, wind], atol=1e-4)
    variance = area_mean(variances(found, mirrored=True)[0], cells)
    np.testing.assert_allclose(variance[:, wind], 0.25, rtol=0.05)
    assert found[:, :, water].min() == 0.0 and found.dtype == np.float32


def test_a_prior_without_a_forecaster_is_named(analysis: Analysis, superobs: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match="the prior earth-t21 has no forecaster"):
        follow(replace(analysis, prior=replace(analysis.prior, forecaster=None)), superobs, size=16, seed=1)
