"""The weather that lies beside the card of the Earth's prior."""

import numpy as np
import pandas as pd
import pytest

from models.prior.card import PriorCard, load_card
from models.weather import has_weather, last_window, open_weather, states_at


@pytest.fixture(scope="module")
def card() -> PriorCard:
    return load_card("earth-t21")


def times(card: PriorCard) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(pd.to_datetime(last_window(card), utc=True))


def test_it_is_ten_days_of_every_channel_on_the_grid_of_the_prior(card: PriorCard):
    with open_weather(card) as days:
        assert set(card.state.names) <= set(days.data_vars)
        assert days.time.values[-1] - days.time.values[0] == np.timedelta64(10, "D")
        np.testing.assert_allclose(days.latitude, card.state.grid.latitude)
        np.testing.assert_allclose(days.longitude, card.state.grid.longitude)


def test_the_last_window_is_a_day_with_a_storm_on_the_north_atlantic(card: PriorCard):
    when = times(card)
    assert len(when) == card.window and (when[1:] - when[:-1] == pd.Timedelta(hours=6)).all()
    states = states_at(card, when)
    assert states.shape == (card.window, *card.state.shape) and np.isfinite(states).all()
    pressure = states[:, card.state.names.index("sp")]
    assert pressure[-2, 5, 56:].min() < 97_000 < 103_000 < pressure[-2, 5, 56:].max()  # 58 N, 45 W to 5 W


def test_times_it_does_not_hold_are_refused(card: PriorCard):
    with pytest.raises(ValueError, match="is of 2002-02-25T12:00Z to 2002-03-07T12:00Z"):
        states_at(card, times(card) + pd.Timedelta(hours=6))


def test_a_prior_without_any_says_so():
    europe = load_card("europe")
    assert not has_weather(europe)
    with pytest.raises(ValueError, match="the prior europe brings no weather"):
        open_weather(europe)
