"""Duplicate check: the same station, place, time, level and variable reported more than once.

The best report is kept: one that states its error before one that does not, then the latest received (it may
be a correction), then the smallest `obs_id`, which is arbitrary but the same whatever the order of the rows.
"""

import pandas as pd

from models.observations.flags import Flag, mark
from models.observations.stations import station_keys
from models.observations.table import wrap_longitude

SAME_PLACE = 2
"""Decimals of a degree to which positions are compared (0.01 degrees, about 1 km)."""


def duplicates(frame: pd.DataFrame) -> pd.DataFrame:
    """Flag DUPLICATE on all but the best of equal reports, and on rows whose `obs_id` is taken.

    A pure function of the observation table, see `models.observations.flags`. Rows already flagged neither
    are judged nor compete.
    """
    passed = frame[frame["qc"] == Flag.PASS]
    ranked = passed.assign(
        station=station_keys(passed),
        place_lat=passed["latitude"].round(SAME_PLACE) + 0.0,
        place_lon=wrap_longitude(passed["longitude"].round(SAME_PLACE).to_numpy()),
        level=passed["pressure"].fillna(-1.0),
        no_error=passed["error"].isna(),
        age=-passed["received_at"].astype("int64").where(passed["received_at"].notna(), 0),
    ).sort_values(
        ["no_error", "age", "obs_id", "value", "error", "elevation", "platform", "kind"], kind="stable"
    )
    keys = ["station", "time", "variable", "level", "place_lat", "place_lon"]
    repeated = ranked.duplicated(keys)
    worse = frame.index.isin(ranked.index[repeated])
    what = (
        frame["variable"] + " of station " + frame["station_id"].where(frame["station_id"] != "", "(unnamed)")
    )
    out = mark(frame, worse, Flag.DUPLICATE, what + " was reported more than once; another report is used")
    kept = ranked[~repeated]
    taken = frame.index.isin(kept.index[kept.duplicated("obs_id")])
    return mark(out, taken, Flag.DUPLICATE, "obs_id " + frame["obs_id"] + " belongs to another observation")
