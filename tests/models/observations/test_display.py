"""Numbers shown to people."""

import pytest

from models.observations.display import display, display_unit


def test_values_are_shown_in_the_units_forecasters_use() -> None:
    assert display("msl", 101325.0) == "1013.2 hPa"
    assert display("z", 5500 * 9.80665) == "5500 gpm"
    assert display("t", 273.15) == "273.1 K"
    assert display("q", 0.00512) == "5.12 g kg-1"


def test_an_unknown_variable_is_named() -> None:
    with pytest.raises(ValueError, match="unknown variable 'xyz'"):
        display_unit("xyz")


def test_a_number_without_dimension_is_shown_as_one() -> None:
    assert display("lorenz_x", -3.14) == "-3.1"
