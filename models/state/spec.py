"""StateSpec: what a state is made of. Everything that reads or writes a state asks it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.state.channels import NEVER_NEGATIVE, Channel, channel
from models.state.grid import Grid


@dataclass(frozen=True, eq=False)
class StateSpec:
    """Channels, grid, time step and normalisation of a trajectory of states.

    A state has shape (C, H, W) in SI units; a window of L states (L, C, H, W).

    Attributes:
        channels: what the C fields are.
        grid: where they are.
        step_hours: hours between consecutive states.
        mean, std: climatological mean and standard deviation per channel, SI units, shape (C,).
    """

    channels: tuple[Channel, ...]
    grid: Grid
    step_hours: int
    mean: NDArray[np.float64]
    std: NDArray[np.float64]

    @property
    def names(self) -> list[str]:
        """Channel names in order."""
        return [c.name for c in self.channels]

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        return (len(self.channels), *self.grid.shape)

    def index(self, name: str) -> int:
        """Position of the channel called `name`; ValueError if the state does not hold it."""
        return self.names.index(name)

    def possible(self, fields: NDArray[Any]) -> NDArray[Any]:
        """Fields (..., C, H, W), zero where there would be less than nothing of a quantity."""
        least = [0.0 if c.variable in NEVER_NEGATIVE else -np.inf for c in self.channels]
        return np.maximum(fields, np.array(least, dtype=fields.dtype)[:, None, None])

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "channels": self.names,
            "latitude": self.grid.latitude.tolist(),
            "longitude": self.grid.longitude.tolist(),
            "step_hours": self.step_hours,
            "mean": np.asarray(self.mean).tolist(),
            "std": np.asarray(self.std).tolist(),
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "StateSpec":
        """From what `to_dict` wrote."""
        return cls(
            channels=tuple(channel(name) for name in data["channels"]),
            grid=Grid(np.asarray(data["latitude"]), np.asarray(data["longitude"])),
            step_hours=int(data["step_hours"]),
            mean=np.asarray(data["mean"], dtype=np.float64),
            std=np.asarray(data["std"], dtype=np.float64),
        )
