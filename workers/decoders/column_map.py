"""Which column of a table means what: by the user's column map, else by its name.

A column map names columns of the file: `{"PS": {"variable": "msl", "unit": "hPa"}, "PP": {"coordinate":
"pressure", "unit": "hPa"}}`; a variable may also state the `error` (standard deviation, in the same unit).
A table with mapped variables is wide (one observation per mapped column and row); without, it is long and
needs the columns `variable` and `value`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from models.observations.variables import LENGTHS, PRESSURES, Conversion, conversion, to_si
from workers.decoders.decoded import MalformedBatch

ColumnMap = Mapping[str, Mapping[str, Any]]

ALIASES: dict[str, tuple[str, ...]] = {
    "station_id": ("station_id", "sid", "station", "station_identifier", "stnid"),
    "time": ("time", "valid_time", "datetime", "date_time", "timestamp"),
    "latitude": ("latitude", "lat"),
    "longitude": ("longitude", "lon", "long", "lng"),
    "elevation": ("elevation", "elev", "height", "altitude", "station_height"),
    "kind": ("kind",),
    "platform": ("platform",),
    "received_at": ("received_at",),
}
"""Columns recognised in every table, whatever their case."""

LONG = ("variable", "value", "unit", "pressure", "error", "obs_id", "use")
"""Columns recognised in a long table only: in a wide one they would be ambiguous."""

REQUIRED = ("time", "latitude", "longitude")
_UNITS: dict[str, Mapping[str, Conversion]] = {"pressure": PRESSURES, "elevation": LENGTHS}


@dataclass(frozen=True)
class MappedVariable:
    """A column of a wide table that holds one variable."""

    column: str
    variable: str
    to_si: Conversion
    error: float | None


@dataclass
class Layout:
    """What the columns of one table mean: `coordinates` maps a column of ours to one of the file's."""

    coordinates: dict[str, str] = field(default_factory=dict)
    units: dict[str, Conversion] = field(default_factory=dict)
    variables: list[MappedVariable] = field(default_factory=list)

    @property
    def used(self) -> set[str]:
        """Columns of the file that are read."""
        return set(self.coordinates.values()) | {v.column for v in self.variables}


def layout(header: Sequence[str], columns: ColumnMap | None) -> Layout:
    """Meaning of the columns in `header`. Raises MalformedBatch, naming the column, where it has none."""
    found = Layout()
    for column, meaning in (columns or {}).items():
        _mapped(found, header, column, meaning)
    aliases = dict(ALIASES) if found.variables else {**ALIASES, **{name: (name,) for name in LONG}}
    for name, spellings in aliases.items():
        if name not in found.coordinates:
            _recognised(found, header, name, spellings)
    needed = REQUIRED if found.variables else (*REQUIRED, "variable", "value")
    for name in needed:
        if name not in found.coordinates:
            raise MalformedBatch(_lacking(name, header), row=0, field=name)
    return found


def _mapped(found: Layout, header: Sequence[str], column: str, meaning: Any) -> None:
    if column not in header:
        has = ", ".join(map(str, header))
        raise MalformedBatch(f"the column map names {column!r}, but the file has: {has}", row=0, field=column)
    keys = set(meaning) if isinstance(meaning, Mapping) else set()
    if len(keys & {"variable", "coordinate"}) != 1 or keys - {"variable", "coordinate", "unit", "error"}:
        raise MalformedBatch(
            f"the column map of {column!r} must name either a variable or a coordinate, and may give a unit "
            'and (for a variable) an error: {"variable": "msl", "unit": "hPa"}',
            field=column,
        )
    try:
        if not all(isinstance(meaning.get(key, ""), str) for key in ("variable", "coordinate", "unit")):
            raise ValueError("variable, coordinate and unit are each one text")
        if "variable" in meaning:
            found.variables.append(_variable(column, meaning))
            return
        name = meaning["coordinate"]
        if name not in (*ALIASES, *LONG):
            raise ValueError(f"unknown coordinate {name!r}; known: {', '.join((*ALIASES, *LONG))}")
        if name in found.coordinates:
            raise ValueError(f"{name} is mapped twice, to {found.coordinates[name]!r} and {column!r}")
        if "unit" in meaning:
            found.units[name] = conversion(_UNITS.get(name, {}), meaning["unit"], name)
        found.coordinates[name] = column
    except (OverflowError, TypeError, ValueError) as error:
        raise MalformedBatch(f"column map of {column!r}: {error}", field=column) from error


def _variable(column: str, meaning: Mapping[str, Any]) -> MappedVariable:
    scale, offset = to_si(meaning["variable"], meaning.get("unit"))
    error = None if meaning.get("error") is None else abs(scale) * float(meaning["error"])
    return MappedVariable(column, meaning["variable"], (scale, offset), error)


def _recognised(found: Layout, header: Sequence[str], name: str, spellings: tuple[str, ...]) -> None:
    matches = [c for c in header if str(c).strip().lower() in spellings and c not in found.used]
    exact = [c for c in matches if c == name]
    if len(matches) > 1 and not exact:
        raise MalformedBatch(
            f"both {matches[0]!r} and {matches[1]!r} could be the {name}; say which in the column map",
            row=0,
            field=name,
        )
    if matches:
        found.coordinates[name] = (exact or matches)[0]


def _lacking(name: str, header: Sequence[str]) -> str:
    has = ", ".join(map(str, header)) or "none"
    if name in REQUIRED:
        hint = f'name it {name} or map it: {{"COLUMN": {{"coordinate": "{name}"}}}}'
    else:
        hint = (
            "give one observation a row with the columns variable and value, or map the columns that hold "
            'variables: {"COLUMN": {"variable": "msl", "unit": "hPa"}}'
        )
    return f"no column for {name} (columns: {has}); {hint}"
