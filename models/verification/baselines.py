"""Baselines that need no model. Climatology and optimal interpolation come from the Climatology itself."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial import cKDTree

from models.state.distances import EARTH_RADIUS, on_sphere
from models.verification.scores import Array


@dataclass(frozen=True)
class Baseline:
    """What another method says about every verified observation, SI units.

    Attributes:
        mean: (n,); NaN where the method says nothing.
        std: (n,) standard deviation of the true value, *without* the observation's error; None for a method
            that gives a number and no uncertainty.
    """

    mean: Array
    std: Array | None = None


def nearest_station(
    latitude: ArrayLike,
    longitude: ArrayLike,
    group: ArrayLike,
    source_latitude: ArrayLike,
    source_longitude: ArrayLike,
    source_value: ArrayLike,
    source_group: ArrayLike,
) -> tuple[Array, Array]:
    """Value of the nearest source on the great circle that has the same channel and analysis time.

    Args:
        latitude, longitude: where a value is wanted, degrees, (n,).
        group: what must be equal, such as "msl 2019-02-17 12", (n,).
        source_latitude, source_longitude, source_value, source_group: the reports to choose from, (k,).

    Returns:
        (value, distance in km), each (n,), NaN where no source has the same group. Of sources at one place
        the lowest value is taken, so that their order does not matter.
    """
    points, sources = on_sphere(latitude, longitude), on_sphere(source_latitude, source_longitude)
    values = np.asarray(source_value, dtype=np.float64)
    wanted, offered = np.asarray(group), np.asarray(source_group)
    value, distance = np.full(len(points), np.nan), np.full(len(points), np.nan)
    for name in np.unique(wanted):
        rows, available = wanted == name, np.flatnonzero(offered == name)
        if available.size == 0:
            continue
        tree = cKDTree(sources[available])
        chord, _ = tree.query(points[rows])
        distance[rows] = 2 * EARTH_RADIUS * np.arcsin(np.clip(chord / 2, 0, 1))
        value[rows] = [
            values[available[tree.query_ball_point(point, reach * (1 + 1e-9) + 1e-12)]].min()
            for point, reach in zip(points[rows], chord, strict=True)
        ]
    return value, distance
