"""Elevation check."""

import numpy as np
import pandas as pd

from models.observations.flags import Flag
from models.observations.quality.elevation import elevation
from models.observations.table import conform


def _report(variable: str, height: float, kind: str = "SYNOP") -> pd.DataFrame:
    row = {
        "time": "2019-02-17T12:00Z",
        "latitude": 50.0,
        "longitude": 5.0,
        "variable": variable,
        "value": 1.0,
    }
    return conform(pd.DataFrame([{**row, "elevation": height, "kind": kind}]))


def _verdict(frame: pd.DataFrame) -> tuple[int, str]:
    out = elevation(frame, {"msl": 500, "2t": 1000})
    return out["qc"].iloc[0], out["reason"].iloc[0]


def test_sea_level_pressure_from_a_mountain_is_not_trusted() -> None:
    reason = "reduction to sea level from 1200 m is not trusted: the limit is 500 m"
    assert _verdict(_report("msl", 1200)) == (Flag.EXCLUDED, reason)
    assert _verdict(_report("msl", 500)) == (Flag.PASS, "")
    assert _verdict(_report("2t", 1200)) == (
        Flag.EXCLUDED,
        "2t from 1200 m is not trusted: the limit is 1000 m",
    )


def test_an_unknown_height_is_flagged_only_where_a_limit_holds() -> None:
    reason = "station height unknown: msl is used only from stations up to 500 m"
    assert _verdict(_report("msl", np.nan)) == (Flag.EXCLUDED, reason)
    assert _verdict(_report("10u", np.nan)) == (Flag.PASS, "")


def test_a_ship_of_unknown_height_is_at_sea_level() -> None:
    assert _verdict(_report("msl", np.nan, "SHIP")) == (Flag.PASS, "")
