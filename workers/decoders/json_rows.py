"""JSON: a list of objects, one report or observation each; or one object a line (JSON Lines)."""

import json
from typing import Any

import pandas as pd

from workers.decoders.column_map import ColumnMap
from workers.decoders.decoded import Decoded, MalformedBatch
from workers.decoders.tabular import observations


def decode_json(content: bytes, columns: ColumnMap | None = None) -> Decoded:
    """Observations of JSON rows. Raises MalformedBatch where it is none, or `observations` refuses it."""
    try:
        text = content.decode("utf-8-sig")
        rows = json.loads(text, parse_int=_integer) if text.lstrip().startswith("[") else _lines(text)
    except UnicodeDecodeError as error:
        raise MalformedBatch("this is not UTF-8 text, as JSON must be") from error
    except (json.JSONDecodeError, RecursionError) as error:
        raise MalformedBatch(f"this is not valid JSON: {error}") from error
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            raise MalformedBatch('a row must be an object such as {"variable": "msl", …}', row=number)
    if not rows:
        return Decoded(pd.DataFrame())
    cells = [_cells(row, number) for number, row in enumerate(rows, start=1)]
    return observations(pd.DataFrame(cells, index=pd.RangeIndex(1, len(rows) + 1), dtype=object), columns)


def _lines(text: str) -> list[Any]:
    rows = []
    for number, line in enumerate((line for line in text.split("\n") if line.strip()), start=1):
        try:
            rows.append(json.loads(line, parse_int=_integer))
        except json.JSONDecodeError as error:
            raise MalformedBatch(f"neither a JSON list nor JSON Lines: {error}", row=number) from error
    return rows


def _integer(text: str) -> float:
    """An integer; where float64 has no room for it, infinity, which quality control then refuses."""
    return int(text) if len(text) < 300 else float(text)


def _cells(row: dict[str, Any], number: int) -> dict[str, Any]:
    cells = {name: _cell(value) for name, value in row.items()}
    for name, value in cells.items():
        try:
            f"{name}{value}".encode()
        except UnicodeEncodeError:
            field = name.encode(errors="backslashreplace").decode()
            raise MalformedBatch("half a surrogate pair is no text", row=number, field=field) from None
    return cells


def _cell(value: Any) -> Any:
    """Numbers and text as they are; anything else as its JSON text, which then is no number."""
    plain = value is None or (isinstance(value, int | float | str) and not isinstance(value, bool))
    return value if plain else json.dumps(value)
