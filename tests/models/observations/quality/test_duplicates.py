import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from models.observations.flags import Flag
from models.observations.quality.duplicates import duplicates
from models.observations.table import conform, content_hash


def reports(*changes):
    base = {
        "station_id": "06260",
        "time": pd.Timestamp("2019-02-17T12:00Z"),
        "latitude": 52.1,
        "longitude": 5.2,
        "pressure": np.nan,
        "variable": "msl",
        "value": 102000.0,
        "error": np.nan,
        "received_at": pd.NaT,
    }
    return pd.DataFrame([{**base, **change} for change in changes])


def kept(frame):
    checked = duplicates(conform(frame))
    return checked[checked["qc"] == Flag.PASS]


def test_the_same_report_twice_counts_once():
    checked = duplicates(conform(reports({}, {})))
    assert sorted(checked["qc"]) == [Flag.PASS, Flag.DUPLICATE]
    assert "06260 was reported more than once" in checked["reason"].max()


def test_the_report_that_states_its_error_is_kept():
    assert kept(reports({"value": 1e5}, {"value": 1.01e5, "error": 50.0}))["value"].tolist() == [1.01e5]


def test_the_latest_received_report_is_kept():
    early, late = pd.Timestamp("2019-02-17T12:10Z"), pd.Timestamp("2019-02-17T12:40Z")
    frame = reports({"value": 1e5, "received_at": early}, {"value": 1.01e5, "received_at": late})
    assert kept(frame)["value"].tolist() == [1.01e5]


def test_other_places_times_levels_variables_and_stations_are_no_duplicates():
    different = reports(
        {},
        {"latitude": 52.2},
        {"time": pd.Timestamp("2019-02-17T13:00Z")},
        {"variable": "t", "pressure": 85000.0},
        {"variable": "t", "pressure": 50000.0},
        {"station_id": "06261"},
    )
    assert len(kept(different)) == 6


def test_a_position_given_a_little_more_precisely_is_the_same_place():
    assert len(kept(reports({"longitude": 179.9999}, {"longitude": -179.9999}))) == 1


def test_rejected_rows_do_not_compete():
    frame = conform(reports({"value": 1e5, "error": 10.0}, {"value": 1.01e5}))
    frame["qc"] = np.where(frame["value"] == 1e5, Flag.BOUNDS, Flag.PASS).astype("int16")
    assert sorted(duplicates(frame)["qc"]) == [Flag.PASS, Flag.BOUNDS]


def test_an_id_given_twice_names_one_observation_only():
    checked = duplicates(conform(reports({"obs_id": "a"}, {"obs_id": "a", "station_id": "06261"})))
    assert sorted(checked["qc"]) == [Flag.PASS, Flag.DUPLICATE]


MIXED = [{"value": 1e5 + 10 * i, "latitude": 50.0 + i % 3, "error": [np.nan, 80.0][i % 2]} for i in range(8)]


@given(order=st.permutations(range(len(MIXED))))
def test_which_report_is_kept_does_not_depend_on_their_order(order):
    shuffled = [MIXED[i] for i in order]
    assert content_hash(kept(reports(*shuffled))) == content_hash(kept(reports(*MIXED)))
    assert len(kept(reports(*shuffled))) == 3
