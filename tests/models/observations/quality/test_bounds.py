import numpy as np
import pandas as pd
import pytest

from models.observations.flags import Flag
from models.observations.quality.bounds import bounds, inside
from models.observations.table import conform, empty

GOOD = {
    "station_id": "06260",
    "time": "2019-02-17T12:00:00Z",
    "latitude": 52.1,
    "longitude": 5.2,
    "elevation": 2.0,
    "pressure": np.nan,
    "variable": "msl",
    "value": 102000.0,
    "error": np.nan,
    "received_at": "2019-02-17T12:30:00Z",
}
EUROPE = (-20.0, 30.0, 14.5, 60.0)


def judge(domain=None, **changes):
    frame = pd.DataFrame([{**GOOD, **changes}])
    for name in ("time", "received_at"):
        frame[name] = pd.to_datetime(frame[name], utc=True)
    checked = bounds(conform(frame), domain)
    return Flag(checked["qc"][0]), checked["reason"][0]


def test_a_good_report_passes():
    assert judge() == (Flag.PASS, "")
    assert judge(EUROPE) == (Flag.PASS, "")


@pytest.mark.parametrize(
    ("changes", "flag", "words"),
    [
        ({"variable": "2t", "value": 12.3}, Flag.BOUNDS, "plausible in degC"),
        ({"value": 1020.0}, Flag.BOUNDS, "plausible in hPa"),
        ({"value": 102000.0 * 100}, Flag.BOUNDS, "in Pa already, not in hPa"),
        ({"variable": "2t", "value": 285.0 + 273.15}, Flag.BOUNDS, "in K already, not in degC"),
        ({"variable": "z", "value": 5500.0, "pressure": 50000.0}, Flag.BOUNDS, "plausible in gpm"),
        (
            {"variable": "z", "value": 54000.0, "pressure": 500.0},
            Flag.BOUNDS,
            "pressure of the level were in hPa",
        ),
        ({"variable": "2r", "value": 0.85}, Flag.BOUNDS, "plausible in fraction"),
        ({"variable": "2t", "value": 900.0}, Flag.BOUNDS, "outside the plausible 173.15 to 333.15"),
        ({"value": np.inf}, Flag.BOUNDS, "outside the plausible"),
        ({"latitude": 120.0, "longitude": 45.0}, Flag.BOUNDS, "latitude and longitude look swapped"),
        ({"latitude": 91.0, "longitude": 170.0}, Flag.BOUNDS, "latitude 91 is impossible"),
        ({"elevation": 12000.0}, Flag.BOUNDS, "elevation"),
        ({"error": -1.0}, Flag.BOUNDS, "error must be positive"),
        ({"error": 0.0}, Flag.BOUNDS, "error must be positive"),
        ({"time": "2019-02-18T12:00:00Z"}, Flag.BOUNDS, "future"),
        ({"time": "1849-12-31T00:00:00Z"}, Flag.BOUNDS, "before 1850"),
        ({"variable": "t", "value": 250.0, "pressure": 5e6}, Flag.BOUNDS, "may already have been in Pa"),
        ({"pressure": 50000.0}, Flag.BOUNDS, "takes no pressure"),
        ({"variable": "banana"}, Flag.BOUNDS, "unknown variable banana"),
        ({"variable": "t", "value": 250.0}, Flag.MISSING, "needs the pressure"),
        ({"value": np.nan}, Flag.MISSING, "no value"),
        ({"latitude": np.nan}, Flag.MISSING, "no latitude"),
        ({"time": None}, Flag.MISSING, "no time"),
    ],
)
def test_an_impossible_report_is_rejected_with_a_plain_reason(changes, flag, words):
    found, reason = judge(**changes)
    assert found == flag
    assert words in reason


def test_a_report_may_arrive_a_little_before_its_nominal_hour():
    assert judge(time="2019-02-17T13:00:00Z")[0] == Flag.PASS


def test_a_report_outside_the_domain_is_rejected_and_a_swap_suspected():
    assert judge(EUROPE, latitude=-30.0) == (Flag.DOMAIN, "outside the domain (30 to 60 N, -20 to 14.5 E)")
    flag, reason = judge(EUROPE, latitude=5.2, longitude=52.1)
    assert flag == Flag.DOMAIN
    assert "swapped" in reason


def test_an_empty_table_stays_empty():
    assert len(bounds(empty(), EUROPE)) == 0


def test_rows_flagged_before_are_left_alone():
    frame = conform(pd.DataFrame([{**GOOD, "value": 5.0, "qc": 16, "reason": "thinned"}]))
    assert bounds(frame)[["qc", "reason"]].iloc[0].tolist() == [16, "thinned"]


def test_a_box_may_cross_the_date_line_or_span_the_globe():
    lon = np.array([179.0, -179.0, 0.0])
    assert inside(np.zeros(3), lon, (170, -10, -170, 10)).tolist() == [True, True, False]
    assert inside(np.zeros(3), lon, (-180, -90, 180, 90)).all()
    assert inside(np.zeros(3), lon, (0, -90, 360, 90)).all()
