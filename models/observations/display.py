"""Numbers as forecasters write them: hPa, geopotential metres, K. For texts and tables; data stay in SI."""

from models.observations.variables import GRAVITY, VARIABLES

# unit -> (its size in SI, decimals worth printing)
_SIZES: dict[str, tuple[float, int]] = {
    "hPa": (100.0, 1),
    "gpm": (GRAVITY, 0),
    "g kg-1": (1e-3, 2),
}
_SHOWN_AS = {"Pa": "hPa", "m2 s-2": "gpm", "kg kg-1": "g kg-1"}


def display_unit(variable: str) -> tuple[str, float]:
    """(unit, its size in SI) to show `variable` in: ("hPa", 100.0) for msl, ("gpm", 9.80665) for z.

    Raises ValueError for an unknown variable.
    """
    if variable not in VARIABLES:
        raise ValueError(f"unknown variable {variable!r}; known: {', '.join(VARIABLES)}")
    si = VARIABLES[variable].unit
    unit = _SHOWN_AS.get(si, si)
    return unit, _SIZES.get(unit, (1.0, 1))[0]


def display(variable: str, value: float) -> str:
    """An SI value as text with its display unit: 101325 Pa of msl is '1013.2 hPa'."""
    unit, size = display_unit(variable)
    number = f"{value / size:.{_SIZES.get(unit, (1.0, 1))[1]}f}"
    return number if unit == "1" else f"{number} {unit}"
