"""The observed variables: units, plausible values, default errors.

Names are ECMWF short names (https://codes.ecmwf.int/grib/param-db/); `td`, the dew point aloft, has none in
use and takes the usual letters. Values are kept in the unit of the `unit` field: SI, and % for relative
humidity as ECMWF does. Geopotential metres are multiplied by the WMO's 9.80665 m s-2. The variables of the
classical problems (`models.classical`) have no dimension; their bounds are twice what the attractors reach.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

GRAVITY = 9.80665
"""Standard gravity (m s-2): geopotential = GRAVITY x geopotential height (WMO No. 8)."""

Conversion = tuple[float, float]
"""(scale, offset): SI value = scale x value + offset. Below, the commonest unit besides SI comes second."""

_PRESSURE: Mapping[str, Conversion] = {
    "Pa": (1, 0),
    "hPa": (100, 0),
    "mbar": (100, 0),
    "mb": (100, 0),
    "kPa": (1000, 0),
}
_TEMPERATURE: Mapping[str, Conversion] = {
    "K": (1, 0),
    "degC": (1, 273.15),
    "°C": (1, 273.15),
    "C": (1, 273.15),
    "degF": (5 / 9, 273.15 - 32 * 5 / 9),
}
_WIND: Mapping[str, Conversion] = {
    "m s-1": (1, 0),
    "m/s": (1, 0),
    "km/h": (1 / 3.6, 0),
    "kt": (1852 / 3600, 0),
    "knots": (1852 / 3600, 0),
}
_PERCENT: Mapping[str, Conversion] = {"%": (1, 0), "fraction": (100, 0), "1": (100, 0)}
_GEOPOTENTIAL: Mapping[str, Conversion] = {
    "m2 s-2": (1, 0),
    "gpm": (GRAVITY, 0),
    "gpdam": (10 * GRAVITY, 0),
    "m**2 s**-2": (1, 0),
}
_NUMBER: Mapping[str, Conversion] = {"1": (1, 0)}
_HUMIDITY: Mapping[str, Conversion] = {
    "kg kg-1": (1, 0),
    "g kg-1": (1e-3, 0),
    "g/kg": (1e-3, 0),
    "kg/kg": (1, 0),
    "1": (1, 0),
}

LENGTHS: Mapping[str, Conversion] = {"m": (1, 0), "km": (1000, 0), "ft": (0.3048, 0)}
"""Units of a station's elevation."""

PRESSURES = _PRESSURE
"""Units of the pressure coordinate."""

PRESSURE_BOUNDS = (1.0, 110_000.0)
"""Plausible pressure coordinates (Pa)."""


@dataclass(frozen=True)
class Variable:
    """One observable quantity: `bounds` are plausible values, `error` a default standard deviation."""

    name: str
    title: str
    unit: str
    units: Mapping[str, Conversion]
    bounds: tuple[float, float]
    error: float
    aloft: bool
    """Observed on a pressure level (and then needs a pressure), rather than at the station."""


VARIABLES: dict[str, Variable] = {
    v.name: v
    for v in (
        Variable("msl", "mean sea level pressure", "Pa", _PRESSURE, (85_000, 110_000), 100.0, False),
        Variable("sp", "surface pressure", "Pa", _PRESSURE, (40_000, 110_000), 100.0, False),
        Variable("2t", "2 m temperature", "K", _TEMPERATURE, (173.15, 333.15), 1.5, False),
        Variable("2d", "2 m dew point", "K", _TEMPERATURE, (160.0, 313.15), 2.0, False),
        Variable("2r", "2 m relative humidity", "%", _PERCENT, (1.1, 105.0), 10.0, False),
        Variable("10u", "10 m eastward wind", "m s-1", _WIND, (-100, 100), 2.0, False),
        Variable("10v", "10 m northward wind", "m s-1", _WIND, (-100, 100), 2.0, False),
        Variable("z", "geopotential", "m2 s-2", _GEOPOTENTIAL, (-20_000, 600_000), 12 * GRAVITY, True),
        Variable("t", "temperature", "K", _TEMPERATURE, (150.0, 335.0), 1.2, True),
        Variable("q", "specific humidity", "kg kg-1", _HUMIDITY, (0.0, 0.05), 1e-3, True),
        Variable("u", "eastward wind", "m s-1", _WIND, (-200, 200), 2.5, True),
        Variable("v", "northward wind", "m s-1", _WIND, (-200, 200), 2.5, True),
        Variable("r", "relative humidity", "%", _PERCENT, (0.0, 150.0), 15.0, True),
        Variable("td", "dew point", "K", _TEMPERATURE, (100.0, 313.15), 3.0, True),
        Variable("lorenz_x", "X of a Lorenz model", "1", _NUMBER, (-40, 40), 1.0, False),
        Variable("lorenz_y", "Y of a Lorenz model", "1", _NUMBER, (-60, 60), 1.0, False),
        Variable("lorenz_z", "Z of a Lorenz model", "1", _NUMBER, (-40, 100), 1.0, False),
        Variable("flow_u", "velocity along x of a model flow", "1", _NUMBER, (-20, 20), 0.1, False),
        Variable("flow_v", "velocity along y of a model flow", "1", _NUMBER, (-20, 20), 0.1, False),
    )
}


def to_si(variable: str, unit: str | None) -> Conversion:
    """(scale, offset) from `unit` to the variable's own unit; no unit means it already is in it.

    Raises ValueError, naming what is accepted, for an unknown variable or unit.
    """
    known = VARIABLES.get(variable)
    if known is None:
        raise ValueError(f"unknown variable {variable!r}; known: {', '.join(VARIABLES)}")
    return conversion(known.units, unit or known.unit, f"{known.title} ({variable})")


def conversion(units: Mapping[str, Conversion], unit: str, what: str) -> Conversion:
    """Look `unit` up in `units`, or raise ValueError naming what is accepted for `what`."""
    if unit not in units:
        raise ValueError(f"unknown unit {unit!r} for {what}; accepted: {', '.join(units)}")
    return units[unit]


def standard_geopotential(pressure: npt.ArrayLike) -> np.ndarray:
    """Geopotential (m2 s-2) of pressures (Pa) in the ICAO standard atmosphere, isothermal above 226 hPa."""
    p = np.asarray(pressure, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        below = 44_330.77 * (1 - (p / 101_325) ** 0.190263)
        above = 11_000 + 6_341.6 * np.log(22_632 / p)
    return GRAVITY * np.where(p > 22_632, below, above)


def plausible(variable: str, pressure: npt.ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest plausible value, one each per pressure (Pa, NaN at the surface).

    Geopotential is bounded around the standard atmosphere, by 600 gpm plus 12 % of the height: wide enough
    for the polar vortex and a typhoon, narrow enough to tell gpm from m2 s-2 above 925 hPa.
    """
    p = np.asarray(pressure, dtype=np.float64)
    low, high = VARIABLES[variable].bounds
    if variable != "z":
        return np.full(p.shape, low), np.full(p.shape, high)
    middle = standard_geopotential(p)
    margin = 600 * GRAVITY + 0.12 * np.abs(middle)
    with np.errstate(invalid="ignore"):
        return np.fmax(middle - margin, low), np.fmin(middle + margin, high)


def channel_name(variable: str, pressure: float) -> str:
    """Channel of one observation: 'msl' at the surface (pressure NaN), 'z500' for z at 50000 Pa."""
    return variable if np.isnan(pressure) else f"{variable}{pressure / 100:g}"


def channel_names(frame: pd.DataFrame) -> pd.Series:
    """Channel of every row of the observation table (text, on the frame's index)."""
    levels = frame["pressure"].map(lambda p: "" if np.isnan(p) else f"{p / 100:g}").astype("str")
    return (frame["variable"] + levels).astype("str")
