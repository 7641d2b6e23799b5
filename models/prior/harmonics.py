r"""Spherical harmonics: what is smooth on the sphere, and how it changes from place to place.

A field is a sum of waves round the Earth, each of which has a shape along the meridian,

    x(lambda, phi) = sum_m sum_{l = m}^{T} P_lm(sin phi) (a_lm cos m lambda + b_lm sin m lambda),

with Legendre functions P_lm of norm 1 (Holmes & Featherstone 2002, the recursion of their section 2). No
place is special to it; its slopes, (1 / cos phi) d/dlambda and d/dphi, are exact, also near a pole. The
coefficients of a field on a grid are those of least squares by area, which are exact for what is smooth
enough. Components of the wind are no such fields, but those times cos phi are (Orszag 1974).

At a pole there is no east: a row that lies there is taken for one a quarter of a row away from it.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

NEAREST = 0.25  # rows from a pole
UNIT = 10.0  # slopes are told per a tenth of the Earth's radius


class Harmonics(nn.Module):
    """Fields on a grid (N, H, W, C) <-> coefficients (T + 1, T + 1, N, 2, C): of m, l, cosine and sine.

    Arguments:
        latitude: of the rows, degrees, (H,).
        breadth: W, points round the Earth, evenly apart.
        truncation: T; fewer than there are rows, and half of the points at most.

    Attributes:
        latitude: of the rows, off the poles, radians, (H,).
        cosine: of it, (H, 1, 1).

    Raises:
        ValueError: T is more.
    """

    cosine: Tensor
    waves: Tensor
    around: Tensor
    east: Tensor
    shapes: Tensor
    parallels: Tensor
    slopes: Tensor
    fit: Tensor

    def __init__(self, latitude: NDArray[np.float64], breadth: int, truncation: int) -> None:
        super().__init__()
        if not 0 <= truncation < min(len(latitude), breadth // 2 + 1):
            raise ValueError(f"{len(latitude)} x {breadth} points do not tell harmonics up to {truncation}")
        phi, self.truncation = _off_the_poles(latitude), truncation
        self.latitude = phi
        p, slope = legendre(phi, truncation)
        m, angle = np.arange(truncation + 1), 2 * np.pi * np.arange(breadth) / breadth
        cosine, sine = np.cos(np.outer(angle, m)), np.sin(np.outer(angle, m))
        share = np.where(m == 0, 1, 2) / breadth
        tables = {
            "cosine": np.cos(phi)[:, None, None],
            "waves": np.concatenate([cosine * share, sine * share], axis=1).T,
            "around": np.concatenate([cosine, sine], axis=1),
            "east": np.concatenate([-sine * m, cosine * m], axis=1) / UNIT,
            "shapes": p.transpose(0, 2, 1),
            "parallels": p.transpose(0, 2, 1) / np.cos(phi)[:, None],
            "slopes": slope.transpose(0, 2, 1) / UNIT,
            "fit": _least_squares(p, np.cos(phi)),
        }
        for name, table in tables.items():
            value = torch.tensor(np.ascontiguousarray(table), dtype=torch.float32)
            self.register_buffer(name, value, persistent=False)

    def analyse(self, x: Tensor) -> Tensor:
        """Coefficients of fields."""
        n, rows, _, channels = x.shape
        size = self.truncation + 1
        waves = (self.waves @ x).view(n, rows, 2, size, channels).permute(3, 1, 0, 2, 4)
        return torch.bmm(self.fit, waves.reshape(size, rows, -1)).view(size, size, n, 2, channels)

    def field(self, c: Tensor) -> Tensor:
        """The field of coefficients."""
        return self._on_grid(c, self.shapes, self.around)

    def gradient(self, c: Tensor) -> tuple[Tensor, Tensor]:
        """Its slopes to the east and to the north, each per 1 / `UNIT` of a radian."""
        return self._on_grid(c, self.parallels, self.east), self._on_grid(c, self.slopes, self.around)

    def _on_grid(self, c: Tensor, along: Tensor, around: Tensor) -> Tensor:
        size, _, n, _, channels = c.shape
        rows = torch.bmm(along, c.reshape(size, size, -1)).view(size, -1, n, 2, channels)
        return around @ rows.permute(2, 1, 3, 0, 4).reshape(n, -1, 2 * size, channels)


def _off_the_poles(latitude: NDArray[np.float64]) -> NDArray[np.float64]:
    most = 90 - NEAREST * np.abs(np.diff(latitude)).max(initial=0.0)
    return np.deg2rad(latitude.clip(-most, most))


def legendre(phi: NDArray[np.float64], truncation: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """P_lm at latitudes (radians) and their slopes d/dphi, (T + 1, T + 1, H) each; 0 for l < m."""
    sine, cosine = np.sin(phi), np.cos(phi)
    p = np.zeros((truncation + 1, truncation + 2, len(phi)))

    def ratio(degree: int, m: int) -> float:
        return float(np.sqrt((degree**2 - m**2) / (4 * degree**2 - 1))) if degree > m else 0.0

    p[0, 0] = np.sqrt(0.5)
    for m in range(1, truncation + 1):
        p[m, m] = np.sqrt((2 * m + 1) / (2 * m)) * cosine * p[m - 1, m - 1]
    for m in range(truncation + 1):
        for n in range(m + 1, truncation + 2):
            p[m, n] = (sine * p[m, n - 1] - ratio(n - 1, m) * p[m, n - 2]) / ratio(n, m)
    slope = np.zeros_like(p)
    for m in range(truncation + 1):
        for n in range(m, truncation + 1):
            lower = (n + 1) * ratio(n, m) * p[m, n - 1] if n > m else 0.0
            slope[m, n] = (lower - n * ratio(n + 1, m) * p[m, n + 1]) / cosine
    return p[:, :-1], slope[:, :-1]


def _least_squares(p: NDArray[np.float64], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """What finds coefficients from rows, by area, (T + 1, T + 1, H)."""
    root, fit = np.sqrt(weight), np.zeros_like(p)
    for m in range(len(p)):
        fit[m, m:] = np.linalg.pinv(root[:, None] * p[m, m:].T) * root
    return fit
