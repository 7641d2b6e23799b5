"""Reports of one state of the atmosphere, as an analysis step by step needs them: what, where, how well."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from models.observations.operator import ObservationOperator
from models.state.distances import distances
from models.state.grid import Grid
from models.state.spec import StateSpec

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Reports:
    """What is seen of one state, and how well: p numbers.

    Attributes:
        operator: H, for one state.
        error: standard deviations, SI units, (p,).
        latitude, longitude: (p,).
    """

    operator: ObservationOperator
    error: Array
    latitude: Array
    longitude: Array

    @classmethod
    def of_channels(
        cls,
        state: StateSpec,
        latitude: Array,
        longitude: Array,
        channels: Sequence[Sequence[str]],
        error: Array,
    ) -> Self:
        """The means of some channels at each place.

        Arguments:
            latitude, longitude, error: (p,).
            channels: as many for each of the p.
        """
        point, weight = state.grid.bilinear(latitude, longitude)
        cells = state.grid.shape[0] * state.grid.shape[1]
        layer = np.array([[state.names.index(name) for name in names] for names in channels])
        index = layer[:, :, None] * cells + point[:, None]
        taps = np.repeat(weight[:, None] / layer.shape[1], layer.shape[1], axis=1)
        shape = (1, len(state.channels), *state.grid.shape)
        operator = ObservationOperator(
            shape,
            torch.from_numpy(index.reshape(len(index), -1)),
            torch.from_numpy(taps.reshape(len(index), -1)),
        )
        return cls(operator, error, latitude, longitude)

    @classmethod
    def together(cls, parts: Sequence[Self]) -> Self:
        """All of several."""
        operator = ObservationOperator.together([part.operator for part in parts])
        error, latitude, longitude = (
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("error", "latitude", "longitude")
        )
        return cls(operator, error, latitude, longitude)

    def distances_from(self, grid: Grid) -> Array:
        """Of the columns of a grid from what is seen, km, (G, p)."""
        latitude, longitude = (x.ravel() for x in np.meshgrid(grid.latitude, grid.longitude, indexing="ij"))
        return distances(latitude, longitude, self.latitude, self.longitude)

    def observe(self, fields: Array) -> Array:
        """H of fields (..., C, H, W): (..., p)."""
        return self.operator(
            torch.from_numpy(np.asarray(fields, dtype=np.float64))[..., None, :, :, :]
        ).numpy()


@dataclass(frozen=True, eq=False)
class Reported:
    """Reports and their values, (p,)."""

    reports: Reports
    value: Array

    def error(self, state: StateSpec, lost: Mapping[str, float]) -> Array:
        """Standard deviations of errors, (p,), with what the code of a prior loses of each channel."""
        operator, of_channels = self.reports.operator, np.array([lost[name] for name in state.names])
        channel = operator.index.numpy() // int(np.prod(state.grid.shape))
        return np.sqrt(self.reports.error**2 + (operator.weight.numpy() * of_channels[channel] ** 2).sum(1))


@dataclass(frozen=True, eq=False)
class Prepared(Reported):
    """Of an observation table after quality control, whose errors have what the code loses in them."""

    def error(self, state: StateSpec, lost: Mapping[str, float]) -> Array:
        """Standard deviations of errors, (p,): as they are."""
        return self.reports.error
