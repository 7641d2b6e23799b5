"""A simulated run as the truth: its states, and what networks report of them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from models.observations.reports import Reported
from models.prior.card import PriorCard
from models.simulation.archive import RESTART, SPIN_UP, STEP, SURFACE, UPPER
from models.simulation.networks import reports
from models.state.spec import StateSpec
from models.weather import open_weather

Array = NDArray[np.float64]
SETTINGS = ("truncation", "diffusion", "step_minutes")  # of a run, that its model had
APART = 12  # steps between states that have little to do with each other


@dataclass(frozen=True, eq=False)
class Truth:
    """A run of the model.

    Attributes:
        read: states at positions, SI units, channels as the model orders them, (n, C, H, W).
        times: of the states, UTC.
        leaves: of the model's state at the end of the run; none where they are not known.
        settings: of the model, as `models.simulation.earth.Earth` takes them; none likewise.
    """

    read: Callable[[slice], Array]
    times: pd.DatetimeIndex
    leaves: list[np.ndarray]
    settings: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def open(cls, path: Path, state: StateSpec) -> Self:
        """The run in `path`, whose states are to be such ones.

        Raises:
            FileNotFoundError: there is none.
            ValueError: it is not finished, or has other channels or another grid.
        """
        if not (path / RESTART).exists():
            raise FileNotFoundError(
                f"no run in {path}: serein simulate earth --years 2 --seed 1001 --out {path}"
            )
        data = xr.open_zarr(path)
        _demand_states(data, state, path)

        def read(positions: slice) -> Array:
            part = data.isel(time=positions)
            aloft = [part[name].values for name in UPPER]
            return np.concatenate([*aloft, *(part[name].values[:, None] for name in SURFACE)], axis=1)

        with np.load(path / RESTART) as saved:
            leaves = [saved[f"leaf{k}"] for k in range(len(saved.files) - 1)]
            missing = SPIN_UP * 24 // STEP + data.sizes["time"] - int(saved["done"])
        if missing > 0:
            raise ValueError(f"the run in {path} is not finished: {missing} states are missing")
        settings = {name: data.attrs[name] for name in SETTINGS}
        return cls(read, _utc(data), leaves, settings)

    @classmethod
    def brought(cls, card: PriorCard) -> Self:
        """The days that lie beside the card of a prior (`models.weather`)."""
        with open_weather(card) as days:
            states = np.stack([days[name].values for name in card.state.names], axis=1)
            return cls(states.__getitem__, _utc(days), [])

    def states(self, first: int, count: int = 1) -> Array:
        """As `read`, from a position on, (count, C, H, W)."""
        return self.read(slice(first, first + count)).astype(np.float64)

    def another_year(self, position: int, count: int) -> Array:
        """States of the same season in another year, three days apart, (count, C, H, W).

        At the ends of the run they are up to half their stretch earlier or later.

        Raises:
            ValueError: the run is of one year only.
        """
        year = round(365.25 * 24 / STEP)
        half, most = count // 2 * APART, len(self.times) - count * APART
        wanted = [position + sign * year - half for sign in (1, -1)]
        off, first = min((abs(k - min(max(k, 0), most)), min(max(k, 0), most)) for k in wanted)
        if most < 0 or off > half:
            raise ValueError(
                f"members around {self.times[position]:%d %B %Y} need another year: simulate more"
            )
        return np.concatenate([self.states(first + k * APART) for k in range(count)])

    def day(self, position: int) -> int:
        """Days from 1 January 2000 to a state."""
        return int((self.times[position].tz_localize(None) - pd.Timestamp("2000-01-01")).days)

    def reported(self, network: str, state: StateSpec, position: int, seed: int) -> Reported | None:
        """What a network reports of a state, with noise; the same each time for the same seed."""
        seen = reports(network, state, self.times[position])
        if seen is None:
            return None
        noise = np.random.default_rng([seed, position]).standard_normal(len(seen.error))
        return Reported(seen, seen.observe(self.states(position)[0]) + noise * seen.error)


def _demand_states(data: xr.Dataset, state: StateSpec, path: Path) -> None:
    """Raises ValueError where the states of a run are not such ones."""
    names = [f"{name}{level}" for name in UPPER for level in data["level"].values] + list(SURFACE)
    if names != state.names:
        raise ValueError(f"the run in {path} has the channels {', '.join(names)}, not those of the prior")
    shape = data.sizes["latitude"], data.sizes["longitude"]
    if shape != state.grid.shape or not np.allclose(data["latitude"], state.grid.latitude, atol=0.01):
        raise ValueError(
            f"the run in {path} is on {shape[0]} x {shape[1]} points, the prior on other "
            f"{state.grid.shape[0]} x {state.grid.shape[1]}: simulate one with its --truncation"
        )


def _utc(data: xr.Dataset) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(data["time"].values).tz_localize("UTC").as_unit("ns")
