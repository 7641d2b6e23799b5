import numpy as np
import pandas as pd
import pytest

from models.observations.flags import Flag, mark
from models.observations.variables import (
    GRAVITY,
    VARIABLES,
    channel_name,
    channel_names,
    plausible,
    standard_geopotential,
    to_si,
)


@pytest.mark.parametrize(
    ("variable", "unit", "number", "si"),
    [
        ("msl", "hPa", 1013.25, 101325.0),
        ("2t", "degC", 0.0, 273.15),
        ("2t", "degF", 212.0, 373.15),
        ("z", "gpm", 5500.0, 5500 * 9.80665),
        ("10u", "kt", 10.0, 5.14444),
        ("q", "g kg-1", 5.0, 0.005),
        ("2r", "fraction", 0.5, 50.0),
        ("t", None, 250.0, 250.0),
    ],
)
def test_units_are_converted_to_si(variable, unit, number, si):
    scale, offset = to_si(variable, unit)
    assert scale * number + offset == pytest.approx(si, rel=1e-5)


def test_an_unknown_unit_is_refused_naming_what_is_accepted():
    with pytest.raises(ValueError, match=r"unknown unit 'furlong' for geopotential .*gpm"):
        to_si("z", "furlong")


def test_every_variable_accepts_its_own_unit_unchanged():
    assert all(v.units[v.unit] == (1, 0) for v in VARIABLES.values())


def test_standard_geopotential_agrees_with_the_icao_tables():
    heights = standard_geopotential([100000, 85000, 50000, 30000, 10000]) / GRAVITY
    np.testing.assert_allclose(heights, [111, 1457, 5574, 9164, 16180], atol=5)


def test_the_height_of_500_hpa_in_metres_is_not_plausible_as_geopotential():
    low, high = plausible("z", 50000.0)
    assert low < 5500 * GRAVITY < high
    assert not low < 5500 < high


def test_a_channel_is_the_variable_and_its_level_in_hpa():
    assert channel_name("msl", float("nan")) == "msl"
    assert channel_name("z", 50000.0) == "z500"
    assert channel_name("t", 92500.0) == "t925"
    frame = pd.DataFrame({"variable": ["msl", "t"], "pressure": [np.nan, 85000.0]}, index=[4, 9])
    assert channel_names(frame).to_dict() == {4: "msl", 9: "t850"}
    assert channel_names(frame.iloc[:0]).tolist() == []


def test_a_check_changes_only_rows_that_had_passed():
    frame = pd.DataFrame({"qc": np.array([0, 10, 0], dtype="int16"), "reason": ["", "no value", ""]})
    marked = mark(frame, np.array([True, True, False]), Flag.BOUNDS, "too hot")
    assert marked["qc"].tolist() == [12, 10, 0]
    assert marked["reason"].tolist() == ["too hot", "no value", ""]
    assert frame["qc"].tolist() == [0, 10, 0]
