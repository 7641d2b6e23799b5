"""Of repeated soundings the nearest in time is used; surface reports and other stations are left alone."""

import pandas as pd

from models.observations.flags import Flag
from models.observations.quality.domain import analysis_index
from models.observations.quality.thinning import nearest_sounding
from models.observations.table import conform

TIMES = pd.date_range("2019-02-17T12:00Z", periods=2, freq="24h")


def table(*reports: tuple[str, str, str, float]) -> pd.DataFrame:
    rows = [
        {
            "station_id": station,
            "kind": kind,
            "time": pd.Timestamp(time),
            "variable": "t" if kind == "TEMP" else "msl",
            "pressure": 85_000.0 if kind == "TEMP" else float("nan"),
            "value": value,
            "latitude": 50.0,
            "longitude": 5.0,
        }
        for station, kind, time, value in reports
    ]
    return conform(pd.DataFrame(rows))


def flags(frame: pd.DataFrame) -> dict[str, int]:
    index = analysis_index(frame, TIMES, pd.Timedelta("30min"))
    checked = nearest_sounding(frame, index, TIMES)
    return dict(zip(frame["time"].dt.strftime("%d %H:%M") + frame["station_id"], checked["qc"], strict=True))


def test_the_sounding_nearest_to_each_analysis_time_is_used() -> None:
    found = flags(
        table(
            ("a", "TEMP", "2019-02-17T11:00Z", 270.0),
            ("a", "TEMP", "2019-02-17T12:00Z", 270.0),
            ("a", "TEMP", "2019-02-17T13:00Z", 270.0),
            ("a", "TEMP", "2019-02-18T12:40Z", 271.0),
            ("b", "TEMP", "2019-02-17T13:00Z", 269.0),
        )
    )
    thinned = {name for name, flag in found.items() if flag == Flag.THINNED}
    assert thinned == {"17 11:00a", "17 13:00a"}


def test_of_two_equally_near_the_earlier_is_used() -> None:
    found = flags(table(("a", "TEMP", "2019-02-17T12:30Z", 270.0), ("a", "TEMP", "2019-02-17T11:30Z", 270.0)))
    assert found == {"17 12:30a": Flag.THINNED, "17 11:30a": Flag.PASS}


def test_surface_reports_and_rows_beyond_every_time_are_left_alone() -> None:
    found = flags(
        table(
            ("a", "SYNOP", "2019-02-17T12:00Z", 101_000.0),
            ("a", "SYNOP", "2019-02-17T12:10Z", 101_000.0),
            ("a", "TEMP", "2019-02-17T12:00Z", 270.0),
            ("a", "TEMP", "2019-02-17T18:00Z", 270.0),
        )
    )
    assert set(found.values()) == {Flag.PASS}
