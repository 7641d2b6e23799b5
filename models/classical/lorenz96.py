"""Lorenz (1996): M variables round a circle of latitude, with advection, damping and forcing."""

import torch
from torch import Tensor

from models.classical import runge_kutta

FORCE = 8.0
SIZE = 40
DT = 0.05


def tendency(x: Tensor) -> Tensor:
    """dx/dt of states (..., M)."""
    ahead, behind, two_behind = (torch.roll(x, n, dims=-1) for n in (-1, 1, 2))
    return (ahead - two_behind) * behind - x + FORCE


def trajectories(
    number: int, states: int, spacing: float, generator: torch.Generator, size: int = SIZE
) -> Tensor:
    """States on the attractor, (number, states, size), float64, `spacing` apart; each row a trajectory."""
    noise = torch.randn(number, size, generator=generator, dtype=torch.float64)
    start = runge_kutta.trajectory(tendency, noise + FORCE / 4, 2, SPIN_UP, DT)[:, -1]
    return runge_kutta.trajectory(tendency, start, states, spacing, DT)


SPIN_UP = 20.0  # long enough to forget where it started
