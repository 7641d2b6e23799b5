"""Domain check: place, time and channel."""

import numpy as np
import pandas as pd
import pytest

from models.observations.flags import Flag
from models.observations.quality.domain import analysis_index, domain, known_channels
from models.observations.table import conform
from models.state.grid import Grid

EUROPE = Grid(np.arange(60, 29, -1.5), np.arange(-20, 15, 1.5))
TIMES = pd.DatetimeIndex(["2019-02-17T12:00Z", "2019-02-18T12:00Z"])
HALF_HOUR = pd.Timedelta(minutes=30)


def _reports(**columns: object) -> pd.DataFrame:
    plain = {"time": "2019-02-17T12:00Z", "latitude": 50.0, "longitude": 5.0, "variable": "msl", "value": 1e5}
    frame = pd.DataFrame({**plain, **columns}, index=range(max(len(v) for v in columns.values())))
    return conform(frame.assign(station_id=[f"{i}" for i in frame.index])).sort_values("station_id")


def test_places_outside_the_outline_are_flagged_with_the_place_and_the_area() -> None:
    out = domain(
        _reports(latitude=[60.0, 60.1, 30.0], longitude=[-20.0, 5.0, 14.6]), EUROPE, TIMES, HALF_HOUR
    )
    assert out["qc"].tolist() == [Flag.PASS, Flag.DOMAIN, Flag.DOMAIN]
    assert out["reason"].iloc[1] == ("60.1°N 5°E is outside the prior's area, 30°N to 60°N, 20°W to 14.5°E")


def test_a_global_grid_contains_the_seam_and_the_poles() -> None:
    globe = Grid(np.linspace(90, -90, 19), np.arange(0, 360, 10.0))
    out = domain(_reports(latitude=[90.0, -90.0, 0.0], longitude=[0.0, 10.0, 359.9]), globe, TIMES, HALF_HOUR)
    assert (out["qc"] == Flag.PASS).all()


def test_times_up_to_the_tolerance_pass_and_those_beyond_are_told_the_nearest_analysis() -> None:
    times = ["2019-02-17T12:30:00Z", "2019-02-17T11:29:00Z", "2019-02-18T11:30:00Z", "2019-02-18T23:00:00Z"]
    frame = _reports(time=times)
    out = domain(frame, EUROPE, TIMES, HALF_HOUR)
    assert out["qc"].tolist() == [Flag.PASS, Flag.DOMAIN, Flag.PASS, Flag.DOMAIN]
    assert out["reason"].iloc[1] == (
        "2019-02-17 11:29Z is 31 min from the nearest analysis time, 2019-02-17 12:00Z; 30 min are allowed"
    )
    assert analysis_index(frame, TIMES, HALF_HOUR).tolist() == [0, -1, 1, -1]


def test_halfway_between_two_analyses_the_earlier_counts_and_one_alone_is_enough() -> None:
    frame = _reports(time=["2019-02-18T00:00Z", "2019-02-18T00:01Z"])
    assert analysis_index(frame, TIMES, pd.Timedelta(hours=12)).tolist() == [0, 1]
    assert analysis_index(frame, TIMES[:1], pd.Timedelta(hours=12)).tolist() == [0, -1]
    assert analysis_index(frame, TIMES[:0], pd.Timedelta(hours=12)).tolist() == [-1, -1]


def test_a_sounding_counts_for_the_hour_it_was_launched_for() -> None:
    times = ["2019-02-17T10:45:04Z", "2019-02-17T13:20:00Z", "2019-02-17T10:29:00Z", "2019-02-18T06:00:00Z"]
    frame = _reports(time=times, kind=["TEMP"] * 4)
    out = domain(frame, EUROPE, TIMES, HALF_HOUR)
    assert out["qc"].tolist() == [Flag.PASS, Flag.PASS, Flag.DOMAIN, Flag.DOMAIN]
    assert analysis_index(frame, TIMES, HALF_HOUR).tolist() == [0, 0, -1, -1]
    assert out["reason"].iloc[2].endswith("90 min are allowed")
    pd.testing.assert_series_equal(out["time"], frame["time"])  # each level keeps its own time


def test_analysis_times_out_of_order_are_refused() -> None:
    with pytest.raises(ValueError, match="ascending"):
        domain(_reports(latitude=[50.0]), EUROPE, TIMES[::-1], HALF_HOUR)


def test_an_earlier_flag_is_not_overwritten() -> None:
    frame = _reports(latitude=[80.0]).assign(qc=np.int16(Flag.BOUNDS), reason="impossible")
    out = domain(frame, EUROPE, TIMES, HALF_HOUR)
    assert out["qc"].tolist() == [Flag.BOUNDS] and out["reason"].tolist() == ["impossible"]


def test_channels_the_prior_does_not_hold_are_excluded_with_those_it_does() -> None:
    frame = _reports(variable=["z", "z", "msl"], pressure=[50000.0, 70000.0, np.nan])
    out = known_channels(frame, ["msl", "z500"])
    assert out["qc"].tolist() == [Flag.PASS, Flag.EXCLUDED, Flag.PASS]
    assert out["reason"].iloc[1] == "the prior has no z700; it holds msl, z500"


def test_what_lies_beside_a_ring_is_told_where_the_ring_is() -> None:
    ring = Grid(np.zeros(1), np.arange(0, 360, 9.0))
    out = domain(_reports(latitude=[0.0, 10.0]), ring, TIMES, HALF_HOUR)
    assert out["qc"].tolist() == [Flag.PASS, Flag.DOMAIN]
    assert out["reason"].iloc[1] == "10°N 5°E is outside the prior's area, 4.5°S to 4.5°N"
