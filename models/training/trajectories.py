"""Training data too large for memory: a long trajectory, standardised once, then read at random.

States are read from a CF Zarr store a block at a time (Dask reads and decompresses in parallel). The mean map
and the standard deviation of each channel about it come first; then every state, less the map and in units of
those, is kept in half precision in one file that is mapped into memory. An interrupted run goes on with the
next block.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import xarray as xr
from torch import Tensor

from models.state.grid import Grid
from models.state.time import year_fraction
from models.training.data import field, open_dataset

BLOCK = 2**27  # bytes read at a time, in double precision
STATIC = ("orography", "lsm")
Tick = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Trajectories:
    """A standardised trajectory.

    Attributes:
        times: of its states, equally far apart, (N,).
        grid: of the fields.
        static: orography and land, standardised, (2, H, W).
        mean, std: per channel, SI units, (C,).
        climate: mean map less `mean`, in units of `std`, (C, H, W) float32.
        anomalies: states less the mean map, in units of `std`, (N, C, H, W) float16, mapped.
    """

    times: pd.DatetimeIndex
    grid: Grid
    static: Tensor
    mean: np.ndarray
    std: np.ndarray
    climate: Tensor
    anomalies: np.ndarray

    def states(self, rows: Tensor) -> Tensor:
        """Standardised states at positions (n,): (n, C, H, W) float32."""
        return torch.from_numpy(self.anomalies[rows.numpy()].astype(np.float32)) + self.climate

    @cached_property
    def year_fraction(self) -> Tensor:
        """When in the year the states are, (N,)."""
        return torch.from_numpy(year_fraction(self.times))

    @cached_property
    def years(self) -> Tensor:
        """The year of each state, (N,) int64."""
        return torch.from_numpy(self.times.year.to_numpy().astype(np.int64))

    def of_years(self, years: list[int]) -> Tensor:
        """Positions of the states in these years."""
        return torch.from_numpy(np.flatnonzero(np.isin(self.times.year, years)))


def prepare(
    data: Path | str,
    channels: list[str],
    step_hours: int,
    years: dict[str, list[int]],
    folder: Path,
    tick: Tick = lambda done, of: None,
) -> Trajectories:
    """Opens the trajectory in a CF Zarr store, and standardises it by its training years.

    Arguments:
        step_hours: between states.
        years: of each set; those to `train` on give the normalisation.
        folder: for `normalisation.npz` and `anomalies.npy`.
        tick: called after each block with the number of states read and how many there are to read.

    Raises:
        ValueError: a channel, static field or year is missing or constant, states are not `step_hours` apart,
            longitudes do not go round the Earth, a value is not finite, or `folder` is of other data.
    """
    dataset = open_dataset(str(data))
    times = pd.DatetimeIndex(dataset.time.values)
    if len(times) < 2 or (np.diff(times) != np.timedelta64(step_hours, "h")).any():
        raise ValueError(f"{data}: states are not {step_hours} h apart throughout")
    for name, wanted in years.items():
        if missing := sorted(set(wanted) - set(times.year)):
            raise ValueError(f"{data}: no states of {', '.join(map(str, missing))}, to {name} on")
    fields = [field(dataset, name, str(data)) for name in channels]
    grid = Grid(dataset.latitude.values, dataset.longitude.values)
    if not grid.periodic:
        raise ValueError(f"{data}: longitudes do not go round the Earth")
    static = _static(dataset, str(data))
    learnt = np.flatnonzero(np.isin(times.year, years["train"]))
    whole = len(learnt) + len(times)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "normalisation.npz"
    if not path.exists():
        _save(path, _normalisation(fields, learnt, grid, lambda n: tick(n, whole)))
    with np.load(path) as saved:
        mean, std, climate = (saved[name] for name in ("mean", "std", "climate"))
    offset, unit = climate * std[:, None, None] + mean[:, None, None], std[:, None, None]
    anomalies = _standardise(fields, offset, unit, folder, lambda n: tick(len(learnt) + n, whole))
    return Trajectories(times, grid, static, mean, std, torch.tensor(climate, dtype=torch.float32), anomalies)


def _static(dataset: xr.Dataset, data: str) -> Tensor:
    """Orography and land, standardised, (2, H, W)."""
    for name in STATIC:
        if name not in dataset:
            known = sorted(map(str, dataset.data_vars))
            raise ValueError(f"{data}: no static field {name!r}; it has {known}")
    fields = [dataset[name].transpose("latitude", "longitude").values for name in STATIC]
    static = torch.tensor(np.stack(fields), dtype=torch.float32)
    std = static.std((1, 2), keepdim=True)
    for name, spread in zip(STATIC, std.flatten().tolist(), strict=True):
        if not spread > 0:  # not even NaN is
            raise ValueError(f"{data}: {name} is the same everywhere, or not finite somewhere")
    return (static - static.mean((1, 2), keepdim=True)) / std


def _read(fields: list[xr.DataArray], rows: slice) -> np.ndarray:
    """States (n, C, H, W), float64.

    Raises:
        ValueError: a value is not finite; names channel and time.
    """
    parts = [f.isel(time=rows).transpose("time", "latitude", "longitude") for f in fields]
    block = np.stack([p.values for p in parts], axis=1).astype(np.float64)
    if not np.isfinite(block).all():
        n, c = np.argwhere(~np.isfinite(block))[0][:2]
        raise ValueError(f"{fields[c].name} is not finite at {pd.Timestamp(parts[c].time.values[n])}")
    return block


def _normalisation(
    fields: list[xr.DataArray], learnt: np.ndarray, grid: Grid, tick: Callable[[int], None]
) -> dict[str, np.ndarray]:
    """Mean map, and per channel its mean and the standard deviation about it; areas weigh."""
    first, second, count, weight = 0.0, 0.0, 0, grid.area_weights
    for rows in _runs(learnt, _block(fields)):
        block = _read(fields, rows)
        first, second, count = first + block.sum(0), second + (block**2).sum(0), count + len(block)
        tick(count)
    mean_map = np.asarray(first) / count
    variance = np.asarray(second) / count - mean_map**2
    mean = (mean_map * weight).mean((1, 2))
    std = np.sqrt((variance * weight).mean((1, 2)).clip(0))
    if not (std > 1e-7 * np.abs(mean)).all():
        raise ValueError(f"{fields[int((std - 1e-7 * np.abs(mean)).argmin())].name} never changes")
    return {"mean": mean, "std": std, "climate": (mean_map - mean[:, None, None]) / std[:, None, None]}


def _runs(rows: np.ndarray, most: int) -> list[slice]:
    """Consecutive positions as slices of at most `most`."""
    runs = np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1)
    return [
        slice(int(part[0]), int(part[-1]) + 1)
        for run in runs
        for part in np.array_split(run, -(-len(run) // most))
    ]


def _block(fields: list[xr.DataArray]) -> int:
    """States in a block."""
    return max(1, BLOCK // (8 * len(fields) * fields[0].isel(time=0).size))


def _standardise(
    fields: list[xr.DataArray],
    offset: np.ndarray,
    unit: np.ndarray,
    folder: Path,
    tick: Callable[[int], None],
) -> np.ndarray:
    path, marker = folder / "anomalies.npy", folder / "anomalies.json"
    shape = (fields[0].sizes["time"], *offset.shape)
    done = json.loads(marker.read_text()) if marker.exists() and path.exists() else 0
    out = np.lib.format.open_memmap(path, "r+" if done else "w+", np.float16, shape)
    if out.shape != shape:
        raise ValueError(f"{folder} was made from {len(out)} states, not {shape[0]}: give another --out")
    while done < len(out):
        end = min(done + _block(fields), len(out))
        out[done:end] = (_read(fields, slice(done, end)) - offset) / unit
        out.flush()
        aside = marker.with_suffix(".tmp")
        aside.write_text(json.dumps(end))
        aside.replace(marker)
        done = end
        tick(done)
    return np.load(path, mmap_mode="r")


def _save(path: Path, arrays: dict[str, np.ndarray]) -> None:
    aside = path.with_suffix(".tmp")
    with aside.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
    aside.replace(path)


def spread(rows: Tensor, most: int) -> Tensor:
    """At most so many of the rows, evenly spread."""
    return rows[torch.linspace(0, len(rows) - 1, min(most, len(rows))).long()]
