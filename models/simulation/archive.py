"""A simulated Earth on disk: a CF Zarr store that grows ten days at a time, whatever interrupts it.

Dimensions time, level, latitude, longitude; `level` is a thousand times sigma, so that `t` at 510 is the
channel `t510`. Beside the data lies the model's own state, `restart.npz`: written aside and renamed after the
data it follows, it says how far the run is. What lies beyond it in the store is written again, to the same
values.
"""

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
import xarray as xr
import zarr

from models.state.channels import VARIABLES
from models.state.grid import Grid
from models.whole_files import written_whole

SPIN_UP = 120  # days from rest before the first state that is kept
FIRST = pd.Timestamp("2001-01-01")  # of the states that are kept
STEP = 6  # hours
BLOCK = 40  # states written at a time
RESTART = "restart.npz"
UPPER, SURFACE = ("u", "v", "t", "q"), ("sp", "z500")


class Model(Protocol):
    """What is run: see `models.simulation.earth.Earth`."""

    grid: Grid
    levels: list[int]
    orography: np.ndarray
    land: np.ndarray
    description: dict[str, Any]

    def start(self, seed: int, day: int) -> Any:
        """State at rest, `day` days after 1 January 2000."""

    def advance(self, state: Any) -> Any:
        """The state six hours later."""

    def fields(self, state: Any) -> Any:
        """Channels on the grid, (4 levels + 2, H, W)."""

    def leaves(self, state: Any) -> list[np.ndarray]:
        """All numbers of a state."""

    def restore(self, leaves: list[np.ndarray]) -> Any:
        """The state of these numbers."""


def times_of(years: int) -> pd.DatetimeIndex:
    """Times of the states of a run."""
    return pd.date_range(FIRST, FIRST + pd.DateOffset(years=years), freq=f"{STEP}h", inclusive="left")


def simulate(
    model: Model,
    out: Path,
    years: int,
    seed: int,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> None:
    """Runs the model and writes `out`, a Zarr store; goes on where an earlier run of the same settings ended.

    Arguments:
        progress: called after each block with days done, spin-up included, and days in all.

    Raises:
        ValueError: `out` holds a run of other settings or another length, or something else.
        FloatingPointError: the model blew up; names the days.
    """
    times, settings = times_of(years), {"seed": seed, **model.description}
    store = _open(out, model, times, settings)
    spin_up, total = SPIN_UP * 24 // STEP, SPIN_UP * 24 // STEP + len(times)
    done, state = _resume(model, out, seed)
    for first, last in _blocks(done, spin_up, total):
        kept = []
        for _ in range(first, last):
            if first >= spin_up:
                kept.append(np.asarray(model.fields(state)))
            state = model.advance(state)
        if not all(np.isfinite(x).all() for x in [*kept, *model.leaves(state)]):
            days = " and ".join(str(k * STEP // 24) for k in (first, last))
            raise FloatingPointError(f"the model blew up between days {days}, spin-up included")
        if kept:
            _write(store, np.stack(kept), first - spin_up, len(model.levels))
        _save(model, state, last, out)
        progress(last * STEP // 24, total * STEP // 24)


def _blocks(done: int, spin_up: int, total: int) -> Iterator[tuple[int, int]]:
    """Steps to go, a block at a time: no block is partly spin-up."""
    while done < total:
        end = min(done + BLOCK, spin_up if done < spin_up else total)
        yield done, end
        done = end


def _open(out: Path, model: Model, times: pd.DatetimeIndex, settings: dict[str, Any]) -> zarr.Group:
    """The store, with coordinates and empty variables; an existing one has to be of the same run."""
    if not (out / "zarr.json").exists():
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise ValueError(f"{out} exists and holds no run: give another name")
        new = out.with_name(f"{out.name}.new")  # renamed when it is whole
        _create(new, model, times, settings)
        new.replace(out)
    group = zarr.open_group(out, use_consolidated=False)
    found = {name: group.attrs.get(name) for name in settings}
    if found != settings:
        raise ValueError(f"{out} holds a run of other settings: {found}, not {settings}")
    if (length := group["time"].shape[0]) != len(times):  # type: ignore[union-attr]
        raise ValueError(f"{out} holds a run of {length} states, not {len(times)}")
    return group


def _create(out: Path, model: Model, times: pd.DatetimeIndex, settings: dict[str, Any]) -> None:
    level = xr.DataArray(
        model.levels,
        dims="level",
        attrs={"standard_name": "atmosphere_sigma_coordinate", "units": "0.001", "positive": "down"},
    )
    coords = {
        "time": times,
        "level": level,
        "latitude": (
            "latitude",
            model.grid.latitude,
            {"units": "degrees_north", "standard_name": "latitude"},
        ),
        "longitude": (
            "longitude",
            model.grid.longitude,
            {"units": "degrees_east", "standard_name": "longitude"},
        ),
    }
    static = {
        "orography": (
            ("latitude", "longitude"),
            model.orography,
            {"units": "m2 s-2", "standard_name": "surface_geopotential"},
        ),
        "lsm": (("latitude", "longitude"), model.land, {"units": "1", "standard_name": "land_area_fraction"}),
    }
    xr.Dataset(static, coords, {"Conventions": "CF-1.11", **settings}).to_zarr(
        out, zarr_format=3, mode="w", consolidated=False
    )
    group, shape = zarr.open_group(out, use_consolidated=False), model.grid.shape
    for name in (*UPPER, *SURFACE):
        aloft = name in UPPER
        extra = (len(model.levels),) if aloft else ()
        variable = "z" if name == "z500" else name
        standard_name, units, long_name, _ = VARIABLES[variable]
        group.create_array(
            name,
            shape=(len(times), *extra, *shape),
            chunks=(BLOCK, *extra, *shape),
            dtype="float32",
            fill_value=np.nan,
            dimension_names=("time", *(("level",) if aloft else ()), "latitude", "longitude"),
            attributes={"standard_name": standard_name, "units": units, "long_name": long_name},
        )
    with warnings.catch_warnings():  # as `workers.products.ensemble.consolidate`
        warnings.filterwarnings("ignore", "Consolidated metadata", zarr.errors.ZarrUserWarning)
        zarr.consolidate_metadata(out)


def _write(store: zarr.Group, fields: np.ndarray, start: int, levels: int) -> None:
    here = slice(start, start + len(fields))
    for k, name in enumerate(UPPER):
        store[name][here] = fields[:, k * levels : (k + 1) * levels]  # type: ignore[index]
    for k, name in enumerate(SURFACE):
        store[name][here] = fields[:, len(UPPER) * levels + k]  # type: ignore[index]


def _resume(model: Model, out: Path, seed: int) -> tuple[int, Any]:
    """How many steps are done, and the state after them."""
    path = out / RESTART
    if not path.exists():
        return 0, model.start(seed, (FIRST - pd.Timestamp("2000-01-01")).days - SPIN_UP)
    with np.load(path) as saved:
        leaves = [saved[f"leaf{k}"] for k in range(len(saved.files) - 1)]
        return int(saved["done"]), model.restore(leaves)


def _save(model: Model, state: Any, done: int, out: Path) -> None:
    leaves = {f"leaf{k}": leaf for k, leaf in enumerate(model.leaves(state))}
    with written_whole(out / RESTART) as aside, aside.open("wb") as file:
        np.savez(file, **leaves, done=np.array(done))  # type: ignore[arg-type]
