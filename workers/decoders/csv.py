"""CSV: one header line, then one report or observation a line, separated by comma, semicolon or tab."""

import csv
from io import BytesIO

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as arrow

from workers.decoders.column_map import ColumnMap
from workers.decoders.decoded import Decoded, MalformedBatch
from workers.decoders.tabular import observations


def decode_csv(content: bytes, columns: ColumnMap | None = None) -> Decoded:
    """Observations of a CSV file; a line with too many or too few fields is a rejected row.

    Raises MalformedBatch for a missing or doubled header, text that is not UTF-8, or what
    `tabular.observations` refuses.
    """
    names, separator = _header(content)
    uneven: list[arrow.InvalidRow] = []

    def skip(row: arrow.InvalidRow) -> str:
        uneven.append(row)
        return "skip"

    try:
        table = arrow.read_csv(
            BytesIO(content),
            read_options=arrow.ReadOptions(use_threads=False),  # only then are rows numbered
            parse_options=arrow.ParseOptions(delimiter=separator, invalid_row_handler=skip),
            convert_options=arrow.ConvertOptions(column_types=dict.fromkeys(names, pa.string())),
        )
    except (pa.ArrowInvalid, pa.ArrowKeyError) as error:
        _demand_utf8(content, names, separator)
        raise MalformedBatch(f"this is not readable as CSV: {error}") from error
    unread = {row.number - 1: f"{row.actual_columns} fields in {len(names)} columns" for row in uneven}
    numbers = np.setdiff1d(np.arange(1, table.num_rows + len(unread) + 1), list(unread))
    return observations(table.to_pandas().set_index(pd.Index(numbers)), columns, unread)


def _demand_utf8(content: bytes, names: list[str], separator: str) -> None:
    """Raises MalformedBatch, naming row and field, where the text is not UTF-8."""
    try:
        content.decode()
    except UnicodeDecodeError as error:
        *before, line = content[: error.start].splitlines(keepends=True) or [b""]
        row = sum(1 for earlier in before if earlier.strip())  # the header is row 0, blank lines are none
        field = names[min(len(next(csv.reader([line.decode()], delimiter=separator), [""])), len(names)) - 1]
        byte = content[error.start]
        raise MalformedBatch(
            f"row {row}, {field}: the byte {byte:#04x} is not UTF-8 text; save the file as UTF-8", row, field
        ) from error


def _header(content: bytes) -> tuple[list[str], str]:
    line = next((line for line in BytesIO(content) if line.strip()), b"")
    try:
        text = line.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MalformedBatch("the header is not UTF-8 text: is this a CSV file?", row=0) from error
    if not text.strip() or "\0" in text:
        raise MalformedBatch("there is no header line: is this a CSV file?", row=0)
    separator = max(",;\t", key=text.count)
    names = next(csv.reader([text], delimiter=separator))
    doubled = {name for name in names if names.count(name) > 1}
    if doubled:
        raise MalformedBatch(f"the header has {sorted(doubled)[0]!r} twice", row=0, field=sorted(doubled)[0])
    return names, separator
