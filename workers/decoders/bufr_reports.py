"""What a surface report and a sounding say: from the fields of a BUFR message to columns of observations."""

import numpy as np

from models.observations.variables import GRAVITY
from workers.decoders.bufr_message import STATION_KEYS, Fields, station, wind

Columns = dict[str, np.ndarray]
"""Station columns, `pressure`, and one column per variable; NaN where there is no value."""

_SENSOR = ("heightOfSensorAboveLocalGroundOrDeckOfMarinePlatform", "heightAboveStation")
_SCREEN = {
    "airTemperature": "2t",
    "airTemperatureAt2M": "2t",
    "dewpointTemperature": "2d",
    "dewpointTemperatureAt2M": "2d",
    "relativeHumidity": "2r",
}
_BAROMETER = {"nonCoordinatePressure": "sp", "pressureReducedToMeanSeaLevel": "msl"}
_WIND = {
    "windDirection": "direction",
    "windDirectionAt10M": "direction",
    "windSpeed": "speed",
    "windSpeedAt10M": "speed",
}
SCREEN_HEIGHT = (1.0, 3.0)
WIND_HEIGHT = (8.0, 12.0)
"""Sensor heights (m) taken for the nominal 2 m and 10 m; where none is reported, the nominal one is meant."""

SURFACE_KEYS = STATION_KEYS | {*_SENSOR, *_SCREEN, *_BAROMETER, *_WIND}
SURFACE_VARIABLES = ("msl", "sp", "2t", "2d", "2r", "10u", "10v")


def surface(fields: Fields, size: int) -> Columns:
    """Columns of a SYNOP, one row per subset; of repeated elements the first at the right height counts."""
    out = station(fields, size)
    out["pressure"] = np.full(size, np.nan)
    out.update({name: np.full(size, np.nan) for name in SURFACE_VARIABLES})
    sensor = np.full(size, np.nan)
    half_wind: dict[str, np.ndarray] = {}

    def keep(name: str, values: np.ndarray, heights: tuple[float, float] | None = None) -> None:
        fits = np.isnan(sensor) | ((sensor >= heights[0]) & (sensor <= heights[1])) if heights else True
        out[name] = np.where(np.isnan(out[name]) & fits, values, out[name])

    for name, values in fields:
        if name in _SENSOR:
            sensor = values
        elif name in _BAROMETER:
            keep(_BAROMETER[name], values)
        elif name in _SCREEN:
            keep(_SCREEN[name], values, None if name.endswith("At2M") else SCREEN_HEIGHT)
        elif name in _WIND:
            half_wind[_WIND[name]] = values
            if len(half_wind) == 2:  # in some templates the speed comes first
                heights = None if name.endswith("At10M") else WIND_HEIGHT
                for component, part in zip(("10u", "10v"), wind(**half_wind), strict=True):
                    keep(component, part, heights)
                half_wind = {}
    return out


_LEVEL = {
    "nonCoordinateGeopotential",
    "nonCoordinateGeopotentialHeight",
    "airTemperature",
    "dewpointTemperature",
    "windDirection",
    "windSpeed",
    "latitudeDisplacement",
    "longitudeDisplacement",
}
SOUNDING_KEYS = STATION_KEYS | _LEVEL | {"pressure", "timePeriod"}
SOUNDING_VARIABLES = ("z", "t", "td", "u", "v")


def sounding(fields: Fields, size: int) -> Columns:
    """Columns of a TEMP: one row per level and subset, all levels, however close.

    Where the report follows the balloon (309052, 309057), position and time are those of the level.
    """
    levels: list[dict[str, np.ndarray]] = []
    period = np.full(size, np.nan)
    for name, values in fields:
        if name == "timePeriod":
            period = values
        elif name == "pressure":
            levels.append({"pressure": values, "timePeriod": period})
            period = np.full(size, np.nan)
        elif name in _LEVEL and levels:
            levels[-1].setdefault(name, values)

    unknown = np.full(size, np.nan)

    def column(name: str) -> np.ndarray:
        return np.array([level.get(name, unknown) for level in levels]).reshape(-1)

    height = GRAVITY * column("nonCoordinateGeopotentialHeight")
    geopotential = column("nonCoordinateGeopotential")
    u, v = wind(column("windSpeed"), column("windDirection"))
    out = {name: np.tile(values, len(levels)) for name, values in station(fields, size).items()}
    out["delay"] = np.nan_to_num(column("timePeriod"))
    out["latitude"] = out["latitude"] + np.nan_to_num(column("latitudeDisplacement"))
    out["longitude"] = out["longitude"] + np.nan_to_num(column("longitudeDisplacement"))
    return out | {
        "pressure": column("pressure"),
        "z": np.where(np.isnan(geopotential), height, geopotential),
        "t": column("airTemperature"),
        "td": column("dewpointTemperature"),
        "u": u,
        "v": v,
    }
