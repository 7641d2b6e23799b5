"""Training data too large for memory: a long trajectory, standardised by its training years, read at random.

The mean map and the standard deviation of each channel about it come first: Dask reads, decompresses and
sums a block of states at a time, in parallel. Then every state, less the map and in units of those, is kept
in half precision in one file that is mapped into memory, where an interrupted run goes on with the next
block; or, where there are too many, states are read from the source each time.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import dask
import numpy as np
import pandas as pd
import torch
import xarray as xr
from torch import Tensor

from models.state.grid import Grid
from models.state.time import year_fraction
from models.training.blocks import filled
from models.training.processes import Processes
from models.training.source import STATIC, Source, check_geography, field, static_field
from models.whole_files import written_whole

BLOCK = 2**27  # bytes read at a time, in double precision
NORMALISATION = "normalisation.npz"  # the first that a run leaves
Tick = Callable[[int, int], None]


class Rows(Protocol):
    """States by position: an array, or what reads them."""

    def __getitem__(self, rows: np.ndarray, /) -> np.ndarray: ...


@dataclass(frozen=True, eq=False)
class Trajectories:
    """A standardised trajectory.

    Attributes:
        times: of its states, equally far apart, (N,).
        grid: of the fields.
        static: orography and land, standardised, (2, H, W).
        mean, std: per channel, SI units, (C,).
        climate: mean map less `mean`, in units of `std`, (C, H, W) float32.
        anomalies: states less the mean map, in units of `std`, (N, C, H, W), read when asked for.
    """

    times: pd.DatetimeIndex
    grid: Grid
    static: Tensor
    mean: np.ndarray
    std: np.ndarray
    climate: Tensor
    anomalies: Rows

    def states(self, rows: Tensor) -> Tensor:
        """Standardised states at positions (n,): (n, C, H, W) float32."""
        return torch.from_numpy(self.anomalies[rows.numpy()].astype(np.float32)) + self.climate

    def parts(self, rows: Tensor) -> Iterator[Tensor]:
        """Those states, a few at a time."""
        for part in rows.split(at_a_time((len(self.mean), *self.grid.shape))):
            yield self.states(part)

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

    def starts(self, years: list[int], length: int) -> Tensor:
        """Positions of these years' states from which `length` more stay among them."""
        rows = self.of_years(years)
        return rows[torch.isin(rows + length, rows)]


@dataclass(frozen=True, eq=False)
class Reader:
    """States of a data set, standardised as they are read."""

    fields: list[xr.DataArray]
    offset: np.ndarray
    unit: np.ndarray

    def __getitem__(self, rows: np.ndarray | slice) -> np.ndarray:
        """States (n, C, H, W) float32.

        Raises:
            ValueError: a value is not finite; names channel and time.
        """
        return ((_read(self.fields, rows) - self.offset) / self.unit).astype(np.float32)


def prepare(
    data: Source | Path | str,
    channels: list[str],
    step_hours: int,
    years: dict[str, list[int]],
    folder: Path,
    tick: Tick = lambda done, of: None,
    *,
    hours: Sequence[int] | None = None,
    patch: int = 1,
    copy: bool = True,
    processes: Processes = Processes(),  # noqa: B008, for it cannot be changed
) -> Trajectories:
    """Opens the trajectory in a data set, and standardises it by its training years.

    Arguments:
        step_hours: between states.
        years: of each set; those to `train` on give the normalisation. Others than these are left out.
        folder: for `normalisation.npz` and `anomalies.npy`.
        tick: called after each block with the number of states read and how many there are to read.
        hours: of the day (UTC) of the states that are wanted; None: all.
        patch: of rows: a last row at the South Pole that begins a patch of its own is left out (721 -> 720,
            as in FourCastNet; Pathak et al. 2022).
        copy: whether a standardised copy is kept in `folder`.

    Raises:
        ValueError: a channel, static field or year is missing or constant, states are not `step_hours` apart,
            longitudes do not go round the Earth, values are not where coordinates say, a value is not finite,
            or `folder` is of other data.
    """
    source = Source.of(data)
    dataset = _of_times(source.open(), step_hours, years, hours, source.data)
    if dataset.sizes["latitude"] % patch == 1 and float(dataset.latitude[-1]) == -90:
        dataset = dataset.isel(latitude=slice(None, -1))
    fields = [
        field(dataset, name, source.data).transpose("time", "latitude", "longitude") for name in channels
    ]
    grid = Grid(dataset.latitude.values, dataset.longitude.values)
    if not grid.periodic:
        raise ValueError(f"{source.data}: longitudes do not go round the Earth")
    static = _static(dataset, source.data)
    times = pd.DatetimeIndex(dataset.time.values)
    learnt = np.flatnonzero(np.isin(times.year, years["train"]))
    whole = len(learnt) + (len(times) if copy else 0)
    folder.mkdir(parents=True, exist_ok=True)
    mean, std, climate = processes.first_then_others(
        lambda: _kept(
            folder / NORMALISATION,
            lambda: _normalisation(fields, learnt, grid, lambda n: tick(n, whole)),
        )
    )
    reader = Reader(fields, climate * std[:, None, None] + mean[:, None, None], std[:, None, None])
    anomalies: Rows = reader
    if copy:
        shape = (len(times), len(fields), *grid.shape)
        anomalies = filled(
            folder / "anomalies.npy",
            shape,
            at_a_time(shape[1:]),
            reader.__getitem__,
            processes,
            lambda n: tick(len(learnt) + n, whole),
        )
    return Trajectories(times, grid, static, mean, std, torch.tensor(climate, dtype=torch.float32), anomalies)


def _of_times(
    dataset: xr.Dataset, step_hours: int, years: dict[str, list[int]], hours: Sequence[int] | None, data: str
) -> xr.Dataset:
    """The states at these hours from the first year to the last, which have to be evenly apart."""
    times = pd.DatetimeIndex(dataset.time.values)
    for name, wanted in years.items():
        if missing := sorted(set(wanted) - set(times.year)):
            raise ValueError(f"{data}: no states of {', '.join(map(str, missing))}, to {name} on")
    asked = [year for wanted in years.values() for year in wanted]
    inside = (times.year >= min(asked)) & (times.year <= max(asked))
    if hours is not None:
        inside &= times.hour.isin(hours)
    times = times[inside]
    if len(times) < 2 or (np.diff(times) != np.timedelta64(step_hours, "h")).any():
        raise ValueError(f"{data}: states are not {step_hours} h apart throughout")
    rows = np.flatnonzero(inside)
    gap = int(rows[1] - rows[0])
    even = (np.diff(rows) == gap).all()
    return dataset.isel(time=slice(int(rows[0]), int(rows[-1]) + 1, gap) if even else rows)


def _static(dataset: xr.Dataset, data: str) -> Tensor:
    """Orography and land, standardised, (2, H, W)."""
    fields = [static_field(dataset, name, data) for name in STATIC]
    static = torch.tensor(np.stack([f.values for f in fields]), dtype=torch.float32)
    std = static.std((1, 2), keepdim=True)
    for name, spread in zip(STATIC, std.flatten().tolist(), strict=True):
        if not spread > 0:  # not even NaN is
            raise ValueError(f"{data}: {name} is the same everywhere, or not finite somewhere")
    check_geography(fields[0], data)
    return (static - static.mean((1, 2), keepdim=True)) / std


def _read(fields: list[xr.DataArray], rows: np.ndarray | slice) -> np.ndarray:
    """States (n, C, H, W), float64: what several channels share in the file is read once.

    Raises:
        ValueError: a value is not finite; names channel and time.
    """
    parts = dask.compute(*(f.isel(time=rows) for f in fields))
    block = np.stack([p.values for p in parts], axis=1).astype(np.float64)
    if not np.isfinite(block).all():
        n, c = np.argwhere(~np.isfinite(block))[0][:2]
        raise ValueError(f"{fields[c].name} is not finite at {pd.Timestamp(parts[c].time.values[n])}")
    return block


def _normalisation(
    fields: list[xr.DataArray], learnt: np.ndarray, grid: Grid, tick: Callable[[int], None]
) -> dict[str, np.ndarray]:
    """Mean map, and per channel its mean and the standard deviation about it; areas weigh."""
    shape, count, weight = (len(fields), *grid.shape), 0, grid.area_weights
    first, second = np.zeros(shape), np.zeros(shape)
    for rows in _runs(learnt, at_a_time(shape)):
        blocks = [f.isel(time=rows).astype(np.float64) for f in fields]
        sums = dask.compute(
            [b.sum("time", skipna=False) for b in blocks], [(b**2).sum("time") for b in blocks]
        )
        one, two = (np.stack([s.values for s in kind]) for kind in sums)
        if not np.isfinite(one).all():
            _read(fields, rows)  # says where
        first, second, count = first + one, second + two, count + rows.stop - rows.start
        tick(count)
    mean_map = first / count
    variance = second / count - mean_map**2
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


def _kept(path: Path, make: Callable[[], dict[str, np.ndarray]]) -> list[np.ndarray]:
    """Arrays in a file, made if there is none."""
    if not path.exists():
        made = make()
        with written_whole(path) as aside, aside.open("wb") as file:
            np.savez(file, **made)  # type: ignore[arg-type]
    with np.load(path) as saved:
        return [saved[name] for name in saved.files]


def windows(
    latents: np.ndarray, found: Trajectories, first: Tensor, length: int, apart: int
) -> tuple[Tensor, Tensor]:
    """Windows of states `apart` positions from each other, from these positions (n,) on.

    Returns:
        Latents (n, length, K, h, w) float32, of all states' (N, K, h, w); fractions of the year (n, length).
    """
    index = first[:, None] + torch.arange(length) * apart
    return torch.from_numpy(latents[index.numpy()]).float(), found.year_fraction[index]


def at_a_time(shape: tuple[int, ...]) -> int:
    """How many arrays of this shape are read at a time."""
    return max(1, BLOCK // (8 * int(np.prod(shape))))


def spread(rows: Tensor, most: int) -> Tensor:
    """At most so many of the rows, evenly spread."""
    return rows[torch.linspace(0, len(rows) - 1, min(most, len(rows))).long()]
