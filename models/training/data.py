"""Training data: states of a CF data set, checked before the first step."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import xarray as xr
from torch import Tensor

from models.state.channels import channel
from models.state.grid import Grid


@dataclass(frozen=True, eq=False)
class States:
    """A series of states: `times` (N,), `values` (N, C, H, W) float32 in SI units, on `grid`."""

    times: pd.DatetimeIndex
    values: np.ndarray
    grid: Grid

    def of_years(self, years: list[int]) -> np.ndarray:
        """Mask (N,) of the states in these years."""
        return np.isin(self.times.year, years)


def open_states(path: Path | str, channels: list[str]) -> States:
    """Reads the channels of a NetCDF or GRIB file or a Zarr store with dimensions time, latitude, longitude.

    A channel is a variable of that name (`z500`), or a level of an upper-air variable (`z` with a `level` or
    `isobaricInhPa` coordinate). Latitude is flipped to run north to south where it does not.

    Raises:
        ValueError: a channel or dimension is missing, times are not increasing, or a value is not finite.
    """
    dataset = open_dataset(str(path))
    fields = [field(dataset, name, str(path)) for name in channels]
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


def open_dataset(source: str) -> xr.Dataset:
    """A NetCDF or GRIB file or a Zarr store, from north to south.

    Raises:
        ValueError: it has no time, latitude or longitude.
    """
    dataset = _open(source)
    for name in ("time", "latitude", "longitude"):
        if name not in dataset.coords:
            raise ValueError(f"{source}: no coordinate {name!r}; it has {sorted(map(str, dataset.coords))}")
    return dataset.sortby("latitude", ascending=False)


def _open(source: str) -> xr.Dataset:
    if source.rstrip("/").endswith(".zarr"):
        return xr.open_zarr(source)
    if not source.endswith((".grib", ".grib1", ".grib2", ".grb", ".grb1", ".grb2")):
        return xr.open_dataset(source)
    dataset = xr.open_dataset(source, engine="cfgrib", backend_kwargs={"indexpath": ""})
    return dataset.rename({name: dataset[name].attrs["GRIB_shortName"] for name in dataset.data_vars})


def field(dataset: xr.Dataset, name: str, source: str) -> xr.DataArray:
    """The field of a channel: the variable of that name, or a level of an upper-air variable.

    Raises:
        ValueError: there is none; names what there is.
    """
    if name in dataset:
        return dataset[name]
    wanted = channel(name)
    for level in ("level", "isobaricInhPa"):
        if wanted.level is not None and wanted.variable in dataset and level in dataset[wanted.variable].dims:
            return dataset[wanted.variable].sel({level: wanted.level}).rename(name)
    raise ValueError(f"{source}: no {name}; it has {sorted(map(str, dataset.data_vars))}")


def window_starts(times: pd.DatetimeIndex, mask: np.ndarray, window: int, step_hours: int) -> Tensor:
    """Indices i such that states i ... i+window-1 are all in `mask` and `step_hours` apart, (M,) int64."""
    last = len(times) - window + 1
    hours = np.asarray((times - times[0]) / pd.Timedelta(hours=1))
    index = np.arange(last)[:, None] + np.arange(window)
    even = (np.diff(hours[index], axis=1) == step_hours).all(axis=1)
    return torch.from_numpy(np.flatnonzero(even & mask[index].all(axis=1)))
