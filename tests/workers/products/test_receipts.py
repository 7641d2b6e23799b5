import json

import pandas as pd

from models.observations.flags import Flag
from models.observations.table import conform
from workers.products.receipts import page_observations


def receipts(n: int = 2) -> pd.DataFrame:
    frame = conform(
        pd.DataFrame(
            {
                "station_id": [f"S{i}" for i in range(n)],
                "time": pd.Timestamp("2019-02-17T12:00Z"),
                "latitude": 50.0,
                "longitude": 4.0,
                "variable": ["msl", "z"] * (n // 2),
                "pressure": [float("nan"), 50_000.0] * (n // 2),
                "value": 101_325.0,
            }
        )
    )
    return frame.assign(o_minus_a=0.123456789, o_minus_b=float("nan"), spread=1.0, rank=3.0)


def test_receipts_become_columns_that_json_can_carry():
    page = json.loads(json.dumps(page_observations(receipts()), allow_nan=False))
    assert page["columns"]["time"][0] == "2019-02-17T12:00:00Z"
    assert page["columns"]["o_minus_a"][0] == 0.123457
    assert page["columns"]["o_minus_b"] == [None, None]


def test_the_channel_is_named_from_variable_and_pressure():
    assert sorted(page_observations(receipts())["columns"]["channel"]) == ["msl", "z500"]


def test_every_flag_has_plain_words():
    assert set(page_observations(receipts())["flags"]) == {str(int(flag)) for flag in Flag}


def test_rows_without_a_position_are_counted_but_not_shown():
    frame = receipts()
    frame.loc[0, "latitude"] = float("nan")
    page = page_observations(frame)
    assert (page["total"], page["shown"]) == (2, 1)


def test_of_too_many_rows_the_used_ones_stay():
    frame = receipts(100)
    frame.loc[:49, "qc"] = Flag.BUDDY
    page = page_observations(frame, limit=50)
    assert page["shown"] == 50 and set(page["columns"]["qc"]) == {0}
    assert page_observations(frame, limit=20)["shown"] <= 20


def test_a_job_without_observations_has_an_empty_list():
    page = page_observations(receipts().iloc[:0])
    assert page["shown"] == 0 and page["columns"]["station_id"] == []


def test_rows_outside_region_or_period_are_counted_but_not_shown():
    frame = receipts(10)
    frame.loc[:6, "qc"] = Flag.DOMAIN
    frame.loc[9, "use"] = "withheld"
    page = page_observations(frame)
    assert page["shown"] == 3
    assert page["counts"][0] == {"qc": 13, "use": "active", "count": 7}
    assert sum(part["count"] for part in page["counts"]) == page["total"] == 10
