"""Distances on the Earth."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
EARTH_RADIUS = 6371.0  # km


def distances(latitude: Array, longitude: Array, other_latitude: Array, other_longitude: Array) -> Array:
    """Great-circle distances in km of points (G,) from others (p,), degrees: (G, p)."""
    cosine = on_sphere(latitude, longitude) @ on_sphere(other_latitude, other_longitude).T
    return EARTH_RADIUS * np.arccos(np.clip(cosine, -1, 1))


def on_sphere(latitude: ArrayLike, longitude: ArrayLike) -> Array:
    """Unit vectors, (n, 3), of points (n,) in degrees."""
    phi, lam = (np.deg2rad(np.asarray(angle, dtype=np.float64)) for angle in (latitude, longitude))
    return np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)], axis=-1)
