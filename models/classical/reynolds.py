"""Kolmogorov flow whose Reynolds number is not known: ln Re is one more channel of its states.

Re = 1 / nu is log-normal, about 500, each trajectory has one of its own. What Re decides is how small the
smallest eddies are (k ~ Re^1/2; Kraichnan 1967), hardly what the large ones do: whoever observes few points
learns little of it, and should say so.
"""

import math

import torch
from torch import Tensor

from models.classical import kolmogorov
from models.classical.prior import ClassicalPrior
from models.classical.stitching import Seen, Sensor, Windows, placed
from models.posterior.posterior import Posterior

MEDIAN, SPREAD = 500.0, 0.5  # of Re, and the standard deviation of ln Re: nine in ten are from 220 to 1140
EVERY = 4  # points between those of the sensor


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


def _points(states: Tensor) -> Tensor:
    """(u, v) at every fourth point, (..., 512)."""
    return states[..., :2, EVERY // 2 :: EVERY, EVERY // 2 :: EVERY].flatten(-3)


SENSOR = Sensor(_points, every=2, error=0.1)


def windows(prior: ClassicalPrior, states: int) -> Windows:
    """Windows of so many states of which `SENSOR` sees nothing but zeros: what all have in common."""
    times = math.ceil(states / SENSOR.every)
    points = (kolmogorov.SIZE // EVERY) ** 2 * 2
    return Windows(prior, states, Seen(SENSOR, torch.zeros(times, points)))


def posterior(windows: Windows, values: Tensor) -> Posterior:
    """Of windows that the sensor saw as `values` (N, p).

    As in `models.classical.assimilation`, what is given as observations are departures, all zero.
    """
    blind, y = windows.posterior(0), values.double()

    def depart(z: Tensor) -> Tensor:
        return blind.observe(z) - y.to(z)

    background = blind.observe(windows.zero[None]).double() - y
    return Posterior(blind.denoiser, depart, placed(blind.gaussian, background), blind.mean)
