"""From files to observations: one decoder per format, chosen by media type or by looking at the content."""

import gzip
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

from workers.decoders.column_map import ColumnMap
from workers.decoders.csv import decode_csv
from workers.decoders.decoded import Decoded, MalformedBatch, TooLarge
from workers.decoders.json_rows import decode_json
from workers.decoders.parquet import decode_parquet, parquet_size

__all__ = ["MEDIA_TYPES", "ColumnMap", "Decoded", "MalformedBatch", "TooLarge", "decode"]

MAX_BYTES = 128 * 2**20
"""Largest file after decompression, unless another is named."""


def _bufr(content: bytes, columns: ColumnMap | None) -> Decoded:
    from workers.decoders.bufr import decode_bufr  # eccodes takes a while to load

    if columns:
        raise MalformedBatch("a BUFR file names its own variables: send it without a column map")
    return decode_bufr(content)


MEDIA_TYPES: dict[str, Callable[[bytes, ColumnMap | None], Decoded]] = {
    "text/csv": decode_csv,
    "application/vnd.apache.parquet": decode_parquet,
    "application/json": decode_json,
    "application/x-ndjson": decode_json,
    "application/bufr": _bufr,
}
"""What each media type is decoded by; `application/octet-stream` and no type at all look at the content."""


def decode(
    source: Path | bytes,
    media_type: str = "",
    columns: ColumnMap | None = None,
    max_bytes: int = MAX_BYTES,
) -> Decoded:
    """Observations in a file, gzipped or not.

    Args:
        source: the file or its content.
        media_type: one of MEDIA_TYPES, parameters such as charset allowed; else the content decides.
        columns: what the columns of a table mean, see `column_map`.
        max_bytes: the largest file, unpacked, that is read.

    Raises:
        TooLarge: it is larger.
        MalformedBatch: the file as a whole cannot be read. Single bad rows are kept, flagged.
    """
    content = _unzipped(source if isinstance(source, bytes) else source.read_bytes(), max_bytes)
    if not content.strip():
        raise MalformedBatch("the file is empty")
    name = media_type.split(";")[0].strip().lower()
    if name in ("", "application/octet-stream", "application/gzip"):
        name = _sniff(content)
    if name not in MEDIA_TYPES:
        known = ", ".join(MEDIA_TYPES)
        raise MalformedBatch(f"no decoder for the media type {media_type!r}; known: {known}")
    return MEDIA_TYPES[name](content, columns)


def _unzipped(content: bytes, max_bytes: int) -> bytes:
    if content[:2] == b"\x1f\x8b":
        try:
            with gzip.open(BytesIO(content)) as file:
                content = file.read(max_bytes + 1)
        except (EOFError, OSError, zlib.error) as error:
            raise MalformedBatch(f"the gzip file is broken or cut short: {error}") from error
    size = parquet_size(content) if content[:4] == b"PAR1" else len(content)
    if size > max_bytes:
        raise TooLarge(
            f"the batch has more than {max_bytes} bytes when unpacked, the limit here: send it in parts"
        )
    return content


def _sniff(content: bytes) -> str:
    if content[:4] == b"PAR1":
        return "application/vnd.apache.parquet"
    if b"BUFR" in content[:1024]:  # bulletins put a heading before the first message
        return "application/bufr"
    return "application/json" if content.lstrip()[:1] in (b"[", b"{") else "text/csv"
