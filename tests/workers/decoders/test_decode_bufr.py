import eccodes
import numpy as np
import pandas as pd
import pytest

from models.observations.flags import Flag
from models.observations.variables import GRAVITY
from workers.decoders import MalformedBatch, decode

NOON = {"#1#year": 2019, "#1#month": 2, "#1#day": 17, "#1#hour": 12, "#1#minute": 0}
DE_BILT = {
    **NOON,
    "#1#blockNumber": 6,
    "#1#stationNumber": 260,
    "#1#latitude": 52.1,
    "#1#longitude": 5.18,
    "#1#heightOfStationGroundAboveMeanSeaLevel": 1.9,
}
SENSOR = "heightOfSensorAboveLocalGroundOrDeckOfMarinePlatform"
SYNOP = {
    **DE_BILT,
    "#1#nonCoordinatePressure": 102010.0,
    "#1#pressureReducedToMeanSeaLevel": 102050.0,
    f"#1#{SENSOR}": 1.5,
    "#1#airTemperature": 281.65,
    "#1#dewpointTemperature": 276.15,
    f"#7#{SENSOR}": 10.0,
    "#1#windDirection": 270,
    "#1#windSpeed": 5.0,
}
TEMP = {
    **DE_BILT,
    "#1#timePeriod": 0,
    "#1#pressure": 100000.0,
    "#1#nonCoordinateGeopotentialHeight": 180,
    "#1#airTemperature": 280.0,
    "#1#windDirection": 180,
    "#1#windSpeed": 4.0,
    "#2#timePeriod": 1200,
    "#2#pressure": 50000.0,
    "#2#nonCoordinateGeopotentialHeight": 5600,
    "#2#latitudeDisplacement": 0.1,
    "#2#longitudeDisplacement": -0.2,
    "#2#airTemperature": 253.2,
    "#2#dewpointTemperature": 240.1,
}


@pytest.fixture
def synop(bufr_message):
    return lambda **changes: bufr_message(0, [307080], {**SYNOP, **changes}, replications=[0, 0])


@pytest.fixture
def temp(bufr_message):
    return bufr_message(2, [309052], TEMP, levels=2, replications=[0])


@pytest.fixture
def aircraft(bufr_message):
    return bufr_message(4, [311001], {})


def values(frame):
    return dict(zip(frame["variable"], frame["value"], strict=True))


def test_a_synop_gives_its_variables_in_si(synop):
    frame = decode(synop(), "application/bufr").frame
    assert values(frame) == pytest.approx(
        {"msl": 102050.0, "sp": 102010.0, "2t": 281.65, "2d": 276.15, "10u": 5.0, "10v": 0.0}, abs=1e-6
    )
    row = frame.iloc[0]
    assert (row["station_id"], row["kind"], row["row"]) == ("06260", "SYNOP", 1)
    assert row["time"] == pd.Timestamp("2019-02-17T12:00Z")
    assert row[["latitude", "longitude", "elevation"]].tolist() == pytest.approx([52.1, 5.18, 1.9])


def test_a_temperature_measured_at_the_ground_is_not_the_2_m_temperature(synop):
    assert "2t" not in values(decode(synop(**{f"#1#{SENSOR}": 0.05})).frame)
    assert "2t" in values(decode(synop(**{f"#1#{SENSOR}": eccodes.CODES_MISSING_DOUBLE})).frame)


def test_a_wind_measured_on_a_tower_is_not_the_10_m_wind(synop):
    assert "10u" not in values(decode(synop(**{f"#7#{SENSOR}": 32.0})).frame)


def test_all_subsets_are_read_compressed_or_not(bufr_message):
    classic = {
        "year": 2019,
        "month": 2,
        "day": 17,
        "hour": 12,
        "blockNumber": 6,
        "latitude": 52.0,
        "longitude": 5.0,
    }
    pressures = [101000.0, 101500.0, 102000.0]
    together = {f"#1#{key}": value for key, value in classic.items()} | {
        "#1#stationNumber": [260, 270, 280],
        "#1#pressureReducedToMeanSeaLevel": pressures,
    }
    apart = {f"#{i}#{key}": value for i in (1, 2, 3) for key, value in classic.items()} | {
        f"#{i}#{key}": value
        for key, column in (("stationNumber", [260, 270, 280]), ("pressureReducedToMeanSeaLevel", pressures))
        for i, value in enumerate(column, start=1)
    }
    one = decode(bufr_message(0, [307005], together, subsets=3, compressed=True)).frame
    many = decode(bufr_message(0, [307005], apart, subsets=3)).frame
    pd.testing.assert_frame_equal(one, many)
    assert one["station_id"].tolist() == ["06260", "06270", "06280"]
    assert one["value"].tolist() == pressures


def test_a_ship_is_known_by_its_call_sign(bufr_message):
    ship = {
        **NOON,
        "#1#shipOrMobileLandStationIdentifier": "DBKL",
        "#1#latitude": 45.0,
        "#1#longitude": -15.0,
        "#1#pressureReducedToMeanSeaLevel": 101300.0,
    }
    frame = decode(bufr_message(1, [308009], ship, replications=[0])).frame
    assert frame[["station_id", "kind", "variable"]].values.tolist() == [["DBKL", "SHIP", "msl"]]


def test_a_sounding_gives_its_levels_where_and_when_the_balloon_was(temp):
    frame = decode(temp).frame
    assert frame.groupby("variable").size().to_dict() == {"z": 2, "t": 2, "td": 1, "u": 1, "v": 1}
    top = frame[frame["pressure"] == 50000.0].set_index("variable")
    assert top["value"].to_dict() == pytest.approx({"z": 5600 * GRAVITY, "t": 253.2, "td": 240.1})
    assert top.loc["z", "time"] == pd.Timestamp("2019-02-17T12:20Z")
    assert top.loc["z", ["latitude", "longitude"]].tolist() == pytest.approx([52.2, 4.98])
    assert frame[frame["variable"] == "v"]["value"].tolist() == pytest.approx([4.0])
    assert set(frame["kind"]) == {"TEMP"}


def test_an_hour_that_is_missing_leaves_the_time_unknown(synop):
    frame = decode(synop(**{"#1#hour": eccodes.CODES_MISSING_LONG})).frame
    assert frame["time"].isna().all()


def test_other_templates_are_refused_by_name(aircraft):
    with pytest.raises(MalformedBatch, match=r"category 4 .*aircraft.*311001.*accepted are SYNOP"):
        decode(aircraft)


def test_soundings_without_temperature_are_refused(bufr_message):
    with pytest.raises(MalformedBatch, match="category 2"):
        decode(bufr_message(2, [309050], NOON, levels=1, replications=[0]))


def test_other_messages_among_reports_are_rejected_rows(synop, aircraft, temp):
    found = decode(synop() + aircraft + temp)
    bad = found.frame[found.frame["qc"] != Flag.PASS]
    assert bad[["row", "qc"]].values.tolist() == [[2, Flag.PREQC]]
    assert "category 4" in bad["reason"].iloc[0]
    assert found.notes == ("1 message was refused",)
    assert set(found.frame["row"]) == {1, 2, 3}


def test_a_report_without_any_of_our_variables_is_noted(bufr_message, synop):
    found = decode(bufr_message(0, [307080], DE_BILT, replications=[0, 0]) + synop())
    assert found.notes == ("1 reports hold no pressure, temperature, humidity or wind",)
    assert set(found.frame["row"]) == {2}


@pytest.mark.parametrize("cut", [10, 60])
def test_a_file_cut_short_is_refused(synop, cut):
    with pytest.raises(MalformedBatch, match="BUFR message 2 is cut short or broken"):
        decode(synop() + synop()[:-cut])


def test_a_file_without_messages_is_refused():
    with pytest.raises(MalformedBatch, match="no BUFR message"):
        decode(b"nothing of the kind", "application/bufr")


def test_a_column_map_is_refused(synop):
    with pytest.raises(MalformedBatch, match="without a column map"):
        decode(synop(), "application/bufr", {"PS": {"variable": "msl"}})


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("ship.bufr", {"msl": 26, "sp": 26, "2t": 26, "2d": 26, "2r": 26, "10u": 26, "10v": 26}),
        ("synop_307103_20230822.bufr", {"2t": 2117}),
        (
            "synop_307xxx_germany_20210516.bufr",
            {"2t": 493, "2d": 492, "2r": 465, "sp": 204, "msl": 185, "10u": 240, "10v": 240},
        ),
        (
            "synop_global_20140112.bufr",
            {"2t": 4805, "2d": 4780, "10u": 4759, "10v": 4759, "sp": 4190, "msl": 4002, "2r": 4},
        ),
        ("temp_hires.bufr", {"z": 448, "t": 448, "td": 448, "u": 448, "v": 448}),
        ("temp_309057.bufr", {"z": 1837, "t": 1836, "td": 1836, "u": 1836, "v": 1836}),
    ],
)
def test_real_files_decode(shared_data, name, counts):
    frame = decode(shared_data / "observations/bufr" / name).frame
    assert (frame["qc"] == Flag.PASS).all()
    assert frame.groupby("variable").size().to_dict() == counts


@pytest.mark.parametrize(
    ("name", "category"),
    [("airep.bufr", 4), ("amdar.bufr", 4), ("amv_a.bufr", 5), ("amv_b.bufr", 5), ("ascat.bufr", 12)],
)
def test_real_files_of_other_kinds_are_refused(shared_data, name, category):
    with pytest.raises(MalformedBatch, match=f"data category {category} "):
        decode(shared_data / "observations/bufr" / name)


@pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")
@pytest.mark.parametrize("name", ["ship.bufr", "temp_hires.bufr"])
def test_real_files_say_the_same_to_pdbufr(shared_data, name):
    """pdbufr's own SYNOP and TEMP readers, an independent way through the same messages."""
    import pdbufr

    path = shared_data / "observations/bufr" / name
    frame = decode(path).frame
    reader, names = (
        ("synop", {"msl": "mslp", "2t": "t2m"}) if name == "ship.bufr" else ("temp", {"z": "z", "t": "t"})
    )
    theirs = pdbufr.read_bufr(str(path), reader=reader)
    for ours, column in names.items():
        mine = frame[frame["variable"] == ours]
        expected = theirs[theirs[column].notna()]
        np.testing.assert_allclose(mine["value"], expected[column].astype(float), rtol=1e-6)
        assert mine["station_id"].tolist() == expected["stnid"].astype(str).tolist()
