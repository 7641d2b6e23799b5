"""What is seen of Kolmogorov flows of unknown Reynolds number, and the posteriors of many of them at once."""

import math

from torch import Tensor, zeros

from models.classical.kolmogorov import SIZE
from models.classical.prior import ClassicalPrior
from models.classical.stitching import Seen, Sensor, Windows, placed
from models.posterior.posterior import Posterior

EVERY = 4  # points between those that are seen


def _points(states: Tensor) -> Tensor:
    """(u, v) at every fourth point, (..., 512)."""
    return states[..., :2, EVERY // 2 :: EVERY, EVERY // 2 :: EVERY].flatten(-3)


SENSOR = Sensor(_points, every=2, error=0.1)


def windows(prior: ClassicalPrior, states: int) -> Windows:
    """Windows of so many states of which `SENSOR` sees nothing but zeros: what all have in common."""
    times = math.ceil(states / SENSOR.every)
    points = (SIZE // EVERY) ** 2 * 2
    return Windows(prior, states, Seen(SENSOR, zeros(times, points)))


def posterior(windows: Windows, values: Tensor) -> Posterior:
    """Of windows that the sensor saw as `values` (N, p).

    As in `models.classical.assimilation`, what is given as observations are departures, all zero.
    """
    blind, y = windows.posterior(0), values.double()

    def depart(z: Tensor) -> Tensor:
        return blind.observe(z) - y.to(z)

    background = blind.observe(windows.zero[None]).double() - y
    return Posterior(blind.denoiser, depart, placed(blind.gaussian, background), blind.mean)
