"""States on a ring in space and time: one picture of longitude and time (Hovmöller 1949) instead of maps."""

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from workers.products.maps import Quantity, color_scale, draw_map


def draw_hovmoller(
    fields: Mapping[Quantity, ArrayLike],
    times: Iterable[Any],
    channels: Sequence[str],
    longitude: ArrayLike,
) -> dict[str, bytes]:
    """Mean and spread of every channel, time running down; nothing of a single point or a single time.

    Args:
        fields: ensemble "mean" and "spread", each of shape (time, channel, 1, longitude).
        times: of the states (UTC), anything pandas reads as one.
        channels: names.
        longitude: degrees east.

    Returns:
        Object name -> content: "maps/lorenz_x-mean.png" and so on, and "maps/index.json", which is
        {"maps": [], "hovmoller": [{"channel", "time", "end", "quantity", "name", "scale"}]}.
    """
    lon = np.asarray(longitude, dtype=np.float64)
    stamps = [f"{pd.Timestamp(time):%Y-%m-%dT%H:%M:%SZ}" for time in times]
    rows = -np.arange(len(stamps), dtype=np.float64)  # down, as latitudes go
    objects: dict[str, bytes] = {}
    listed = []
    for (quantity, field), (k, channel) in product(fields.items(), enumerate(channels)):
        if min(len(stamps), lon.size) < 2:
            continue
        values = np.asarray(field)[:, k, 0]
        scale = color_scale(values, quantity, channel)
        name = f"{channel}-{quantity}.png"
        objects[f"maps/{name}"] = draw_map(values, rows, lon, quantity, channel, scale=scale)
        about = {"channel": channel, "time": stamps[0], "end": stamps[-1], "quantity": quantity}
        listed.append({**about, "name": name, "scale": scale})
    return {**objects, "maps/index.json": json.dumps({"maps": [], "hovmoller": listed}).encode()}
