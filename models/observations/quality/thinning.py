"""Thinning: of a station's soundings that stand for one analysis time, the nearest in time is used."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from models.observations.flags import Flag, mark, usable
from models.observations.quality.domain import SOUNDINGS
from models.observations.stations import station_keys
from models.observations.variables import channel_names


def nearest_sounding(frame: pd.DataFrame, time_index: ArrayLike, times: pd.DatetimeIndex) -> pd.DataFrame:
    """Flag THINNED on levels of a sounding when another one of the station is nearer to the analysis time.

    Some archives repeat a sounding in the hours before and after; some stations launch hourly. Of two equally
    near the earlier is used.

    Args:
        frame: observation table.
        time_index: analysis time each row belongs to, (n,); -1 for none.
        times: analysis times, UTC.
    """
    index = np.asarray(time_index)
    chosen = (usable(frame) & frame["kind"].isin(SOUNDINGS)).to_numpy() & (index >= 0)
    rows = pd.DataFrame(
        {
            "station": station_keys(frame),
            "channel": channel_names(frame).to_numpy(),
            "index": index,
            "time": frame["time"].to_numpy(),
        }
    )[chosen]
    rows["distance"] = (frame["time"][chosen] - times[index[chosen]]).abs().to_numpy()
    ranked = rows.sort_values(["distance", "time"], kind="stable")
    best = ranked.groupby(["station", "channel", "index"])["time"].transform("first")
    late = np.zeros(len(frame), dtype=bool)
    late[ranked.index[(ranked["time"] != best).to_numpy()]] = True
    return mark(frame, late, Flag.THINNED, "another sounding of this station is nearer to the analysis time")
