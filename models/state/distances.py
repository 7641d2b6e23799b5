"""Distances on the Earth."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
EARTH_RADIUS = 6371.0  # km


def distances(latitude: Array, longitude: Array, other_latitude: Array, other_longitude: Array) -> Array:
    """Great-circle distances in km of points (G,) from others (p,), degrees: (G, p)."""
    cosine = _unit(latitude, longitude) @ _unit(other_latitude, other_longitude).T
    return EARTH_RADIUS * np.arccos(np.clip(cosine, -1, 1))


def _unit(latitude: Array, longitude: Array) -> Array:
    phi, lam = np.deg2rad(latitude), np.deg2rad(longitude)
    return np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)], axis=-1)
