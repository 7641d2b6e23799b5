"""A field as a picture: equirectangular, smoothly enlarged, coloured by a perceptual palette, as PNG.

The picture covers the grid cell by cell: its edges are the outer edges of the outermost cells, and its rows
are equally spaced in latitude whatever the grid's are. The colour scale and the extent stand in the PNG's own
metadata (key "serein", JSON) and in the index of the maps, so that a legend can be drawn beside the picture.
"""

import io
import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any, Literal

import numpy as np
import pandas as pd
from contourpy import contour_generator
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw, ImageFont, PngImagePlugin
from scipy.ndimage import zoom

from models.state.channels import channel as channel_named

Quantity = Literal["mean", "spread"]

PALETTES: dict[str, list[str]] = {
    "pressure": "#1f2f5e #275a84 #2f8499 #5fae9f #a8d0a6 #e6e9bd #fbf6e0".split(),
    "temperature": "#22346b #3f6fa8 #7fb0cf #c9dfe3 #f3efdd #efcf9e #dd9a6a #c0604f #8a2f3f".split(),
    "spread": "#f6f3ea #d9e3d0 #a9cfbf #6fb3b1 #43919f #2f6e8a #284c6e #20294a".split(),
}
"""Colour anchors in even steps, low to high values; no purple or orange, the page's colours of O-A."""

INK = (18, 28, 36)

UNITS: dict[str, tuple[str, float, float]] = {
    "Pa": ("hPa", 0.01, 0.0),
    "m2 s-2": ("gpm", 1 / 9.80665, 0.0),
    "K": ("°C", 1.0, -273.15),
}
"""SI unit -> (unit people read, factor, offset). A spread takes the factor only, and stays in K."""


def draw_all(
    fields: Mapping[Quantity, ArrayLike],
    times: Iterable[Any],
    channels: Sequence[str],
    latitude: ArrayLike,
    longitude: ArrayLike,
) -> dict[str, bytes]:
    """Every map of an ensemble, and the list of them.

    The maps of one channel and quantity share a scale, so that times can be compared.

    Args:
        fields: ensemble "mean" and "spread" in SI units, each of shape (time, channel, latitude, longitude).
        times: valid times (UTC), anything pandas reads as one.
        channels: ECMWF names.

    Returns:
        Object name -> content: "maps/msl-20190217T1200Z-mean.png" and so on, and "maps/index.json", which is
        {"extent": {west, south, east, north}, "maps": [{"channel", "time", "quantity", "name", "scale"}]}.
    """
    stamps = [pd.Timestamp(time) for time in times]
    objects: dict[str, bytes] = {}
    listed = []
    for (quantity, field), (k, channel) in product(fields.items(), enumerate(channels)):
        values = np.asarray(field)[:, k]
        scale = color_scale(values, quantity, channel)
        for time, picture in zip(stamps, values, strict=True):
            name = f"{channel}-{time:%Y%m%dT%H%MZ}-{quantity}.png"
            objects[f"maps/{name}"] = draw_map(picture, latitude, longitude, quantity, channel, scale=scale)
            at = f"{time:%Y-%m-%dT%H:%M:%SZ}"
            listed.append(
                {"channel": channel, "time": at, "quantity": quantity, "name": name, "scale": scale}
            )
    index = {"extent": map_extent(latitude, longitude), "maps": listed}
    return {**objects, "maps/index.json": json.dumps(index).encode()}


def color_scale(field: ArrayLike, quantity: Quantity, channel: str) -> dict[str, Any]:
    """A legend: {channel, quantity, long_name, title, units, factor, offset, vmin, vmax, step, colors}.

    Numbers are in the units people read, which are SI * factor + offset.
    """
    known = channel_named(channel)
    units, factor, offset = UNITS.get(known.units, (known.units, 1.0, 0.0))
    shown = _readable(np.asarray(field, dtype=np.float64), quantity, channel)
    shown = shown[np.isfinite(shown)]
    low, high = (float(shown.min()), float(shown.max())) if shown.size else (0.0, 1.0)
    palette = "temperature" if known.units == "K" else "pressure"
    if quantity == "spread":
        low, palette, units = 0.0, "spread", ("K" if units == "°C" else units)
    step = _round_step(high - low)
    return {
        "channel": channel,
        "quantity": quantity,
        "long_name": known.long_name,
        "title": f"{quantity} of {known.long_name}".capitalize(),
        "units": units,
        "factor": factor,
        "offset": 0.0 if quantity == "spread" else offset,
        "step": step,
        "vmin": round(np.floor(low / step) * step, 10),
        "vmax": round(max(np.ceil(high / step) * step, np.floor(low / step) * step + step), 10),
        "colors": PALETTES[palette],
    }


def draw_map(
    field: ArrayLike,
    latitude: ArrayLike,
    longitude: ArrayLike,
    quantity: Quantity = "mean",
    channel: str = "msl",
    *,
    scale: dict[str, Any] | None = None,
    width: int = 1000,
) -> bytes:
    """PNG of a field.

    Args:
        field: ensemble mean or spread in SI units, shape (latitude, longitude); NaN becomes transparent.
        latitude: degrees north, descending, shape (H,).
        longitude: degrees east, ascending, equally spaced, shape (W,).
        quantity: chooses palette and scale; a spread's scale starts at 0.
        channel: ECMWF name, e.g. "z500"; chooses units and palette.
        scale: what `color_scale` gave for several fields together, so that their maps can be compared.
        width: about how many pixels wide.

    Raises:
        ValueError: the shapes do not agree, or there is no such channel.
    """
    values = np.asarray(field, dtype=np.float64)
    lat, lon = np.asarray(latitude, dtype=np.float64), np.asarray(longitude, dtype=np.float64)
    if values.shape != (lat.size, lon.size):
        raise ValueError(
            f"a field of shape {values.shape} does not fit {lat.size} latitudes, {lon.size} longitudes"
        )
    scale = scale or color_scale(values, quantity, channel)
    shown = _enlarge(_readable(values, quantity, channel), lat, width)
    position = (shown - scale["vmin"]) / (scale["vmax"] - scale["vmin"])
    pixels = _palette_lookup(scale["colors"])[np.clip(np.nan_to_num(position) * 255, 0, 255).astype(np.uint8)]
    pixels[~np.isfinite(position), 3] = 0
    text = PngImagePlugin.PngInfo()
    text.add_text("serein", json.dumps({**scale, "extent": map_extent(lat, lon)}))
    picture = Image.fromarray(pixels, "RGBA")
    if quantity == "mean":
        picture.alpha_composite(_isolines(shown, scale))
    out = io.BytesIO()
    picture.save(out, "PNG", pnginfo=text)
    return out.getvalue()


def read_scale(png: bytes) -> dict[str, Any]:
    """The colour scale and the extent that `draw_map` wrote into its PNG."""
    with Image.open(io.BytesIO(png)) as image:
        return json.loads(image.info["serein"])


def map_extent(latitude: ArrayLike, longitude: ArrayLike) -> dict[str, float]:
    """Outer edges of a picture, {west, south, east, north} in degrees: half a cell beyond the points."""
    lat, lon = np.asarray(latitude, dtype=np.float64), np.asarray(longitude, dtype=np.float64)
    half = (lon[1] - lon[0]) / 2
    north, south = lat[0] + (lat[0] - lat[1]) / 2, lat[-1] - (lat[-2] - lat[-1]) / 2
    return {
        "west": float(lon[0] - half),
        "south": float(max(south, -90.0)),
        "east": float(lon[-1] + half),
        "north": float(min(north, 90.0)),
    }


def _readable(values: NDArray[np.float64], quantity: Quantity, channel: str) -> NDArray[np.float64]:
    _, factor, offset = UNITS.get(channel_named(channel).units, ("", 1.0, 0.0))
    return values * factor + (0.0 if quantity == "spread" else offset)


def _enlarge(field: NDArray[np.float64], latitude: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """The field on many pixels: rows made equally spaced, then cubic enlargement by a whole factor."""
    rows = np.linspace(latitude[0], latitude[-1], latitude.size)
    if not np.allclose(rows, latitude):
        field = np.stack([np.interp(-rows, -latitude, column) for column in field.T], axis=1)
    times = max(1, round(width / field.shape[1]))
    missing = ~np.isfinite(field)
    filled = np.where(missing, np.nanmean(field) if not missing.all() else 0.0, field)
    large = zoom(filled, times, order=3, mode="nearest", grid_mode=True)
    large = np.clip(large, filled.min(), filled.max())
    return np.where(np.kron(missing, np.ones((times, times), dtype=bool)), np.nan, large)


def _isolines(shown: NDArray[np.float64], scale: dict[str, Any]) -> Image.Image:
    """Labelled lines of equal value at the scale's steps: drawn at twice the size, then reduced."""
    height, width = shown.shape
    sheet = Image.new("RGBA", (2 * width, 2 * height), (*INK, 0))
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(32)
    columns, rows = 2 * np.arange(width) + 1, 2 * np.arange(height) + 1
    contours = contour_generator(columns, rows, np.ma.masked_invalid(shown))
    labels: list[tuple[float, float, float]] = []
    for level in np.arange(scale["vmin"] + scale["step"], scale["vmax"], scale["step"]):
        for line in contours.lines(float(level)):
            points = [(float(x), float(y)) for x, y in np.asarray(line)]
            pen.line(points, fill=(*INK, 150), width=3, joint="curve")
            if len(points) > width / 4:
                at = _free_place(points, labels, sheet.size)
                labels += [(*at, level)] if at else []
    for x, y, level in labels:
        halo = {"stroke_width": 6, "stroke_fill": (255, 255, 255, 170)}
        pen.text((x, y), f"{level:g}", (*INK, 235), font, "mm", **halo)  # type: ignore[arg-type]
    return sheet.resize((width, height), Image.Resampling.BOX)


def _free_place(
    points: list[tuple[float, float]],
    taken: Sequence[tuple[float, ...]],
    size: tuple[int, int],
    room: float = 110,
) -> tuple[float, float] | None:
    """The point nearest the middle of a line that is `room` pixels away from edges and other labels."""
    middle = len(points) // 2
    for k in sorted(range(0, len(points), 8), key=lambda k: abs(k - middle)):
        x, y = points[k]
        inside = room / 2 < x < size[0] - room / 2 and room / 2 < y < size[1] - room / 2
        if inside and all(abs(x - other[0]) > room or abs(y - other[1]) > room / 2 for other in taken):
            return x, y
    return None


def _palette_lookup(colors: list[str]) -> NDArray[np.uint8]:
    """256 RGBA rows between the anchors, shape (256, 4)."""
    anchors = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in colors], dtype=np.float64)
    at = np.linspace(0, len(colors) - 1, 256)
    channels = [np.interp(at, np.arange(len(colors)), anchors[:, k]) for k in range(3)]
    return np.stack([*channels, np.full(256, 255.0)], axis=1).round().astype(np.uint8)


def _round_step(spread: float) -> float:
    """A round number that cuts a range into about ten."""
    if not spread > 0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(spread / 10))
    return float(next(m * power for m in (1, 2, 5, 10) if spread / (m * power) <= 10.0001))
