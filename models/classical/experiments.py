"""SDA's three experiments with Kolmogorov flow: what is observed of a trajectory, and how well.

As in Rozet & Louppe (2023) and its notebooks: means over squares of points, of every fourth or third state.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from models.classical.stitching import Sensor


@dataclass(frozen=True, eq=False)
class Experiment:
    """A sensor, the number of states of the trajectory, and the residual std that SDA reports."""

    title: str
    sensor: Sensor
    states: int
    sda: float


def averaged(states: Tensor, size: int) -> Tensor:
    """Means over squares, (..., h, w) -> (..., size, size)."""
    *batch, height, width = states.shape
    return states.reshape(*batch, size, height // size, size, width // size).mean((-3, -1))


def _coarse(states: Tensor) -> Tensor:
    """Velocities on 8 x 8 squares, (..., 128)."""
    return averaged(states, 8).flatten(-3)


def _part(states: Tensor) -> Tensor:
    """Velocities on 16 x 16 squares, in the middle quarter of the domain only, (..., 128)."""
    return averaged(states, 16)[..., 4:12, 4:12].flatten(-3)


def _saturating(states: Tensor) -> Tensor:
    """w / (1 + |w|) of the difference quotients of 16 x 16 squares, but for the rim, (..., 144).

    w is in units of velocity per square, of which the flow has 1.5 or so: the sensor saturates.
    """
    u, v = averaged(states, 16).unbind(-3)
    across = (torch.roll(v, -1, dims=-1) - torch.roll(v, 1, dims=-1)) / 2
    up = (torch.roll(u, -1, dims=-2) - torch.roll(u, 1, dims=-2)) / 2
    w = across - up
    return (w / (1 + w.abs()))[..., 2:14, 2:14].flatten(-2)


EXPERIMENTS = {
    "coarse": Experiment("coarse, every fourth state", Sensor(_coarse, 4, 0.1), states=29, sda=0.110),
    "sparse": Experiment("a quarter, every third state", Sensor(_part, 3, 0.01), states=8, sda=0.018),
    "saturating": Experiment(
        "saturating, every third state", Sensor(_saturating, 3, 0.05, linear=False), states=8, sda=0.061
    ),
}
