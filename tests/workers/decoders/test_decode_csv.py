import gzip

import numpy as np
import pandas as pd
import pytest

from models.observations.flags import Flag
from models.observations.table import conform
from models.observations.variables import GRAVITY
from workers.decoders import MalformedBatch, decode

SYNOP = {"PS": {"variable": "msl", "unit": "hPa"}, "TT": {"variable": "2t", "unit": "degC"}}
TEMP = {
    "PP": {"coordinate": "pressure", "unit": "hPa"},
    "FI": {"variable": "z", "unit": "gpm"},
    "TT": {"variable": "t"},
}
WIDE = """SID,LAT,Lon,elev,time,PS,TT
06260,52.1,5.2,2,2019-02-17T12:00:00Z,1020.5,8.5
06270,53.2,5.8,1,2019-02-17T13:00:00+01:00,,7.5
06280,53.1,6.6,4,2019-02-17 12:00,1021.0,
"""
LONG = """station_id,time,latitude,longitude,pressure,variable,value,unit,error
11035,2019-02-17T12:00:00Z,48.25,16.37,50000,z,5600,gpm,10
11035,2019-02-17T12:00:00Z,48.25,16.37,,2t,41,degF,1.8
"""


def decoded(text, columns=None):
    return decode(text.encode(), "text/csv", columns)


def test_a_wide_table_gives_one_observation_per_mapped_column_with_a_value():
    frame = decoded(WIDE, SYNOP).frame
    assert frame.groupby("variable").size().to_dict() == {"msl": 2, "2t": 2}
    msl = frame[frame["variable"] == "msl"].set_index("station_id")["value"]
    assert msl.to_dict() == {"06260": 102050.0, "06280": 102100.0}
    assert frame[frame["variable"] == "2t"]["value"].tolist() == pytest.approx([281.65, 280.65])
    assert sorted(frame["row"]) == [1, 1, 2, 3]


def test_times_are_utc_with_or_without_an_offset():
    assert set(decoded(WIDE, SYNOP).frame["time"]) == {pd.Timestamp("2019-02-17T12:00Z")}


def test_a_long_table_may_give_units_by_row_and_errors_are_converted_with_them():
    frame = decoded(LONG).frame.set_index("variable")
    assert frame.loc["z", ["value", "error"]].tolist() == pytest.approx([5600 * GRAVITY, 10 * GRAVITY])
    assert frame.loc["2t", ["value", "error"]].tolist() == pytest.approx([278.15, 1.0])
    assert conform(decoded(LONG).frame)["station_id"].tolist() == ["11035", "11035"]


def test_a_mapped_error_is_in_the_unit_of_its_variable():
    columns = {"PS": {"variable": "msl", "unit": "hPa", "error": 0.8}}
    assert decoded(WIDE, columns).frame["error"].tolist() == [80.0, 80.0]


def test_a_cell_that_is_no_number_is_a_rejected_row_and_the_others_stay():
    frame = decoded(WIDE.replace("1020.5", "abc"), SYNOP).frame
    bad = frame[frame["qc"] != Flag.PASS]
    assert bad[["row", "variable", "qc"]].values.tolist() == [[1, "msl", Flag.PREQC]]
    assert bad["reason"].tolist() == ["PS is not a number: abc"]
    assert len(frame) == 4


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("52.1", "north", "LAT is not a number: north"),
        ("5.2", "720", "Lon is not a number from -180 to 360: 720"),
        ("2019-02-17T12:00:00Z", "noon", "time is not a time such as 2019-02-17T12:00:00Z, in"),
        ("2019-02-17T12:00:00Z", "0019-02-17T12:00:00Z", "time is not a time"),
        ("2019-02-17T12:00:00Z", "1550404800", "time is not a time"),
    ],
)
def test_an_unreadable_place_or_time_rejects_all_values_of_its_row(old, new, reason):
    frame = decoded(WIDE.replace(old, new, 1), SYNOP).frame
    bad = frame[frame["qc"] == Flag.PREQC]
    assert bad["row"].tolist() == [1, 1]
    assert all(text.startswith(reason) for text in bad["reason"])


def test_a_line_with_a_wrong_number_of_fields_is_a_rejected_row_with_its_number():
    frame = decoded(WIDE + "\n06290,52.3\n06310,51.4,3.6,8,2019-02-17T12:00:00Z,1019,9\n", SYNOP).frame
    bad = frame[frame["qc"] != Flag.PASS]
    assert bad[["row", "reason"]].values.tolist() == [[4, "2 fields in 7 columns"]]
    assert frame[frame["station_id"] == "06310"]["row"].tolist() == [5, 5]


def test_row_numbers_hold_beyond_the_first_block_of_a_large_file():
    line = "06260,52.1,5.2,2,2019-02-17T12:00:00Z,1020.5,8.5\n"
    text = WIDE.splitlines()[0] + "\n" + line * 30_000 + "06260,52\n" + line * 30_000
    frame = decoded(text, SYNOP).frame
    assert frame[frame["qc"] != Flag.PASS]["row"].tolist() == [30_001]
    assert frame["row"].max() == 60_001
    assert len(frame) == 120_001


def test_semicolons_tabs_a_byte_order_mark_and_gzip_are_understood():
    reference = decoded(WIDE, SYNOP).frame
    for text in (WIDE.replace(",", ";"), WIDE.replace(",", "\t"), "\ufeff" + WIDE):
        pd.testing.assert_frame_equal(decoded(text, SYNOP).frame, reference)
    pd.testing.assert_frame_equal(decode(gzip.compress(WIDE.encode()), "", SYNOP).frame, reference)


def test_what_is_passed_over_is_noted():
    notes = decoded(WIDE, {"PS": SYNOP["PS"]}).notes
    assert notes == ("columns not used: TT", "1 of 3 rows hold no value of a mapped column")


@pytest.mark.parametrize(
    ("text", "columns", "field", "words"),
    [
        ("", None, None, "empty"),
        (WIDE, {"PX": {"variable": "msl"}}, "PX", "the file has: SID, LAT"),
        (WIDE, {"PS": {"variable": "pressure"}}, "PS", "unknown variable 'pressure'"),
        (WIDE, {"PS": {"variable": "msl", "unit": "feet"}}, "PS", "unknown unit 'feet'"),
        (WIDE, {"PS": {"coordinate": "depth"}}, "PS", "unknown coordinate 'depth'"),
        (WIDE, {"PS": "msl"}, "PS", "must name either a variable or a coordinate"),
        (WIDE, {"PS": {"variable": ["msl"]}}, "PS", "column map of 'PS': .* one text"),
        (WIDE, {"PS": {"variable": "msl", "error": 10**400}}, "PS", "column map of 'PS'"),
        (WIDE, None, "variable", "no column for variable"),
        (WIDE.replace("LAT", "phi"), SYNOP, "latitude", "no column for latitude"),
        (WIDE.replace("elev", "lat"), SYNOP, "latitude", "could be the latitude"),
        (WIDE.replace("elev", "LAT"), SYNOP, "LAT", "twice"),
    ],
)
def test_a_malformed_file_is_refused_naming_the_field(text, columns, field, words):
    with pytest.raises(MalformedBatch, match=words) as caught:
        decoded(text, columns)
    assert caught.value.field == field


@pytest.mark.parametrize(("good", "bad"), [("2t", "2m"), ("degF", "dF")])
def test_an_unknown_variable_or_unit_rejects_its_rows_and_the_others_stay(good, bad):
    frame = decoded(LONG.replace(good, bad)).frame
    assert frame["qc"].tolist() == [Flag.PASS if row != 2 else Flag.PREQC for row in frame["row"]]
    assert frame["reason"].iloc[1].startswith("unknown ") and repr(bad) in frame["reason"].iloc[1]


@pytest.mark.parametrize("time", ["0001-01-01T00:00Z", "1600-01-01T00:00Z", "9999-01-01T00:00Z"])
def test_a_time_that_cannot_be_kept_is_said_to_lie_outside_the_years_that_can(time):
    text = f"time,lat,lon,variable,value\n{time},50,5,msl,101000\n"
    assert "in the years 1678 to 2261" in decoded(text).frame["reason"].iloc[0]


@pytest.mark.parametrize(
    ("old", "new", "row", "field"), [("06270", "Zürich", 2, "SID"), ("elev", "Höhe", 0, None)]
)
def test_text_that_is_not_utf8_is_refused_naming_row_and_field(old, new, row, field):
    text = WIDE.replace("\n", "\n\n", 1).replace(old, new).encode("latin-1")
    with pytest.raises(MalformedBatch, match="not UTF-8 text") as caught:
        decode(text, "text/csv", SYNOP)
    assert (caught.value.row, caught.value.field) == (row, field)


def test_times_counted_from_an_unknown_epoch_are_refused():
    text = "time,lat,lon,variable,value\n1550404800,50,5,msl,101000\n"
    with pytest.raises(MalformedBatch, match="could count from any epoch"):
        decoded(text)


def test_a_truncated_gzip_file_is_refused():
    with pytest.raises(MalformedBatch, match="gzip"):
        decode(gzip.compress(WIDE.encode() * 50)[:-20], "text/csv", SYNOP)


def test_binary_noise_is_refused():
    with pytest.raises(MalformedBatch, match="header"):
        decode(bytes(range(256)) * 4, "text/csv")


def test_an_unknown_media_type_is_refused():
    with pytest.raises(MalformedBatch, match="no decoder for the media type 'image/png'"):
        decode(b"x", "image/png")


def test_the_real_synop_file_decodes_as_it_is(shared_data):
    found = decode(
        shared_data / "observations/synop_20190217.csv.gz",
        "text/csv",
        {"PS": {"variable": "msl", "unit": "hPa"}},
    )
    assert len(found.frame) == 62_343
    assert (found.frame["qc"] == Flag.PASS).all()
    first = found.frame.iloc[0]
    assert (first["station_id"], first["row"], first["value"], first["elevation"]) == (
        "0001001",
        1,
        100860.0,
        9.0,
    )


def test_the_real_sounding_file_decodes_as_it_is(shared_data):
    frame = decode(shared_data / "observations/temp_20190217.csv.gz", "text/csv", TEMP).frame
    assert frame.groupby("variable").size().to_dict() == {"t": 31_729, "z": 32_918}
    first = frame[(frame["row"] == 1)].set_index("variable")
    np.testing.assert_allclose(first["value"][["z", "t"]], [64.0 * GRAVITY, 268.8])
    assert first["pressure"].tolist() == [100000.0, 100000.0]
