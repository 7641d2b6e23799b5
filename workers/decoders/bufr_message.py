"""One BUFR message: its fields in order, its station and its time (WMO Manual on Codes, FM 94).

BUFR gives meaning by order: a sensor height holds for what follows it, a pressure opens a level. So fields
are read as a list in the order of the message, not as a dictionary.
"""

from collections.abc import Collection, Iterator, Mapping

import eccodes
import numpy as np
import pandas as pd

Fields = list[tuple[str, np.ndarray]]
"""(eccodes key without its rank, values of all subsets), numbers float64 with NaN, or text."""

KnownKeys = dict[tuple[int, ...], list[tuple[str, str]]]

STATION_NUMBERS = ("blockNumber", "stationNumber")
WIGOS = ("wigosIdentifierSeries", "wigosIssuerOfIdentifier", "wigosIssueNumber")
STATION_NAMES = (
    "shipOrMobileLandStationIdentifier",
    "wigosLocalIdentifierCharacter",
    "shortStationName",
    "stationOrSiteName",
    "longStationName",
)
HEIGHTS = ("heightOfStationGroundAboveMeanSeaLevel", "heightOfStation", "height")
TIME = ("year", "month", "day", "hour", "minute", "second")
STATION_KEYS = frozenset((*STATION_NUMBERS, *WIGOS, *STATION_NAMES, *HEIGHTS, *TIME, "latitude", "longitude"))


def descriptors(handle: int) -> list[int]:
    """The message's template: descriptors as numbers (307080), not expanded."""
    return [int(d) for d in eccodes.codes_get_array(handle, "unexpandedDescriptors")]


def subsets(handle: int, wanted: Collection[str], known: KnownKeys) -> Iterator[tuple[Fields, int]]:
    """Unpack a message and give its `wanted` fields, with the number of subsets they hold.

    A compressed message comes as one list of arrays over its subsets, any other as one list per subset.
    `known` remembers the keys of templates that always have the same, and saves walking through them.
    Raises eccodes.CodesInternalError if the data section is broken.
    """
    count = int(eccodes.codes_get(handle, "numberOfSubsets"))
    together = count == 1 or bool(eccodes.codes_get(handle, "compressedData"))
    size = count if together else 1
    template = (*descriptors(handle), -1, eccodes.codes_get(handle, "dataCategory"))
    eccodes.codes_set(handle, "skipExtraKeyAttributes", 1)
    eccodes.codes_set(handle, "unpack", 1)
    keys = known.get(template) if together else None
    if keys is None:
        keys, fixed = _keys(handle, wanted, together)
        if fixed and together:
            known[template] = keys
    fields: Fields = []
    for key, name in keys:
        if name == "subsetNumber" and fields:
            yield fields, size
            fields = []
        if name in wanted:
            fields.append((name, _values(handle, key, name, size)))
    yield fields, size


def _keys(handle: int, wanted: Collection[str], together: bool) -> tuple[list[tuple[str, str]], bool]:
    """Wanted keys in order with their bare names, and whether every message of the template has the same."""
    keys, fixed = [], True
    iterator = eccodes.codes_bufr_keys_iterator_new(handle)
    while eccodes.codes_bufr_keys_iterator_next(iterator):
        key = eccodes.codes_bufr_keys_iterator_get_name(iterator)
        name = key.rpartition("#")[2]
        if name == "dataPresentIndicator" and together:
            break  # what follows is about the quality of the fields before
        fixed = fixed and not name.endswith("ReplicationFactor")
        if name in wanted or name == "subsetNumber":
            keys.append((key, name))
    eccodes.codes_bufr_keys_iterator_delete(iterator)
    return keys, fixed


def station(fields: Fields, size: int) -> dict[str, np.ndarray]:
    """Of each subset `station_id`, `latitude`, `longitude`, `elevation` and the parts of the time.

    NaN or '' where unknown; `delay` (s, zero) is for what is observed later than the report's time.
    """
    first: dict[str, np.ndarray] = {}
    for name, values in fields:
        if name in STATION_KEYS:
            first.setdefault(name, values)
    unknown = np.full(size, np.nan)
    height = unknown
    for name in HEIGHTS:
        height = np.where(np.isnan(height), first.get(name, unknown), height)
    return {
        "station_id": np.array([_identifier(first, i) for i in range(size)], dtype=object),
        "latitude": first.get("latitude", unknown).round(6),  # packing leaves -90.00000000000001
        "longitude": first.get("longitude", unknown).round(6),
        "elevation": height,
        **{name: first.get(name, unknown) for name in TIME},
        "delay": np.zeros(size),
    }


def times(columns: Mapping[str, np.ndarray]) -> pd.Series:
    """UTC times from the parts of `station` and `delay`; NaT where year to hour are unknown or impossible."""
    parts = pd.DataFrame({name: columns[name] for name in TIME}).fillna({"minute": 0, "second": 0})
    moments = pd.to_datetime(parts, errors="coerce", utc=True).dt.as_unit("ns")
    return moments + pd.to_timedelta(columns["delay"], unit="s").as_unit("ns")


def wind(speed: np.ndarray, direction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eastward and northward wind (m s-1) from speed and the direction it blows from (degrees)."""
    angle = np.deg2rad(direction)
    return -speed * np.sin(angle), -speed * np.cos(angle)


def _values(handle: int, key: str, name: str, size: int) -> np.ndarray:
    if name in STATION_NAMES:
        texts = eccodes.codes_get_string_array(handle, key)
        values = np.array(
            ["".join(c for c in t if c.isascii() and c.isprintable()).strip() for t in texts], object
        )
    else:
        values = eccodes.codes_get_double_array(handle, key)
        values = np.where(values == eccodes.CODES_MISSING_DOUBLE, np.nan, values)
    return values if len(values) == size else np.broadcast_to(values, size)  # a constant is kept once


def _identifier(first: dict[str, np.ndarray], i: int) -> str:
    block, number = (first[k][i] if k in first else np.nan for k in STATION_NUMBERS)
    if np.isfinite(block) and np.isfinite(number):
        return f"{block:02.0f}{number:03.0f}"
    for name in STATION_NAMES:
        text = first[name][i] if name in first else ""
        if text and name == "wigosLocalIdentifierCharacter" and all(k in first for k in WIGOS):
            return "-".join([f"{first[k][i]:.0f}" for k in WIGOS] + [text])
        if text:
            return str(text)
    return ""
