"""Networks that observe the simulated Earth, placed as real ones are, and how well they see.

    sondes    240 airports at 00 and 12 UTC: wind, temperature and, below 300 hPa, humidity on all levels
    surface   1000 airports every six hours: pressure, and temperature at the lowest level
    swath     two satellites in polar orbits: mean temperature of three layers, at three places across the
              track every 600 km
    all       the three together

Airports are where people are: dense over Europe, sparse over the southern oceans. Errors are those of
instruments; noise of that size is added to what is observed.
"""

from functools import cache

import airportsdata
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.observations.reports import Reports
from models.observations.withholding import station_hash
from models.state.distances import EARTH_RADIUS, distances
from models.state.spec import StateSpec

Array = NDArray[np.float64]

NETWORKS = ("sondes", "surface", "swath", "all")
SONDES, STATIONS = 240, 1000
APART = 250.0  # km between sondes, at least
WIND, TEMPERATURE, LAYER, SURFACE_TEMPERATURE, PRESSURE = 1.5, 1.0, 0.5, 1.5, 100.0
HUMIDITY = {340: 1e-4, 510: 2e-4, 685: 5e-4, 835: 1e-3, 950: 1e-3}  # kg kg-1, per level
LAYERS = ((200, 340), (510, 685), (835, 950))  # of temperature, between and including these levels
PERIOD, INCLINATION, NODES = 101.0, 98.7, (0.0, 90.0)  # of orbits: minutes, degrees, degrees
SPACING, ACROSS = 600.0, (-700.0, 0.0, 700.0)  # km
SIDEREAL = 1436.07  # minutes in which the Earth turns once under an orbit


def reports(network: str, state: StateSpec, time: pd.Timestamp) -> Reports | None:
    """What a network sees of the state at `time` UTC; None where it sees nothing.

    Raises:
        ValueError: there is no such network.
    """
    if network not in NETWORKS:
        raise ValueError(f"no network {network!r}; there are {', '.join(NETWORKS)}")
    wanted = NETWORKS[:-1] if network == "all" else (network,)
    seen = {"sondes": _sondes, "surface": _surface, "swath": _swath}
    parts = [part for name in wanted if (part := seen[name](state, time)) is not None]
    return Reports.together(parts) if parts else None


def _sondes(state: StateSpec, time: pd.Timestamp) -> Reports | None:
    if time.hour % 12:
        return None
    latitude, longitude = places(SONDES, APART)
    errors = {"u": WIND, "v": WIND, "t": TEMPERATURE}
    wanted = [
        (c.name, errors[c.variable] if c.variable in errors else HUMIDITY[c.level])
        for c in state.channels
        if c.level is not None and (c.variable in errors or (c.variable == "q" and c.level in HUMIDITY))
    ]
    return _each(state, latitude, longitude, wanted)


def _surface(state: StateSpec, time: pd.Timestamp) -> Reports:
    lowest = max((c for c in state.channels if c.variable == "t"), key=lambda c: c.level or 0)
    return _each(state, *places(STATIONS), [("sp", PRESSURE), (lowest.name, SURFACE_TEMPERATURE)])


def _each(state: StateSpec, latitude: Array, longitude: Array, wanted: list[tuple[str, float]]) -> Reports:
    """Every channel wanted, with its error, at every place."""
    count = len(latitude)
    return Reports.of_channels(
        state,
        np.tile(latitude, len(wanted)),
        np.tile(longitude, len(wanted)),
        [[name] for name, _ in wanted for _ in range(count)],
        np.repeat([error for _, error in wanted], count),
    )


def _swath(state: StateSpec, time: pd.Timestamp) -> Reports:
    """All that is seen within three hours of `time` counts as seen then."""
    latitude, longitude = track(time)
    levels = sorted(c.level for c in state.channels if c.variable == "t" and c.level is not None)
    layers = [[f"t{int(k)}" for k in levels if top <= k <= base] for top, base in LAYERS]
    count = len(latitude)
    return Reports.together(
        [
            Reports.of_channels(state, latitude, longitude, [names] * count, np.full(count, LAYER))
            for names in layers
        ]
    )


def track(time: pd.Timestamp) -> tuple[Array, Array]:
    """Latitudes and longitudes seen by both satellites within three hours of `time`."""
    circumference = 2 * np.pi * EARTH_RADIUS
    minutes = np.arange(-180, 180, PERIOD * SPACING / circumference)
    minutes = minutes + (time - pd.Timestamp("2000-01-01", tz=time.tz)) / pd.Timedelta(minutes=1)
    parts = [_seen(minutes, node, across) for node in NODES for across in ACROSS]
    latitude, longitude = (np.concatenate(x) for x in zip(*parts, strict=True))
    return latitude, longitude


def _seen(minutes: Array, node: float, across: float) -> tuple[Array, Array]:
    """A circular orbit, and places at a distance across its track, on a turning Earth."""
    phase, tilt, off = 2 * np.pi * minutes / PERIOD, np.deg2rad(INCLINATION), across / EARTH_RADIUS
    along = np.stack([np.cos(phase), np.sin(phase) * np.cos(tilt), np.sin(phase) * np.sin(tilt)])
    normal = np.array([0.0, -np.sin(tilt), np.cos(tilt)])[:, None]
    x, y, z = along * np.cos(off) + normal * np.sin(off)
    longitude = np.rad2deg(np.arctan2(y, x)) + node - 360 * minutes / SIDEREAL
    return np.rad2deg(np.arcsin(z)), np.mod(longitude, 360)


@cache
def places(count: int, apart: float = 0.0) -> tuple[Array, Array]:
    """Latitudes and longitudes of airports, at least `apart` km from each other; the same every time."""
    airports = pd.DataFrame(airportsdata.load("IATA").values())
    order = np.argsort([station_hash(code, "network ") for code in airports["iata"]], kind="stable")
    latitude, longitude = (airports[name].to_numpy(float)[order] for name in ("lat", "lon"))
    kept = [0]
    for k in range(1, len(latitude)):
        if len(kept) == count:
            break
        far = distances(latitude[[k]], longitude[[k]], latitude[kept], longitude[kept]).min() >= apart
        if far:
            kept.append(k)
    return latitude[kept], longitude[kept]
