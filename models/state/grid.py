"""A latitude-longitude grid that knows its cell areas, its seam and its outline.

Latitude runs north to south, longitude west to east in one unbroken stretch; longitudes given by others may
be in any convention and are wrapped. On a periodic grid 359.9° lies between the last column and the first.
A single row is a ring with cells as high as they are wide; a single point stands for the whole globe.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, eq=False)
class Grid:
    """A regular or Gaussian grid, global or limited-area.

    Attributes:
        latitude: degrees north, descending, shape (H,).
        longitude: degrees east, ascending, equally spaced, shape (W,).
    """

    latitude: NDArray[np.float64]
    longitude: NDArray[np.float64]

    def __post_init__(self) -> None:
        latitude = np.asarray(self.latitude, dtype=np.float64)
        longitude = np.asarray(self.longitude, dtype=np.float64)
        object.__setattr__(self, "latitude", latitude)
        object.__setattr__(self, "longitude", longitude)
        if latitude.ndim != 1 or longitude.ndim != 1 or min(latitude.size, longitude.size) < 1:
            raise ValueError("latitude and longitude must be one-dimensional with at least one point each")
        if not (np.diff(latitude) < 0).all():
            raise ValueError("latitude must run from north to south; flip the data before building the grid")
        spacing = np.diff(longitude)
        if not (spacing > 0).all() or not np.allclose(spacing, spacing[:1], rtol=1e-3):
            raise ValueError("longitude must rise in equal steps; roll the data so that no jump lies inside")
        if longitude[-1] - longitude[0] > 360 - 0.5 * self.spacing:
            raise ValueError("longitude repeats its first column at the end; drop the duplicate")
        if latitude.size == 1 and not self.periodic:
            raise ValueError("a single latitude must go once around the Earth")

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W)."""
        return self.latitude.size, self.longitude.size

    @property
    def spacing(self) -> float:
        """Longitude step in degrees."""
        return float(self.longitude[1] - self.longitude[0]) if self.longitude.size > 1 else 360.0

    @property
    def periodic(self) -> bool:
        """Whether the grid goes once around the Earth."""
        return abs(self.spacing * self.longitude.size - 360) < 0.01 * self.spacing

    @property
    def latitude_edges(self) -> NDArray[np.float64]:
        """Cell edges in degrees, shape (H+1,), at the midpoints, never beyond a pole."""
        if self.latitude.size == 1:
            return np.clip(self.latitude + np.array([0.5, -0.5]) * self.spacing, -90, 90)
        middle = (self.latitude[1:] + self.latitude[:-1]) / 2
        first = self.latitude[0] + (self.latitude[0] - middle[0])
        last = self.latitude[-1] - (middle[-1] - self.latitude[-1])
        return np.clip(np.concatenate([[first], middle, [last]]), -90, 90)

    @property
    def area_weights(self) -> NDArray[np.float64]:
        """Cell areas, (H, 1), with mean 1: sin(north edge) - sin(south edge), as WeatherBench 2."""
        edges = np.sin(np.deg2rad(self.latitude_edges))
        area = edges[:-1] - edges[1:]
        return (area / area.mean())[:, None]

    def wrap(self, longitude: ArrayLike) -> NDArray[np.float64]:
        """Longitudes moved by whole turns to lie nearest east of the grid's western edge."""
        west = self.longitude[0] - (0 if self.periodic else self.spacing / 2)
        return west + np.mod(np.asarray(longitude, dtype=np.float64) - west, 360)

    def contains(self, latitude: ArrayLike, longitude: ArrayLike) -> NDArray[np.bool_]:
        """Whether points can be interpolated to: between grid points, or over a pole of a global grid."""
        lat, lon = np.asarray(latitude, dtype=np.float64), self.wrap(longitude)
        if self.periodic:
            edges = self.latitude_edges
            return (lat <= edges[0]) & (lat >= edges[-1]) & np.isfinite(lon)
        south, north = self.latitude[-1], self.latitude[0]
        return (lat <= north) & (lat >= south) & (lon >= self.longitude[0]) & (lon <= self.longitude[-1])

    def cell(self, latitude: ArrayLike, longitude: ArrayLike) -> NDArray[np.int64]:
        """Index (row * W + column) of the cell, centred on a grid point, in which each point lies."""
        row, column = self._position(latitude, longitude)
        width = self.longitude.size
        i = np.clip(np.rint(row), 0, self.latitude.size - 1).astype(np.int64)
        j = np.rint(column).astype(np.int64)
        j = j % width if self.periodic else np.clip(j, 0, width - 1)
        return i * width + j

    def bilinear(
        self, latitude: ArrayLike, longitude: ArrayLike
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The four grid points around each point and their weights.

        Beyond the first or last row of a global grid the value of the row beyond the pole is that of the row
        itself half a turn away, so a point over a pole is interpolated across it.

        Returns:
            (index, weight), each of shape (N, 4); index counts row * W + column; weights sum to 1.

        Raises:
            ValueError: a point lies outside the grid.
        """
        inside = self.contains(latitude, longitude)
        if not inside.all():
            raise ValueError(f"{int((~inside).sum())} points lie outside the grid")
        row, column = self._position(latitude, longitude)
        height, width = self.shape
        if not self.periodic:
            row, column = np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)
        i0 = np.floor(row).astype(np.int64)
        j0 = np.floor(column).astype(np.int64)
        if not self.periodic:
            i0, j0 = np.minimum(i0, height - 2), np.minimum(j0, width - 2)
        a, b = row - i0, column - j0
        index = np.empty((*row.shape, 4), dtype=np.int64)
        weight = np.empty((*row.shape, 4))
        for k, (di, dj) in enumerate(((0, 0), (0, 1), (1, 0), (1, 1))):
            index[..., k] = self._flat(i0 + di, j0 + dj)
            weight[..., k] = (a if di else 1 - a) * (b if dj else 1 - b)
        return index, weight

    def _position(
        self, latitude: ArrayLike, longitude: ArrayLike
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Fractional row and column; rows beyond the first or last are extrapolated over the pole."""
        lat, lon = np.asarray(latitude, dtype=np.float64), self.wrap(longitude)
        column = (lon - self.longitude[0]) / self.spacing
        if self.latitude.size == 1:
            return np.zeros_like(lat), column
        rows = np.arange(self.latitude.size, dtype=np.float64)
        nodes = self.latitude
        if self.periodic and nodes[0] < 90:  # beyond the pole lies the mirrored first row
            nodes, rows = np.append(180 - nodes[0], nodes), np.append(-1.0, rows)
        if self.periodic and nodes[-1] > -90:
            nodes, rows = np.append(nodes, -180 - nodes[-1]), np.append(rows, rows[-1] + 1)
        row = np.interp(-lat, -nodes, rows)
        return row, column

    def _flat(self, i: NDArray[np.int64], j: NDArray[np.int64]) -> NDArray[np.int64]:
        height, width = self.shape
        if self.periodic:
            beyond = (i < 0) | (i >= height)
            j = np.where(beyond, j + width // 2, j) % width
            i = np.where(i < 0, -1 - i, np.where(i >= height, 2 * height - 1 - i, i))
        return i * width + j
