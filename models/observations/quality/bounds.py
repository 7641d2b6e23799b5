"""Bounds check: is the report complete, and can its numbers be true?

What is missing is MISSING, what cannot be is BOUNDS, what lies outside an area of interest is DOMAIN. A wrong
unit and swapped coordinates are the usual causes: the reason names them where they would explain the number.
"""

import numpy as np
import pandas as pd

from models.observations.flags import Flag, mark
from models.observations.variables import GRAVITY, PRESSURE_BOUNDS, VARIABLES, plausible

EARLIEST = pd.Timestamp("1850-01-01", tz="UTC")
EARLY_REPORT = pd.Timedelta("1h")
"""Reports carry their nominal hour and may arrive a little before it."""
ELEVATIONS = (-450.0, 9000.0)

Box = tuple[float, float, float, float]
"""West, south, east, north (degrees); west > east crosses the date line."""


def bounds(frame: pd.DataFrame, domain: Box | None = None) -> pd.DataFrame:
    """Flag incomplete and impossible rows, and with a `domain` those outside it.

    A pure function of the observation table, see `models.observations.flags`.
    """
    out = _missing(frame)
    out = _position(out)
    out = _time(out)
    out = _pressure(out)
    out = _value(out)
    error = out["error"].to_numpy()
    out = mark(out, (error <= 0) | np.isinf(error), Flag.BOUNDS, "the error must be positive and finite")
    return out if domain is None else _domain(out, domain)


def _missing(frame: pd.DataFrame) -> pd.DataFrame:
    out = frame
    for name in ("time", "latitude", "longitude", "variable", "value"):
        empty = out[name].isna() | (out[name] == "") if name == "variable" else out[name].isna()
        out = mark(out, empty, Flag.MISSING, f"no {name}")
    aloft = out["variable"].isin([v.name for v in VARIABLES.values() if v.aloft])
    reason = out["variable"] + " needs the pressure of its level"
    return mark(out, aloft & out["pressure"].isna(), Flag.MISSING, reason)


def _position(frame: pd.DataFrame) -> pd.DataFrame:
    lat, lon = frame["latitude"], frame["longitude"]
    beyond = lat.abs() > 90
    reason = "latitude " + lat.map("{:g}".format).astype("str") + " is impossible"
    swapped = np.where((lat.abs() <= 180) & (lon.abs() <= 90), "; latitude and longitude look swapped", "")
    out = mark(frame, beyond, Flag.BOUNDS, reason + swapped)
    low, high = ELEVATIONS
    height = out["elevation"]
    impossible = f"an elevation outside {low:g} to {high:g} m is impossible"
    return mark(out, (height < low) | (height > high), Flag.BOUNDS, impossible)


def _time(frame: pd.DataFrame) -> pd.DataFrame:
    out = mark(frame, frame["time"] < EARLIEST, Flag.BOUNDS, f"the time is before {EARLIEST:%Y}")
    future = out["time"] > out["received_at"] + EARLY_REPORT
    return mark(out, future, Flag.BOUNDS, "the time is in the future: later than the report was received")


def _pressure(frame: pd.DataFrame) -> pd.DataFrame:
    p = frame["pressure"]
    known = frame["variable"].isin(list(VARIABLES))
    out = mark(frame, ~known, Flag.BOUNDS, "unknown variable " + frame["variable"])
    surface = out["variable"].isin([v.name for v in VARIABLES.values() if not v.aloft])
    out = mark(
        out,
        surface & p.notna(),
        Flag.BOUNDS,
        out["variable"] + " is measured at the station: it takes no pressure of a level",
    )
    low, high = PRESSURE_BOUNDS
    wrong = (p < low) | (p > high)
    reason = "pressure " + p.map("{:g}".format).astype("str") + f" Pa is outside {low:g} to {high:g}"
    was_pa = np.where((p / 100).between(low, high), "; it may already have been in Pa", "")
    return mark(out, wrong, Flag.BOUNDS, reason + was_pa)


def _value(frame: pd.DataFrame) -> pd.DataFrame:
    value, pressure = frame["value"].to_numpy(), frame["pressure"].to_numpy()
    wrong = np.zeros(len(frame), dtype=bool)
    reasons = np.full(len(frame), "", dtype=object)
    for name in set(frame["variable"]) & set(VARIABLES):
        rows = np.flatnonzero(frame["variable"] == name)
        low, high = plausible(name, pressure[rows])
        bad = ~((value[rows] >= low) & (value[rows] <= high))
        wrong[rows[bad]] = True
        for row, bottom, top in zip(rows[bad], low[bad], high[bad], strict=True):
            shown = f"{value[row]:g} {VARIABLES[name].unit}".removesuffix(" 1")
            reasons[row] = f"{name} = {shown} is outside the plausible {bottom:g} to {top:g}"
            reasons[row] += _guess(name, value[row], pressure[row])
    return mark(frame, wrong, Flag.BOUNDS, reasons)


def _guess(name: str, value: float, pressure: float) -> str:
    """Which unit would make the number plausible, as the end of a sentence."""

    def fits(number: float, level: float = pressure) -> bool:
        low, high = plausible(name, level)
        return bool(low <= number <= high)

    variable = VARIABLES[name]
    if not abs(value) < 1e30:
        return ""
    for unit, (scale, offset) in variable.units.items():
        if fits(scale * value + offset):
            return f"; it would be plausible in {unit}"
    if len(variable.units) > 1:  # the commonest other unit comes second
        unit, (scale, offset) = list(variable.units.items())[1]
        if fits((value - offset) / scale):
            return f"; it looks as if it was in {variable.unit} already, not in {unit}"
    if name == "z" and (fits(value, pressure * 100) or fits(value * GRAVITY, pressure * 100)):
        return "; it would be plausible if the pressure of the level were in hPa"
    return ""


def _domain(frame: pd.DataFrame, domain: Box) -> pd.DataFrame:
    lat, lon = frame["latitude"].to_numpy(), frame["longitude"].to_numpy()
    outside = ~inside(lat, lon, domain)
    if not outside.any():
        return frame
    west, south, east, north = domain
    reason = f"outside the domain ({south:g} to {north:g} N, {west:g} to {east:g} E)"
    swapped = f"{reason}, but inside it with latitude and longitude swapped"
    return mark(frame, outside, Flag.DOMAIN, np.where(inside(lon, lat, domain), swapped, reason))


def inside(latitude: np.ndarray, longitude: np.ndarray, box: Box) -> np.ndarray:
    """Boolean: which positions lie in `box`, its edges included; longitudes in any convention."""
    west, south, east, north = box
    width = 360.0 if east - west >= 360 else (east - west) % 360
    return (latitude >= south) & (latitude <= north) & ((longitude - west) % 360 <= width)
