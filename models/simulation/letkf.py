r"""The local ensemble transform Kalman filter, one analysis (Hunt, Kostelich & Szunyogh 2007).

Each column of the grid has an analysis of its own, in the space of the N members. With the perturbations
Y (N, p) of what they predict, and rho the taper exp(-d^2 / 2 L^2) of the observations' distance d (none
beyond TAPER L), which divides the error variances,

    A = (N - 1) I + Y R^-1 rho Y^T,    w = A^-1 Y R^-1 rho (y - mean),    W = ((N - 1) A^-1)^1/2,

the analysis is the mean plus perturbations times w, with perturbations times W: among all square roots the
symmetric one changes members least. Spread that the analysis takes away is given back in part (relaxation to
prior spread; Whitaker & Hamill 2012).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
TAPER = 2.5  # times the length: no observation counts beyond
EARTH_RADIUS = 6371.0  # km


@dataclass(frozen=True)
class Tuning:
    """Of the LETKF: `length` of localisation, km; `relaxation` to prior spread, 0 to 1."""

    length: float = 700.0
    relaxation: float = 0.6


def distances(latitude: Array, longitude: Array, other_latitude: Array, other_longitude: Array) -> Array:
    """Great-circle distances in km of points (G,) from others (p,), degrees: (G, p)."""
    cosine = _unit(latitude, longitude) @ _unit(other_latitude, other_longitude).T
    return EARTH_RADIUS * np.arccos(np.clip(cosine, -1, 1))


def _unit(latitude: Array, longitude: Array) -> Array:
    phi, lam = np.deg2rad(latitude), np.deg2rad(longitude)
    return np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)], axis=-1)


def analyse(
    ensemble: Array,
    predicted: Array,
    value: Array,
    error: Array,
    distance: Array,
    *,
    length: float,
    relaxation: float,
) -> Array:
    """Analysis members, (N, C, G).

    Arguments:
        ensemble: C fields on G columns, (N, C, G).
        predicted: what each member predicts, (N, p).
        value, error: observations and the standard deviation of their errors, (p,).
        distance: of the columns from the observations, in km, (G, p).
        length: L, km.
        relaxation: share of the lost spread that is given back, 0 to 1.
    """
    mean, members = ensemble.mean(0), len(ensemble)
    perturbation = ensemble - mean
    taper = np.exp(-0.5 * (distance / length) ** 2) * (distance < TAPER * length)
    seen = (predicted - predicted.mean(0)) / error
    misfit = (value - predicted.mean(0)) / error
    products = np.einsum("np,mp->pnm", seen, seen).reshape(len(value), -1)
    precision = (taper @ products).reshape(-1, members, members) + (members - 1) * np.eye(members)
    values, vectors = np.linalg.eigh(precision)
    projected = np.einsum("gnk,gn->gk", vectors, taper @ (seen * misfit).T)
    weight = np.einsum("gnk,gk->gn", vectors, projected / values)
    transform = np.einsum("gnk,gk,gmk->gnm", vectors, np.sqrt((members - 1) / values), vectors)
    moved = mean + np.einsum("ncg,gn->cg", perturbation, weight)
    after = np.einsum("ncg,gnm->mcg", perturbation, transform)
    before_spread, spread = (x.std(axis=0, ddof=1) for x in (perturbation, after))
    lost = (before_spread - spread) / np.maximum(spread, np.finfo(np.float64).tiny)
    return moved + after * (1 + relaxation * lost)
