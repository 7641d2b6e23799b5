"""The LETKF that has the model: members that know the season, and then what was reported."""

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("jcm", reason="extra `simulate` is not installed")

from models.ensemble.letkf import Tuning
from models.prior.card import load_card
from models.simulation.earth import Earth
from models.simulation.filter import Filter, climatological
from models.simulation.truth import Truth

CARD = load_card("earth-t21")


@pytest.fixture(scope="module")
def truth() -> Truth:
    return Truth.brought(CARD)


@pytest.fixture(scope="module")
def season(truth: Truth) -> Filter:
    """Eight members, a day apart, before any report."""
    earth = Earth(step_minutes=60)
    leaves = earth.leaves(earth.advance(earth.start(0, truth.day(0))))
    return climatological(
        earth, leaves, truth.day(0), np.concatenate([truth.states(4 * k) for k in range(8)])
    )


def error(found: Filter, truth: Truth, position: int, channel: str) -> float:
    k = CARD.state.names.index(channel)
    square = (found.fields.mean(0)[k] - truth.states(position)[0, k]) ** 2
    return float(np.sqrt((square * CARD.state.grid.area_weights).mean()))


def test_members_are_the_states_that_were_asked_for(season: Filter, truth: Truth):
    for channel, off in (("t510", 0.5), ("u510", 1.0), ("sp", 150.0)):  # but for what the spectrum cuts off
        k = CARD.state.names.index(channel)
        apart = season.fields[3, k] - truth.states(12)[0, k]
        assert np.sqrt((apart**2 * CARD.state.grid.area_weights).mean()) < off
    assert len({str(state[2]) for state in season.states}) == 1  # all of one date


def test_reports_bring_members_to_the_truth_and_forecasts_keep_them_there(season: Filter, truth: Truth):
    follower = season.copy()
    for position in (20, 21):
        seen = truth.reported("all", CARD.state, position, seed=0)
        follower.analyse(seen.reports, seen.value, Tuning(1000.0, 0.6))
        held = np.stack([np.asarray(follower.earth.fields(state)) for state in follower.states])
        np.testing.assert_array_equal(follower.fields, held)
        follower.forecast()
    for channel in ("t510", "u510", "sp"):
        before, after = error(season, truth, 22, channel), error(follower, truth, 22, channel)
        assert after < 0.85 * before, channel
    assert np.isfinite(follower.fields).all() and follower.fields.std(0).mean() > 0


def test_a_copy_goes_on_for_itself(season: Filter):
    before = season.fields.copy()
    season.copy().forecast()
    np.testing.assert_array_equal(season.fields, before)


@pytest.mark.parametrize("position", [0, 1300, 1457, 1600, 2900])
def test_another_year_is_of_the_same_season(position: int):
    """Of a run whose states are their own numbers."""
    times = pd.date_range("2001-01-01", periods=2920, freq="6h", tz="UTC")
    run = Truth(lambda rows: np.arange(2920.0)[rows][:, None, None, None], times, [])
    found = run.another_year(position, 20)[:, 0, 0, 0]
    assert (np.diff(found) == 12).all() and abs(abs(found.mean() - position) - 1461) <= 126


def test_a_run_of_one_year_has_no_other_year(truth: Truth):
    with pytest.raises(ValueError, match="need another year: simulate more"):
        truth.another_year(10, 8)
