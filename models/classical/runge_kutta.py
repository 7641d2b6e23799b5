"""The classical Runge-Kutta step, in DAPPER's order of operations, so that truths agree to rounding."""

from collections.abc import Callable

import torch
from torch import Tensor

Tendency = Callable[[Tensor], Tensor]


def step(tendency: Tendency, x: Tensor, dt: float) -> Tensor:
    """x(t) -> x(t + dt) for dx/dt = tendency(x), of any shape."""
    k1 = dt * tendency(x)
    k2 = dt * tendency(x + k1 / 2.0)
    k3 = dt * tendency(x + k2 / 2.0)
    k4 = dt * tendency(x + k3)
    return x + (k1 + 2.0 * (k2 + k3) + k4) / 6.0


def trajectory(tendency: Tendency, x: Tensor, states: int, spacing: float, dt: float) -> Tensor:
    """States (N, states, *shape), `spacing` apart and starting with x (N, *shape), by steps of about `dt`."""
    steps = max(1, round(spacing / dt))
    out = [x]
    for _ in range(states - 1):
        for _ in range(steps):
            x = step(tendency, x, spacing / steps)
        out.append(x)
    return torch.stack(out, dim=1)
