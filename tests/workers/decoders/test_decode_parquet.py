import pandas as pd
import pytest

from models.observations.table import conform
from workers.decoders import MalformedBatch, decode

PARQUET = "application/vnd.apache.parquet"


@pytest.fixture
def reports():
    return pd.DataFrame(
        {
            "station": ["06260", "06270"],
            "lat": [52.1, 53.2],
            "lon": [5.2, 5.8],
            "valid_time": pd.to_datetime(["2019-02-17T12:00", "2019-02-17T13:00"]),
            "PS": [1020.5, None],
        }
    )


def test_a_wide_parquet_file_is_decoded_with_a_column_map(reports, tmp_path):
    reports.to_parquet(tmp_path / "batch.parquet")
    found = decode(tmp_path / "batch.parquet", PARQUET, {"PS": {"variable": "msl", "unit": "hPa"}})
    assert found.frame[["station_id", "value", "row"]].values.tolist() == [["06260", 102050.0, 1]]
    assert found.frame["time"].tolist() == [pd.Timestamp("2019-02-17T12:00Z")]


def test_an_observation_table_written_as_parquet_comes_back(reports, tmp_path):
    table = conform(
        reports.rename(
            columns={"station": "station_id", "lat": "latitude", "lon": "longitude", "valid_time": "time"}
        )
        .assign(variable="msl", value=[102050.0, 101000.0], error=[80.0, None])
        .drop(columns="PS")
    )
    table.to_parquet(tmp_path / "table.parquet")
    frame = decode(tmp_path / "table.parquet").frame
    pd.testing.assert_frame_equal(conform(frame).drop(columns="row"), table)


def test_the_columns_of_a_table_index_are_seen(reports, tmp_path):
    reports.set_index("station").to_parquet(tmp_path / "indexed.parquet")
    found = decode(tmp_path / "indexed.parquet", PARQUET, {"PS": {"variable": "msl", "unit": "hPa"}})
    assert found.frame["station_id"].tolist() == ["06260"]


def test_integer_times_are_refused(reports, tmp_path):
    reports.assign(valid_time=[1550404800, 1550408400]).to_parquet(tmp_path / "epoch.parquet")
    with pytest.raises(MalformedBatch, match="could count from any epoch"):
        decode(tmp_path / "epoch.parquet", PARQUET, {"PS": {"variable": "msl"}})


def test_text_stored_as_bytes_is_read_and_other_bytes_refused(reports, tmp_path):
    columns = {"PS": {"variable": "msl", "unit": "hPa"}}
    reports.assign(station=[b"06260", b"06270"]).to_parquet(tmp_path / "bytes.parquet")
    assert decode(tmp_path / "bytes.parquet", PARQUET, columns).frame["station_id"].tolist() == ["06260"]
    reports.assign(station=[b"06260", b"\xff\xfe"]).to_parquet(tmp_path / "noise.parquet")
    with pytest.raises(MalformedBatch, match="not a readable Parquet file"):
        decode(tmp_path / "noise.parquet", PARQUET, columns)


@pytest.mark.parametrize("content", [b"PAR1 but no more", b"lat,lon\n1,2\n"])
def test_what_is_no_parquet_file_is_refused(content):
    with pytest.raises(MalformedBatch, match="not a readable Parquet file"):
        decode(content, PARQUET)


def test_a_real_file_gives_the_same_as_parquet_and_as_csv(shared_data, tmp_path):
    source = shared_data / "observations/temp_20190218.csv.gz"
    columns = {
        "PP": {"coordinate": "pressure", "unit": "hPa"},
        "FI": {"variable": "z", "unit": "gpm"},
        "TT": {"variable": "t"},
    }
    pd.read_csv(source, dtype={"SID": str}).to_parquet(tmp_path / "temp.parquet")
    as_csv = decode(source, "text/csv", columns).frame
    as_parquet = decode(tmp_path / "temp.parquet", PARQUET, columns).frame
    pd.testing.assert_frame_equal(as_parquet, as_csv)
    assert len(as_csv) == 37_103
