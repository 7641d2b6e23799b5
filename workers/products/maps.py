"""A field as a picture: equirectangular, smoothly enlarged, coloured by a perceptual palette, as PNG.

The picture covers the grid cell by cell: its edges are the outer edges of the outermost cells, and its rows
are equally spaced in latitude whatever the grid's are. A global one goes from pole to pole, and begins at the
date line: Europe and Africa are in the middle. The colour scale and the extent stand in the PNG's own
metadata (key "serein", JSON) and in the index of the maps, so that a legend can be drawn beside the picture.
"""

import io
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
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
    "kg kg-1": ("g kg-1", 1e3, 0.0),
    "K": ("°C", 1.0, -273.15),
}
"""SI unit -> (unit people read, factor, offset). A difference takes the factor only, and stays in K."""

CHART_STEPS = (20.0, 40.0, 80.0, 160.0)
"""Geopotential metres between isolines on weather charts."""


def draw_all(
    fields: Mapping[Quantity, ArrayLike],
    times: Iterable[Any],
    channels: Sequence[str],
    latitude: ArrayLike,
    longitude: ArrayLike,
    departures: Collection[str] = (),
) -> dict[str, bytes]:
    """Every map of an ensemble, and the list of them.

    The maps of one channel and quantity share a scale, so that times can be compared.

    Args:
        fields: ensemble "mean" and "spread" in SI units, each of shape (time, channel, latitude, longitude).
        times: valid times (UTC), anything pandas reads as one.
        channels: ECMWF names.
        departures: those whose mean is given as a departure from the season's.

    Returns:
        Object name -> content: "maps/msl-20190217T1200Z-mean.png" and so on, and "maps/index.json", which is
        {"extent": {west, south, east, north}, "maps": [{"channel", "time", "quantity", "name", "scale"}]}.
    """
    stamps = [pd.Timestamp(time) for time in times]
    objects: dict[str, bytes] = {}
    listed = []
    lat, lon = _places(latitude, longitude)
    for (quantity, field), (k, channel) in product(fields.items(), enumerate(channels)):
        values = _whole_earth(np.asarray(field)[:, k], latitude, longitude)
        scale = color_scale(values, quantity, channel, departure=channel in departures)
        for time, picture in zip(stamps, values, strict=True):
            name = f"{channel}-{time:%Y%m%dT%H%MZ}-{quantity}.png"
            objects[f"maps/{name}"] = draw_map(picture, lat, lon, quantity, channel, scale=scale)
            at = f"{time:%Y-%m-%dT%H:%M:%SZ}"
            listed.append(
                {"channel": channel, "time": at, "quantity": quantity, "name": name, "scale": scale}
            )
    index = {"extent": map_extent(lat, lon), "maps": listed}
    return {**objects, "maps/index.json": json.dumps(index).encode()}


def color_scale(
    field: ArrayLike, quantity: Quantity, channel: str, *, departure: bool = False
) -> dict[str, Any]:
    """A legend: {channel, quantity, long_name, title, units, factor, offset, vmin, vmax, step, colors}.

    Numbers are in the units people read, which are SI * factor + offset. Winds and departures from the season
    have scales that are the same on both sides of zero.
    """
    known = channel_named(channel)
    units, factor, offset = UNITS.get(known.units, (known.units, 1.0, 0.0))
    title = f"{quantity.capitalize()} of {known.long_name}"
    if quantity == "spread" or departure:
        offset, units = 0.0, "K" if units == "°C" else units
    shown = np.asarray(field, dtype=np.float64) * factor + offset
    shown = shown[np.isfinite(shown)]
    low, high = (float(shown.min()), float(shown.max())) if shown.size else (0.0, 1.0)
    palette = "temperature" if known.units == "K" else "pressure"
    if quantity == "spread":
        low, palette = 0.0, "spread"
    elif departure or known.units == "m s-1":
        low, high, palette = -max(high, -low), max(high, -low), "temperature"
        title += ", departure from the season's" if departure else ""
    span = high if low == -high else high - low
    step = _chart_step(span) if units == "gpm" else _round_step(span)
    return {
        "channel": channel,
        "quantity": quantity,
        "long_name": known.long_name,
        "title": title,
        "units": units,
        "factor": factor,
        "offset": offset,
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
    shown = _enlarge(values * scale["factor"] + scale["offset"], lat, width, wrap=_round_the_earth(lon))
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


def _round_the_earth(longitude: NDArray[np.float64]) -> bool:
    return bool(np.isclose(longitude[-1] - longitude[0] + longitude[1] - longitude[0], 360))


def _places(latitude: ArrayLike, longitude: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Latitudes and longitudes of what `_whole_earth` gives."""
    lat, lon = np.asarray(latitude, dtype=np.float64), np.asarray(longitude, dtype=np.float64)
    if not _round_the_earth(lon):
        return lat, lon
    half = 90 / lat.size
    return np.linspace(90 - half, half - 90, lat.size), np.sort((lon + 180) % 360 - 180)


def _whole_earth(field: NDArray[Any], latitude: ArrayLike, longitude: ArrayLike) -> NDArray[Any]:
    """A global field (..., H, W) from pole to pole and from the date line on; any other as it is."""
    lat, lon = np.asarray(latitude, dtype=np.float64), np.asarray(longitude, dtype=np.float64)
    if not _round_the_earth(lon):
        return field
    rows, _ = _places(lat, lon)
    turned = field[..., np.argsort((lon + 180) % 360)]
    return np.apply_along_axis(lambda column: np.interp(-rows, -lat, column), -2, turned)


def _enlarge(
    field: NDArray[np.float64], latitude: NDArray[np.float64], width: int, *, wrap: bool
) -> NDArray[np.float64]:
    """The field on many pixels: rows made equally spaced, then cubic enlargement by a whole factor."""
    rows = np.linspace(latitude[0], latitude[-1], latitude.size)
    if not np.allclose(rows, latitude):
        field = np.stack([np.interp(-rows, -latitude, column) for column in field.T], axis=1)
    times = max(1, round(width / field.shape[1]))
    missing = ~np.isfinite(field)
    filled = np.where(missing, np.nanmean(field) if not missing.all() else 0.0, field)
    beyond = 4 if wrap else 0  # columns: a spline sees no farther
    padded = np.pad(filled, ((0, 0), (beyond, beyond)), mode="wrap")
    large = zoom(padded, times, order=3, mode="nearest", grid_mode=True)
    large = large[:, beyond * times : large.shape[1] - beyond * times]
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
    levels = np.arange(scale["vmin"] + scale["step"], scale["vmax"], scale["step"])
    if scale["vmin"] == -scale["vmax"]:
        levels = levels[abs(levels) > scale["step"] / 2]  # zero wanders where nothing happens
    for level in levels:
        for line in contours.lines(float(level)):
            points = [(float(x), float(y)) for x, y in np.asarray(line)]
            pen.line(points, fill=(*INK, 150), width=3, joint="curve")
            for part in (1 / 2, 1 / 6, 5 / 6)[: round(2 * len(points) / width + 0.5)]:
                at = _free_place(points, labels, sheet.size, part)
                labels += [(*at, level)] if at else []
    for x, y, level in labels:
        halo = {"stroke_width": 6, "stroke_fill": (255, 255, 255, 170)}
        pen.text((x, y), f"{level:g}", (*INK, 235), font, "mm", **halo)  # type: ignore[arg-type]
    return sheet.resize((width, height), Image.Resampling.BOX)


def _free_place(
    points: list[tuple[float, float]],
    taken: Sequence[tuple[float, ...]],
    size: tuple[int, int],
    part: float,
    room: float = 110,
) -> tuple[float, float] | None:
    """The point nearest a part of a line that is `room` pixels away from edges and other labels."""
    wanted = int(part * len(points))
    for k in sorted(range(0, len(points), 8), key=lambda k: abs(k - wanted)):
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


def _chart_step(spread: float) -> float:
    """The closest of the customary isolines of which there are at most sixteen."""
    return next((step for step in CHART_STEPS if spread <= 16 * step), _round_step(spread))


def _round_step(spread: float) -> float:
    """A round number that cuts a range into about ten."""
    if not spread > 0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(spread / 10))
    return float(next(m * power for m in (1, 2, 5, 10) if spread / (m * power) <= 10.0001))
