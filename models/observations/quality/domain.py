"""Domain check: an observation must lie where, when and in what the prior knows the atmosphere."""

from collections.abc import Collection

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.observations.flags import Flag, mark
from models.observations.variables import channel_names
from models.state.grid import Grid

SOUNDINGS = ("TEMP", "PILOT")
ASCENT = pd.Timedelta(minutes=90)
"""Balloons for HH UTC leave from HH - 75 min on and rise for up to two hours (docs/decisions/0005)."""


def analysis_index(
    frame: pd.DataFrame, times: pd.DatetimeIndex, tolerance: pd.Timedelta
) -> NDArray[np.int64]:
    """Position in `times` of the analysis time nearest to each observation, -1 beyond the tolerance.

    Args:
        frame: observation table; its columns `time` and `kind` count.
        times: analysis times, UTC, ascending; halfway between two, the earlier counts.
        tolerance: largest distance, inclusive; of soundings at least `ASCENT`.
    """
    index, distance = _nearest(frame["time"], times)
    return np.where(distance <= _allowed(frame, tolerance), index, -1)


def domain(frame: pd.DataFrame, grid: Grid, times: pd.DatetimeIndex, tolerance: pd.Timedelta) -> pd.DataFrame:
    """Flag DOMAIN on rows outside the grid's outline or too far from every analysis time.

    Args:
        frame: observation table.
        grid: the prior's grid.
        times: analysis times, UTC, ascending.
        tolerance: how far from an analysis time an observation still counts for it; of soundings at least
            `ASCENT`.
    """
    lat, lon = frame["latitude"].to_numpy(), frame["longitude"].to_numpy()
    area = _area(grid)
    outside = ~grid.contains(lat, lon)
    reasons = np.full(len(frame), "", dtype=object)
    for i in np.flatnonzero(outside):
        where = f"{_degrees(lat[i], 'NS')} {_degrees(lon[i], 'EW')}"
        reasons[i] = f"{where} is outside the prior's area, {area}"
    out = mark(frame, outside, Flag.DOMAIN, reasons)
    index, distance = _nearest(frame["time"], times)
    allowed = _allowed(frame, tolerance)
    never = (index < 0) | (distance > allowed)
    reasons = np.full(len(frame), "no analysis time to belong to", dtype=object)
    clock = frame["time"].dt.strftime("%Y-%m-%d %H:%MZ").to_numpy(dtype=object)
    nearest = times.strftime("%Y-%m-%d %H:%MZ")
    for i in np.flatnonzero(never & ~outside & (index >= 0)):
        minutes = distance[i] / 6e10
        reasons[i] = (
            f"{clock[i]} is {minutes:.0f} min from the nearest analysis time, {nearest[index[i]]}; "
            f"{allowed[i] / 6e10:g} min are allowed"
        )
    return mark(out, never, Flag.DOMAIN, reasons)


def known_channels(frame: pd.DataFrame, channels: Collection[str]) -> pd.DataFrame:
    """Flag EXCLUDED on rows whose channel (such as 't700') the prior does not hold."""
    names = channel_names(frame)
    reason = "the prior has no " + names + "; it holds " + ", ".join(channels)
    return mark(frame, ~names.isin(list(channels)), Flag.EXCLUDED, reason)


def _allowed(frame: pd.DataFrame, tolerance: pd.Timedelta) -> NDArray[np.int64]:
    """How far each row may lie from its analysis time, nanoseconds, (n,)."""
    return np.where(frame["kind"].isin(SOUNDINGS), max(tolerance, ASCENT).value, tolerance.value)


def _nearest(time: pd.Series, times: pd.DatetimeIndex) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Index of the nearest analysis time (-1 if there is none) and the distance to it in nanoseconds."""
    t = time.dt.as_unit("ns").astype("int64").to_numpy()
    if len(times) == 0:
        return np.full(len(t), -1), np.zeros(len(t), dtype=np.int64)
    nodes = times.as_unit("ns").asi8
    if (np.diff(nodes) <= 0).any():
        raise ValueError("analysis times must be ascending and different")
    after = np.clip(np.searchsorted(nodes, t), 1, len(nodes) - 1) if len(nodes) > 1 else np.zeros(len(t), int)
    before = np.maximum(after - 1, 0)
    index = np.where(t - nodes[before] <= nodes[after] - t, before, after)
    return index, np.abs(t - nodes[index])


def _area(grid: Grid) -> str:
    lat = grid.latitude_edges if grid.periodic else grid.latitude
    lon = (grid.longitude + 180) % 360 - 180
    south, north = _degrees(lat[-1], "NS"), _degrees(lat[0], "NS")
    if grid.periodic:
        return "the globe" if lat[0] - lat[-1] > 170 else f"{south} to {north}"
    return f"{south} to {north}, {_degrees(lon[0], 'EW')} to {_degrees(lon[-1], 'EW')}"


def _degrees(value: float, letters: str) -> str:
    return f"{abs(value):g}°{letters[int(value < 0)]}"
