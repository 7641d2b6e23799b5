"""Whether fields look like an atmosphere: plausible values, pressure, height and temperature in agreement.

Not a proof of balance, but what a forecaster would notice first. The geopotential of 500 hPa and the mean sea
level pressure give the mean (virtual) temperature of the layer between (hypsometric equation)

    T_mean = z500 / (R_d ln(msl / 500 hPa)),

and the temperature at 850 hPa, low in that layer, is a few kelvin above it (ERA-Interim over Europe, 2000 to
2010: 7.5 ± 2.2 K, never outside -3..18.4 K). The geostrophic wind at 500 hPa stays below 120 m/s (there: 79).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from models.observations.variables import plausible
from models.state.channels import channel
from models.state.grid import Grid

DRY_AIR = 287.05
"""Gas constant, J kg-1 K-1."""
EARTH_RADIUS = 6.371e6
ROTATION = 7.2921e-5
LAPSE_RANGE = (-10.0, 25.0)
"""Believable t850 - T_mean, K."""
WIND_LIMIT = 120.0
"""Believable geostrophic wind at 500 hPa, m/s."""


def consistency(fields: ArrayLike, channels: Sequence[str], grid: Grid) -> dict[str, float]:
    """Fraction of grid values, over all leading axes, that break each rule; 0 is good.

    Args:
        fields: SI units, (..., C, H, W).
        channels: names of the C channels.
        grid: of the fields.

    Returns:
        "not_finite", "bounds.<channel>" for every channel, and, where msl, z500 and t850 allow,
        "hypsometric" (t850 against the layer's mean temperature) and "geostrophic_wind".
    """
    x = np.asarray(fields, dtype=np.float64)
    result = {"not_finite": float(np.mean(~np.isfinite(x)))}
    at = {name: x[..., i, :, :] for i, name in enumerate(channels)}
    for name, field in at.items():
        known = channel(name)
        low, high = plausible(known.variable, np.nan if known.level is None else known.level * 100.0)
        result[f"bounds.{name}"] = float(np.mean((field < low) | (field > high)))
    if {"msl", "z500", "t850"} <= at.keys():
        excess = at["t850"] - at["z500"] / (DRY_AIR * np.log(at["msl"] / 50_000))
        result["hypsometric"] = float(np.mean((excess < LAPSE_RANGE[0]) | (excess > LAPSE_RANGE[1])))
    if "z500" in at:
        wind = geostrophic_wind(at["z500"], grid)
        result["geostrophic_wind"] = float(np.mean(wind > WIND_LIMIT)) if wind.size else 0.0
    return result


def geostrophic_wind(geopotential: ArrayLike, grid: Grid) -> np.ndarray:
    """Geostrophic wind speed (m/s) by central differences, inside the outline and poleward of 20 degrees.

    Args:
        geopotential: m2 s-2, (..., H, W).
        grid: of the field.

    Returns:
        (..., rows, W - 2), with the rows between 20 and 85 degrees that have neighbours.
    """
    return np.hypot(*geostrophic(geopotential, grid, rows_between(grid, 20, 85)))


def rows_between(grid: Grid, low: float, high: float) -> np.ndarray:
    """Rows that have neighbours on both sides, between two latitudes of either hemisphere, in degrees."""
    rows = np.arange(1, grid.latitude.size - 1)
    latitude = np.abs(grid.latitude[rows])
    return rows[(latitude > low) & (latitude < high)]


def geostrophic(geopotential: ArrayLike, grid: Grid, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Geostrophic wind to the east and to the north, m/s, by central differences.

    u_g = -dPhi/dphi / (f a),  v_g = dPhi/dlambda / (f a cos phi).

    Args:
        geopotential: m2 s-2, (..., H, W).
        grid: with its latitudes, and its spacing of longitudes.
        rows: that have neighbours on both sides, none at the equator.

    Returns:
        Twice (..., rows, W - 2): of columns that have neighbours.
    """
    z, lat = np.asarray(geopotential, dtype=np.float64), np.deg2rad(grid.latitude)
    fa = 2 * ROTATION * EARTH_RADIUS * np.sin(lat[rows])[:, None]
    north = (z[..., rows - 1, 1:-1] - z[..., rows + 1, 1:-1]) / (lat[rows - 1] - lat[rows + 1])[:, None]
    east = (z[..., rows, 2:] - z[..., rows, :-2]) / (
        2 * np.deg2rad(grid.spacing) * np.cos(lat[rows])[:, None]
    )
    return -north / fa, east / fa
