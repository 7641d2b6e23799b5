"""Coastlines as line segments, drawn from the land mask of global-land-mask (1 km, from NOAA's GLOBE).

The package would unpack its whole mask into memory (0.9 GB); here it is read in strips and kept as the share
of land in cells of 1/15 degree. A coastline is where that share, interpolated, passes one half.
"""

import zipfile
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from contourpy import contour_generator
from numpy.typing import NDArray

FINEST = 8
"""Mask points (1/120 degree) along the side of a cell."""

MOST_CELLS = 700
"""Cells along the longer side of what is drawn; a larger region is drawn from larger cells."""

Line = list[list[float]]


@lru_cache(maxsize=64)
def coastlines(west: float, south: float, east: float, north: float) -> list[Line]:
    """Coastlines within a box.

    Args:
        west, east: degrees east, `west < east`; either may lie beyond 180 (a box across the date line).
        south, north: degrees north.

    Returns:
        Lines of [longitude, latitude] in degrees, to two decimals, in the box's own convention of longitude.

    Raises:
        ValueError: the box is empty, wider than the Earth or reaches beyond a pole.
    """
    if not (-90 <= south < north <= 90 and west < east <= west + 360 and -360 <= west <= 360):
        raise ValueError("bbox is west,south,east,north in degrees, west < east <= west + 360, south < north")
    land = land_share()
    per_degree = land.shape[1] / 360
    coarser = int(np.ceil(max(east - west, north - south) * per_degree / MOST_CELLS))
    rows = np.arange(int((90 - north) * per_degree) - coarser, int((90 - south) * per_degree) + 2 * coarser)
    columns = np.arange(
        int((west + 180) * per_degree) - coarser, int((east + 180) * per_degree) + 2 * coarser
    )
    rows = rows[(rows >= 0) & (rows < land.shape[0])]
    share = _block_mean(land[np.ix_(rows, columns % land.shape[1])], coarser)
    cell = coarser / per_degree
    latitude = 90 - rows[0] / per_degree - cell * (np.arange(share.shape[0]) + 0.5)
    longitude = columns[0] / per_degree - 180 + cell * (np.arange(share.shape[1]) + 0.5)
    lines = contour_generator(longitude, latitude, share).lines(FINEST**2 / 2)
    return [np.round(np.asarray(line), 2).tolist() for line in lines if line is not None and len(line) > 4]


@lru_cache(maxsize=1)
def land_share() -> NDArray[np.uint8]:
    """Mask points on land, of 64, per cell of 1/15 degree, shape (2700, 5400), from 90 N and 180 W on."""
    package = find_spec("global_land_mask")  # importing it would unpack everything
    if package is None or package.origin is None:
        raise ModuleNotFoundError("global-land-mask is not installed: pip install global-land-mask")
    path = Path(package.origin).with_name("globe_combined_mask_compressed.npz")
    with zipfile.ZipFile(path) as archive, archive.open("mask.npy") as stream:
        version = np.lib.format.read_magic(stream)
        read_header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }
        (height, width), _, dtype = read_header[version](stream)
        strips = []
        for _ in range(height // FINEST):
            ocean = np.frombuffer(stream.read(FINEST * width * dtype.itemsize), np.uint8).reshape(
                FINEST, width
            )
            strips.append(ocean.sum(axis=0, dtype=np.uint8).reshape(-1, FINEST).sum(axis=1, dtype=np.uint8))
    return np.uint8(FINEST**2) - np.stack(strips)


def _block_mean(field: NDArray[np.uint8], size: int) -> NDArray[np.float32]:
    height, width = field.shape[0] // size * size, field.shape[1] // size * size
    blocks = field[:height, :width].reshape(height // size, size, width // size, size)
    return blocks.mean(axis=(1, 3), dtype=np.float32)
