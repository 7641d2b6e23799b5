"""Lorenz (1996): M variables round a circle of latitude, with advection, damping and forcing."""

import torch
from torch import Tensor

from models.classical import runge_kutta

FORCE = 8.0
SIZE = 40
DT = 0.05


def tendency(x: Tensor, force: float | Tensor = FORCE) -> Tensor:
    """dx/dt of states (..., M); the force may differ between them, (..., 1)."""
    ahead, behind, two_behind = (torch.roll(x, n, dims=-1) for n in (-1, 1, 2))
    return (ahead - two_behind) * behind - x + force


def trajectories(
    number: int, states: int, spacing: float, generator: torch.Generator, size: int = SIZE
) -> Tensor:
    """States on the attractor, (number, states, size), float64, `spacing` apart; each row a trajectory."""
    noise = torch.randn(number, size, generator=generator, dtype=torch.float64)
    start = runge_kutta.trajectory(tendency, noise + FORCE / 4, 2, SPIN_UP, DT)[:, -1]
    return runge_kutta.trajectory(tendency, start, states, spacing, DT)


def forced(number: int, states: int, spacing: float, generator: torch.Generator) -> Tensor:
    """Trajectories each with a force of its own, N(8, 2^2), which follows the state: (number, states, 2 M).

    Below a force of about 4, in one of forty, waves travel without chaos. Nothing is cut off, so that the
    prior of the force is Gaussian exactly.
    """
    noise = torch.randn(number, SIZE + 1, generator=generator, dtype=torch.float64)
    force = FORCE + FORCE_SPREAD * noise[:, :1]

    def own(x: Tensor) -> Tensor:
        return tendency(x, force)

    start = runge_kutta.trajectory(own, noise[:, 1:] + force / 4, 2, SPIN_UP, DT)[:, -1]
    x = runge_kutta.trajectory(own, start, states, spacing, DT)
    return torch.cat([x, force[:, None].expand_as(x)], dim=-1)


FORCE_SPREAD = 2.0
SPIN_UP = 20.0  # long enough to forget where it started
