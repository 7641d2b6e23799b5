"""Parquet: one report or observation a row."""

from io import BytesIO

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as arrow

from workers.decoders.column_map import ColumnMap
from workers.decoders.decoded import Decoded, MalformedBatch
from workers.decoders.tabular import observations


def decode_parquet(content: bytes, columns: ColumnMap | None = None) -> Decoded:
    """Observations of a Parquet file. Raises MalformedBatch if it is none, or `observations` refuses it."""
    try:
        table = arrow.read_table(BytesIO(content))
        frame = table.cast(pa.schema([_as_text(field) for field in table.schema])).to_pandas()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise MalformedBatch(f"this is not a readable Parquet file: {error}") from error
    if not isinstance(frame.index, pd.RangeIndex):
        frame = frame.reset_index()
    return observations(frame.set_index(pd.RangeIndex(1, len(frame) + 1)), columns)


def parquet_size(content: bytes) -> int:
    """Bytes of all columns when unpacked; of a file that is none, as many as it has."""
    try:
        rows = arrow.read_metadata(BytesIO(content))
    except (pa.ArrowException, OSError):
        return len(content)
    return sum(rows.row_group(i).total_byte_size for i in range(rows.num_row_groups))


def _as_text(field: pa.Field) -> pa.Field:
    bytes_ = pa.types.is_binary(field.type) or pa.types.is_large_binary(field.type)
    return field.with_type(pa.string()) if bytes_ else field
