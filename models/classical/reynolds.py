"""Kolmogorov flow whose Reynolds number is not known: ln Re is one more channel of its states.

Re = 1 / nu is log-normal, about 500, each trajectory has one of its own. What Re decides is how small the
smallest eddies are (k ~ Re^1/2; Kraichnan 1967), hardly what the large ones do: whoever observes few points
learns little of it, and should say so.
"""

import math

import torch
from torch import Tensor

from models.classical import kolmogorov

MEDIAN, SPREAD = 500.0, 0.5  # of Re, and the standard deviation of ln Re: nine in ten are from 220 to 1140


def trajectories(number: int, states: int, spacing: float, generator: torch.Generator) -> Tensor:
    """(u, v, ln Re) on the attractor, (number, states, 3 SIZE SIZE), float32."""
    own = math.log(MEDIAN) + SPREAD * torch.randn(number, 1, 1, generator=generator)
    flow = kolmogorov.trajectories(number, states, spacing, generator, viscosity=(-own).exp())
    channel = own.expand(number, states, kolmogorov.SIZE**2)
    return torch.cat([flow, channel], dim=-1)


def varied(states: Tensor, generator: torch.Generator) -> Tensor:
    """A random image of (u, v); (..., 3, n, n)."""
    flow = kolmogorov.varied(states[..., :2, :, :], generator)
    return torch.cat([flow, states[..., 2:, :, :]], dim=-3)


def profile(states: Tensor) -> Tensor:
    """Mean of states (N, S, 3, n, n): that of the flow differs between rows, (3, n, 1), float64."""
    flow = kolmogorov.profile(states[:, :, :2])
    own = states[:, :, 2:].double().mean((0, 1, 3, 4))
    return torch.cat([flow, own[:, None, None].expand(-1, flow.shape[1], 1)])
