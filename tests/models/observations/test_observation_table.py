import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.observations.table import COLUMNS, conform, content_hash, empty, wrap_longitude


def rows(**columns):
    base = {
        "station_id": ["A", "B", "C", "D"],
        "time": pd.to_datetime(["2019-02-17T12:00Z"] * 4),
        "latitude": [50.0, 51.0, 52.0, 53.0],
        "longitude": [350.0, 5.0, 180.0, -180.0],
        "variable": "msl",
        "value": [1e5, 1.01e5, 1.02e5, 1.03e5],
    }
    return pd.DataFrame({**base, **columns})


def test_a_conformed_table_has_all_columns_with_their_types():
    frame = conform(rows())
    assert {name: str(frame[name].dtype) for name in COLUMNS} == COLUMNS
    assert {name: str(empty()[name].dtype) for name in COLUMNS} == COLUMNS
    assert frame["use"].tolist() == ["active"] * 4


def test_conforming_twice_changes_nothing():
    once = conform(rows())
    pd.testing.assert_frame_equal(conform(once), once)


def test_longitudes_are_wrapped_and_exact_ones_kept():
    assert conform(rows()).set_index("station_id")["longitude"].to_dict() == {
        "A": -10.0,
        "B": 5.0,
        "C": -180.0,
        "D": -180.0,
    }
    assert wrap_longitude(np.array([-8.669]))[0] == -8.669


def test_further_columns_are_kept():
    assert conform(rows(row=[1, 2, 3, 4]))["row"].tolist() == [1, 2, 3, 4]


def test_a_missing_column_is_named():
    with pytest.raises(ValueError, match="latitude"):
        conform(rows().drop(columns="latitude"))


def test_an_id_given_is_kept_and_a_missing_one_is_derived_from_the_content():
    frame = conform(rows(obs_id=["mine", "", None, ""]))
    assert frame["obs_id"][0] == "mine"
    assert frame["obs_id"].str.len().tolist()[1:] == [16, 16, 16]
    assert frame["obs_id"].is_unique
    assert conform(rows())["obs_id"][1] == frame["obs_id"][1]


@given(order=st.permutations(range(4)))
def test_the_content_hash_does_not_depend_on_the_order_of_rows(order):
    frame = rows(error=[1.0, np.nan, 2.0, np.nan])
    assert content_hash(conform(frame.iloc[order])) == content_hash(conform(frame))
    assert content_hash(conform(frame).iloc[order]) == content_hash(conform(frame))


@given(
    row=st.integers(0, 3), column=st.sampled_from(["latitude", "longitude", "value", "error", "elevation"])
)
def test_the_content_hash_depends_on_every_number(row, column):
    frame = rows(error=100.0, elevation=10.0)
    other = frame.copy()
    other.loc[row, column] += 1e-6
    assert content_hash(conform(other)) != content_hash(conform(frame))


def test_when_and_how_observations_were_received_is_not_their_content():
    frame = conform(rows())
    later = frame.assign(received_at=pd.Timestamp("2030-01-01", tz="UTC"), qc=np.int16(12), reason="late")
    assert content_hash(later) == content_hash(frame)
