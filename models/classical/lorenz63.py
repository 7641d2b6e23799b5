"""Lorenz (1963): three ordinary differential equations of convection, the butterfly. Time has no unit."""

import torch
from torch import Tensor

from models.classical import runge_kutta

SIGMA, RHO, BETA = 10.0, 28.0, 8.0 / 3
START = (1.509, -1.531, 25.46)  # a state on the attractor
DT = 0.01


def tendency(x: Tensor) -> Tensor:
    """dx/dt of states (..., 3)."""
    x, y, z = x.unbind(-1)
    return torch.stack([SIGMA * (y - x), RHO * x - y - x * z, x * y - BETA * z], dim=-1)


def trajectories(number: int, states: int, spacing: float, generator: torch.Generator) -> Tensor:
    """States on the attractor, (number, states, 3), float64, `spacing` apart; each row a trajectory."""
    noise = torch.randn(number, 3, generator=generator, dtype=torch.float64)
    start = runge_kutta.trajectory(tendency, torch.tensor(START).double() + 2 * noise, 2, SPIN_UP, DT)[:, -1]
    return runge_kutta.trajectory(tendency, start, states, spacing, DT)


def near_saddle(z: Tensor) -> Tensor:
    """Minus the least height in windows (..., L, 3, 1, 1) of standardised states, (...).

    Only past the saddle in the origin a trajectory comes so low. What passes there is seldom seen, and small
    differences decide on which side and how far out it goes on.
    """
    return -z[..., 2, 0, 0].amin(-1)


SPIN_UP = 40.0  # long enough to forget where it started
