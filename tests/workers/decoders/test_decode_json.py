import json

import pandas as pd
import pytest

from models.observations.flags import Flag
from workers.decoders import MalformedBatch, decode

ROW = {"time": "2019-02-17T12:00:00Z", "latitude": 52.1, "longitude": 5.2, "variable": "msl", "value": 102050}


def decoded(rows, columns=None):
    return decode(json.dumps(rows).encode(), "application/json; charset=utf-8", columns).frame


def test_a_list_of_objects_gives_one_observation_each():
    frame = decoded([ROW, {**ROW, "value": "1.013e3", "unit": "hPa", "station_id": 6260}])
    assert frame["value"].tolist() == pytest.approx([102050.0, 101300.0])
    assert frame["station_id"].tolist() == ["", "6260"]
    assert frame["row"].tolist() == [1, 2]


def test_json_lines_and_no_media_type_are_understood():
    text = "\n".join(json.dumps(row) for row in (ROW, ROW))
    pd.testing.assert_frame_equal(decode(text.encode()).frame, decoded([ROW, ROW]))


def test_a_line_separator_within_a_text_ends_no_row():
    text = "\r\n".join(json.dumps({**ROW, "station_id": f"a\u2028{i}"}, ensure_ascii=False) for i in range(2))
    assert decode(text.encode()).frame["station_id"].tolist() == ["a\u20280", "a\u20281"]


def test_real_reports_mean_the_same_as_json_and_as_csv(shared_data, tmp_path):
    columns = {
        "PS": {"variable": "msl", "unit": "hPa"},
        "TT": {"variable": "2t", "unit": "K"},
        "TD": {"variable": "2d", "unit": "K"},
    }
    rows = pd.read_csv(shared_data / "observations" / "synop_20190217.csv.gz", dtype={"SID": str}, nrows=3000)
    rows = rows.iloc[::10]
    rows.to_csv(tmp_path / "rows.csv", index=False)
    expected = decode(tmp_path / "rows.csv", "text/csv", columns).frame
    assert len(expected) > 500 and expected["value"].notna().all()
    for lines in (False, True):
        text = rows.to_json(orient="records", lines=lines, double_precision=15)
        found = decode(text.encode(), "application/json", columns).frame
        pd.testing.assert_frame_equal(found, expected)


def test_wide_rows_take_a_column_map():
    row = {"time": "2019-02-17T12:00:00Z", "lat": 52.1, "lon": 5.2, "PS": 1020.5}
    assert decoded([row], {"PS": {"variable": "msl", "unit": "hPa"}})["value"].tolist() == [102050.0]


@pytest.mark.parametrize("value", [True, [1], {"a": 1}, "much"])
def test_a_value_that_is_no_number_is_a_rejected_row(value):
    frame = decoded([{**ROW, "value": value}, ROW])
    assert frame["qc"].tolist() == [Flag.PREQC, Flag.PASS]
    assert "value is not a number" in frame["reason"][0]


def test_an_unknown_use_is_a_rejected_row():
    frame = decoded([{**ROW, "use": "sometimes"}, {**ROW, "use": "withheld"}])
    assert frame["qc"].tolist() == [Flag.PREQC, Flag.PASS]
    assert frame["reason"][0] == "use must be one of active, passive, withheld"


@pytest.mark.parametrize(
    ("text", "row", "words"),
    [
        ('[{"time": ', None, "not valid JSON"),
        ('{"time": 1}\n{"time"', 2, "neither a JSON list nor JSON Lines"),
        ("[1, 2]", 1, "a row must be an object"),
        ("[" * 100_000, None, "not valid JSON"),
    ],
)
def test_malformed_json_is_refused_with_its_row(text, row, words):
    with pytest.raises(MalformedBatch, match=words) as caught:
        decode(text.encode(), "application/json")
    assert caught.value.row == row


def test_an_integer_beyond_all_numbers_is_kept_as_infinity_for_quality_control():
    for digits in (400, 5000):
        text = json.dumps({**ROW, "value": "N"}).replace('"N"', "1" + "0" * digits)
        for content in (text, f"[{text}]"):
            assert decode(content.encode(), "application/json").frame["value"].tolist() == [float("inf")]


@pytest.mark.parametrize("field", ["station_id", "\ud800"])
def test_half_a_surrogate_pair_is_refused_naming_row_and_field(field):
    with pytest.raises(MalformedBatch, match="surrogate") as caught:
        decoded([ROW, {**ROW, field: "\ud800"}])
    assert (caught.value.row, caught.value.field) == (2, field.encode(errors="backslashreplace").decode())
