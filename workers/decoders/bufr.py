"""BUFR: surface reports (SYNOP, classic and 307xxx templates) and soundings (TEMP, classic and 309xxx).

Whatever else a file holds is refused by name, never passed over in silence: the file if there is nothing but
that, else message by message as rejected rows.
"""

import tempfile
from collections.abc import Callable, Iterator

import eccodes
import numpy as np
import pandas as pd

from models.observations.flags import Flag
from workers.decoders.bufr_message import TIME, Fields, KnownKeys, descriptors, subsets, times
from workers.decoders.bufr_reports import (
    SOUNDING_KEYS,
    SOUNDING_VARIABLES,
    SURFACE_KEYS,
    SURFACE_VARIABLES,
    Columns,
    sounding,
    surface,
)
from workers.decoders.decoded import Decoded, MalformedBatch

CATEGORIES = {
    0: "surface data, land",
    1: "surface data, sea",
    2: "vertical soundings",
    3: "vertical soundings, satellite",
    4: "single-level upper-air data, aircraft",
    5: "single-level upper-air data, satellite",
    6: "radar data",
    12: "surface data, satellite",
    21: "radiances",
    31: "oceanographic data",
}
"""BUFR table A, as far as observations are met with."""

SHIP_TEMPLATES = {301036, 301093, 308004, 308005, 308009}
"""Templates of ships' surface reports."""

ACCEPTED = (
    "accepted are SYNOP (data category 0, and ships' templates of category 1: "
    + ", ".join(map(str, sorted(SHIP_TEMPLATES)))
    + ") and TEMP with temperature on pressure levels (category 2)"
)
_SHARED = ("row", "station_id", *TIME, "delay", "latitude", "longitude", "elevation", "pressure", "kind")


class _Refused(Exception):
    """A message of a kind that is not decoded, or a broken one."""


def decode_bufr(content: bytes) -> Decoded:
    """Observations of a BUFR file; `row` is the message's number, from 1.

    Raises MalformedBatch if the file is cut short, holds no message, or none that is decoded.
    """
    parts: list[Columns] = []
    refused: dict[int, str] = {}
    known: KnownKeys = {}
    silent = 0
    for number, handle in _messages(content):
        try:
            for columns in _reports(handle, known):
                columns["row"] = np.full(len(columns["latitude"]), number)
                parts.append(columns)
                silent += not any(np.isfinite(columns[name]).any() for name in _variables(columns))
        except _Refused as error:
            refused[number] = str(error)
    if not parts:
        number, reason = next(iter(refused.items()), (0, "the file holds no BUFR message"))
        raise MalformedBatch(reason, row=number or None)
    return Decoded(_frame(parts, refused), tuple(_notes(silent, refused)))


def _messages(content: bytes) -> Iterator[tuple[int, int]]:
    """Number and handle of every message; the handle is released when the next is asked for."""
    with tempfile.TemporaryFile() as file:  # eccodes reads messages from real files only
        file.write(content)
        file.seek(0)
        number = 0
        while True:
            number += 1
            try:
                handle = eccodes.codes_bufr_new_from_file(file)
            except eccodes.CodesInternalError as error:
                raise MalformedBatch(
                    f"BUFR message {number} is cut short or broken: {error}", number
                ) from error
            if handle is None:
                return
            try:
                yield number, handle
            finally:
                eccodes.codes_release(handle)


def _reports(handle: int, known: KnownKeys) -> Iterator[Columns]:
    category = int(eccodes.codes_get(handle, "dataCategory"))
    try:
        template = descriptors(handle)
        kind, keys, read = _decoder(category, template)
        for fields, size in subsets(handle, keys, known):
            if kind == "TEMP" and not {"pressure", "airTemperature"} <= {name for name, _ in fields}:
                raise _Refused(_refusal(category, template))
            columns = read(fields, size)
            yield columns | {"kind": np.full(len(columns["latitude"]), kind, dtype=object)}
    except eccodes.CodesInternalError as error:
        raise _Refused(f"the BUFR message cannot be decoded: {error}") from error


def _decoder(
    category: int, template: list[int]
) -> tuple[str, frozenset[str], Callable[[Fields, int], Columns]]:
    if category == 0:
        return "SYNOP", SURFACE_KEYS, surface
    if category == 1 and SHIP_TEMPLATES & set(template):
        return "SHIP", SURFACE_KEYS, surface
    if category == 2:
        return "TEMP", SOUNDING_KEYS, sounding
    raise _Refused(_refusal(category, template))


def _refusal(category: int, template: list[int]) -> str:
    name = CATEGORIES.get(category, "not observations of a known kind")
    shown = " ".join(f"{d:06d}" for d in template[:4]) + (" …" if len(template) > 4 else "")
    return f"BUFR data category {category} ({name}), template {shown}, is not decoded; {ACCEPTED}"


def _variables(columns: Columns) -> tuple[str, ...]:
    return SOUNDING_VARIABLES if "z" in columns else SURFACE_VARIABLES


def _frame(parts: list[Columns], refused: dict[int, str]) -> pd.DataFrame:
    frames = []
    for family in (SURFACE_VARIABLES, SOUNDING_VARIABLES):
        reports = [part for part in parts if _variables(part) == family]
        if not reports:
            continue
        joined = {name: np.concatenate([part[name] for part in reports]) for name in (*_SHARED, *family)}
        shared = pd.DataFrame({name: joined[name] for name in _SHARED}).assign(time=times(joined))
        shared = shared.drop(columns=[*TIME, "delay"])
        for variable in family:
            filled = np.isfinite(joined[variable])
            frames.append(
                shared[filled].assign(variable=variable, value=joined[variable][filled], qc=0, reason="")
            )
    lost = pd.DataFrame({"row": list(refused), "qc": int(Flag.PREQC), "reason": list(refused.values())})
    return pd.concat([*frames, lost] if refused else frames, ignore_index=True)


def _notes(silent: int, refused: dict[int, str]) -> Iterator[str]:
    if silent:
        yield f"{silent} reports hold no pressure, temperature, humidity or wind"
    if refused:
        yield f"{len(refused)} message{' was' if len(refused) == 1 else 's were'} refused"
