"""Days of weather that lie beside the card of a prior which was not trained on them: its `weather.nc`.

What a prior knows of its own draws flatters it; here a truth is known everywhere that it has never seen.
"""

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from models.prior.card import PriorCard

FILE = "weather.nc"


def has_weather(card: PriorCard) -> bool:
    """Does the prior bring any?"""
    return (card.folder / FILE).exists()


def open_weather(card: PriorCard) -> xr.Dataset:
    """The days, a variable per channel, SI units, with dimensions time, latitude, longitude.

    Raises:
        ValueError: the prior brings none.
    """
    if not has_weather(card):
        raise ValueError(f"the prior {card.name} brings no weather: only draws of it can be observed")
    return xr.open_dataset(card.folder / FILE)


def last_window(card: PriorCard) -> list[str]:
    """Times of the last states, as many as the prior samples together, UTC."""
    with open_weather(card) as days:
        return [f"{pd.Timestamp(time):%Y-%m-%dT%H:%MZ}" for time in days.time.values[-card.window :]]


def states_at(card: PriorCard, times: pd.DatetimeIndex) -> NDArray[np.float32]:
    """The states at `times` (T,), UTC: (T, C, H, W).

    Raises:
        ValueError: the prior brings no weather, or none of these times; says of which.
    """
    with open_weather(card) as days:
        when = times.tz_localize(None)
        if not when.isin(days.time.values).all():
            first, last = (pd.Timestamp(days.time.values[k]) for k in (0, -1))
            raise ValueError(
                f"the weather of {card.name} is of {first:%Y-%m-%dT%H:%MZ} to {last:%Y-%m-%dT%H:%MZ}"
            )
        fields = days.sel(time=when)
        return np.stack([fields[name].values for name in card.state.names], axis=1).astype(np.float32)
