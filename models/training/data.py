"""Training data: states of a CF data set, checked before the first step."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from models.state.grid import Grid
from models.training.source import Source, field


@dataclass(frozen=True, eq=False)
class States:
    """A series of states: `times` (N,), `values` (N, C, H, W) float32 in SI units, on `grid`."""

    times: pd.DatetimeIndex
    values: np.ndarray
    grid: Grid

    def of_years(self, years: list[int]) -> np.ndarray:
        """Mask (N,) of the states in these years."""
        return np.isin(self.times.year, years)


def open_states(data: Source | Path | str, channels: list[str], patch: int = 1) -> States:
    """Reads the channels of a NetCDF or GRIB file or a Zarr store with dimensions time, latitude, longitude.

    A channel is a variable of that name (`z500`), or a level of an upper-air variable (`z` with a `level`
    coordinate); names and order of points are those of `models.training.source`. Rows in the south and, of
    a limited area, columns in the east that do not fill a patch are left out.

    Raises:
        ValueError: a channel or dimension is missing, times are not increasing, or a value is not finite.
    """
    source = Source.of(data)
    dataset, path = source.open(), source.data
    grid = Grid(dataset.latitude.values, dataset.longitude.values)
    height, width = (size - size % patch for size in grid.shape)
    dataset = dataset.isel(latitude=slice(height), longitude=slice(None if grid.periodic else width))
    fields = [field(dataset, name, path) for name in channels]
    values = np.stack([f.transpose("time", "latitude", "longitude").values for f in fields], axis=1)
    times = pd.DatetimeIndex(dataset.time.values)
    if not times.is_monotonic_increasing or times.has_duplicates:
        raise ValueError(f"{path}: times must increase without repeats")
    bad = ~np.isfinite(values)
    if bad.any():
        n, c = np.argwhere(bad)[0][:2]
        raise ValueError(
            f"{path}: {channels[c]} is not finite at {times[n]} ({int(bad.sum())} values in all)"
        )
    return States(times, values.astype(np.float32), Grid(dataset.latitude.values, dataset.longitude.values))


def window_starts(times: pd.DatetimeIndex, mask: np.ndarray, window: int, step_hours: int) -> Tensor:
    """Indices i such that states i ... i+window-1 are all in `mask` and `step_hours` apart, (M,) int64."""
    last = len(times) - window + 1
    hours = np.asarray((times - times[0]) / pd.Timedelta(hours=1))
    index = np.arange(last)[:, None] + np.arange(window)
    even = (np.diff(hours[index], axis=1) == step_hours).all(axis=1)
    return torch.from_numpy(np.flatnonzero(even & mask[index].all(axis=1)))
