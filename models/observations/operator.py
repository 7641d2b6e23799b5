"""The observation operator H: what a trajectory of states looks like where and when it was observed.

H interpolates bilinearly in the horizontal (across the seam and the poles), linearly in log-pressure between
the levels a variable has, and linearly in time between states; before the first and after the last state, and
below the lowest and above the highest level, the nearest one counts. It is linear, so its derivative is
itself and its adjoint scatters with the same weights.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.state.spec import StateSpec


@dataclass(frozen=True, eq=False)
class ObservationOperator:
    """Observation i is sum_k weight[i, k] * window.flatten()[index[i, k]].

    Attributes:
        shape: (L, C, H, W) of a window.
        index: (n, K) int64.
        weight: (n, K) float64; rows sum to 1.
    """

    shape: tuple[int, int, int, int]
    index: Tensor
    weight: Tensor

    def __call__(self, window: Tensor) -> Tensor:
        """Windows (..., L, C, H, W) in SI units -> observations (..., n)."""
        flat = window.flatten(-4)
        return (flat[..., self.index] * self.weight.to(window)).sum(-1)

    def adjoint(self, observations: Tensor) -> Tensor:
        """H^T: (..., n) -> (..., L, C, H, W)."""
        spread = observations[..., None] * self.weight.to(observations)
        flat = observations.new_zeros(*observations.shape[:-1], int(np.prod(self.shape)))
        index = self.index.flatten().expand(*spread.shape[:-2], -1)
        return flat.scatter_add(-1, index, spread.flatten(-2)).unflatten(-1, self.shape)

    def within(self, window: int) -> "ObservationOperator":
        """The same H on windows of more states, of which it reads the last ones."""
        return self.placed(window - self.shape[0], window)

    def placed(self, position: int, window: int) -> "ObservationOperator":
        """The same H on windows of more states, of which it reads those from `position` on."""
        size = int(np.prod(self.shape[1:]))
        return ObservationOperator((window, *self.shape[1:]), self.index + position * size, self.weight)

    @classmethod
    def together(cls, parts: "Sequence[ObservationOperator]") -> "ObservationOperator":
        """The rows of several, one below the other; of windows of one shape."""
        taps = max(part.index.shape[1] for part in parts)

        def stacked(name: str) -> Tensor:
            rows = [getattr(part, name) for part in parts]
            return torch.cat([torch.nn.functional.pad(x, (0, taps - x.shape[1])) for x in rows])

        return cls(parts[0].shape, stacked("index"), stacked("weight"))

    def of_state(self, position: int) -> tuple[Tensor, "ObservationOperator"]:
        """The part of H that reads one state of the window: the rows that do, and H for them, L = 1."""
        size = int(np.prod(self.shape[1:]))
        weight = torch.where(self.index // size == position, self.weight, 0.0)
        rows = weight.any(dim=1).nonzero()[:, 0]
        return rows, ObservationOperator((1, *self.shape[1:]), self.index[rows] % size, weight[rows])

    @classmethod
    def build(cls, frame: pd.DataFrame, state: StateSpec, times: pd.DatetimeIndex) -> "ObservationOperator":
        """H for the rows of an observation table and states at `times` (ascending).

        Raises:
            ValueError: a row lies outside the grid or observes a variable the state does not hold.
        """
        point, horizontal = state.grid.bilinear(frame["latitude"], frame["longitude"])
        layer, vertical = _vertical(frame, state)
        when, temporal = _temporal(frame, times)
        channels, cells = len(state.channels), state.grid.shape[0] * state.grid.shape[1]
        index = ((when[:, :, None] * channels + layer[:, None, :])[..., None]) * cells + point[:, None, None]
        weight = temporal[:, :, None, None] * vertical[:, None, :, None] * horizontal[:, None, None]
        shape, taps = (len(times), channels, *state.grid.shape), (len(frame), 2 * 2 * 4)
        return cls(shape, *_needed(index.reshape(taps), weight.reshape(taps)))


def _needed(index: NDArray[np.int64], weight: NDArray[np.float64]) -> tuple[Tensor, Tensor]:
    """The taps (n, K) without those that no row gives any weight; at a state and level, 4 of 16 are left."""
    first = np.argsort(weight == 0, axis=1, kind="stable")
    kept = first[:, : max(1, int((weight != 0).sum(1).max(initial=0)))]
    return tuple(torch.from_numpy(np.take_along_axis(a, kept, axis=1)) for a in (index, weight))  # type: ignore[return-value]


def _between(
    x: NDArray[np.float64], nodes: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Positions of the two of the ascending nodes around each x and their weights, (n, 2) each."""
    position = np.interp(x, nodes, np.arange(nodes.size, dtype=np.float64))
    low = np.minimum(np.floor(position).astype(np.int64), max(nodes.size - 2, 0))
    share = position - low
    return np.stack([low, np.minimum(low + 1, nodes.size - 1)], 1), np.stack([1 - share, share], 1)


def _temporal(frame: pd.DataFrame, times: pd.DatetimeIndex) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    hours = ((frame["time"] - times[0]) / pd.Timedelta(hours=1)).to_numpy(dtype=np.float64)
    return _between(hours, ((times - times[0]) / pd.Timedelta(hours=1)).to_numpy(dtype=np.float64))


def _vertical(frame: pd.DataFrame, state: StateSpec) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    layer = np.zeros((len(frame), 2), dtype=np.int64)
    weight = np.tile([1.0, 0.0], (len(frame), 1))
    for variable in frame["variable"].unique():
        rows = (frame["variable"] == variable).to_numpy()
        held = [(c.level, i) for i, c in enumerate(state.channels) if c.variable == variable]
        if not held:
            raise ValueError(f"the state holds no {variable}; it holds {', '.join(state.names)}")
        if held[0][0] is None:
            layer[rows] = held[0][1]
            continue
        held.sort(key=lambda pair: pair[0] or 0)
        pressure = frame["pressure"].to_numpy(dtype=np.float64)[rows]
        if not np.isfinite(pressure).all():
            raise ValueError(f"an observation of {variable} has no pressure")
        levels = np.array([level for level, _ in held], dtype=np.float64)
        between, share = _between(np.log(pressure), np.log(levels * 100))
        layer[rows], weight[rows] = np.array([i for _, i in held])[between], share
    return layer, weight
