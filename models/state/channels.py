"""Channels: one physical field on one level, named as ECMWF names it (`msl`, `2t`, `z500`, `t850`).

Standard names and units follow the CF conventions; geopotential is m2 s-2, not metres. The variables of the
classical problems have neither a standard name nor a dimension.
"""

import re
from dataclasses import dataclass

# variable -> (CF standard_name, SI units, long name, on pressure levels?)
VARIABLES: dict[str, tuple[str, str, str, bool]] = {
    "msl": ("air_pressure_at_mean_sea_level", "Pa", "mean sea level pressure", False),
    "sp": ("surface_air_pressure", "Pa", "surface pressure", False),
    "2t": ("air_temperature", "K", "2 metre temperature", False),
    "2d": ("dew_point_temperature", "K", "2 metre dew point temperature", False),
    "10u": ("eastward_wind", "m s-1", "10 metre eastward wind", False),
    "10v": ("northward_wind", "m s-1", "10 metre northward wind", False),
    "sst": ("sea_surface_temperature", "K", "sea surface temperature", False),
    "z": ("geopotential", "m2 s-2", "geopotential", True),
    "t": ("air_temperature", "K", "temperature", True),
    "u": ("eastward_wind", "m s-1", "eastward wind", True),
    "v": ("northward_wind", "m s-1", "northward wind", True),
    "q": ("specific_humidity", "kg kg-1", "specific humidity", True),
    "lorenz_x": ("", "1", "X of a Lorenz model", False),
    "lorenz_y": ("", "1", "Y of a Lorenz model", False),
    "lorenz_z": ("", "1", "Z of a Lorenz model", False),
    "flow_u": ("", "1", "velocity along x of a model flow", False),
    "flow_v": ("", "1", "velocity along y of a model flow", False),
}

NEVER_NEGATIVE = frozenset({"q"})
"""Variables of which there can be none, but not less."""


@dataclass(frozen=True)
class Channel:
    """A field a state holds: `name` ("z500"), `variable` ("z"), `level` (500 hPa, or None at the surface)."""

    name: str
    variable: str
    level: int | None
    standard_name: str
    units: str
    long_name: str


def channel(name: str) -> Channel:
    """The channel called `name`.

    Raises:
        ValueError: no such channel; the message lists the variables that exist.
    """
    if name in VARIABLES and not VARIABLES[name][3]:
        standard_name, units, long_name, _ = VARIABLES[name]
        return Channel(name, name, None, standard_name, units, long_name)
    match = re.fullmatch(r"([a-z]+)(\d{1,4})", name)
    if match and match[1] in VARIABLES and VARIABLES[match[1]][3]:
        variable, level = match[1], int(match[2])
        standard_name, units, long_name, _ = VARIABLES[variable]
        return Channel(name, variable, level, standard_name, units, f"{long_name} at {level} hPa")
    surface = ", ".join(v for v, row in VARIABLES.items() if not row[3])
    upper = ", ".join(v for v, row in VARIABLES.items() if row[3])
    raise ValueError(f"no channel {name!r}: use one of {surface}, or {upper} followed by a level in hPa")
