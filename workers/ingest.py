"""A batch on its way in: decode, bring into the observation table, check each report by itself.

What needs a prior, a window or other reports (elevation, first guess, buddies) is checked when the batch is
used; here only what is wrong whatever it is used for, and, if a domain is given, what lies outside it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from models.observations.flags import Flag
from models.observations.quality.bounds import Box, bounds
from models.observations.quality.duplicates import duplicates
from models.observations.table import conform, content_hash, empty
from workers.decoders import MAX_BYTES, ColumnMap, decode


@dataclass(frozen=True)
class Ingested:
    """A decoded and checked batch.

    Attributes:
        accepted: observation table of the rows that passed, in canonical order.
        receipts: observation table of every row received, with `qc`, `reason` and `row`, the 1-based data
            row of a table or message of a BUFR file.
        counts: `received` = `accepted` + `rejected`, rejected rows `by_flag` and accepted `by_variable`.
        notes: plain sentences on what was passed over without being an observation.
        content_hash: of the accepted rows, whatever order they came in.
    """

    accepted: pd.DataFrame
    receipts: pd.DataFrame
    counts: dict[str, Any]
    notes: tuple[str, ...]
    content_hash: str


def ingest(
    source: Path | bytes,
    media_type: str = "",
    *,
    received_at: pd.Timestamp,
    kind: str = "",
    columns: ColumnMap | None = None,
    domain: Box | None = None,
    max_bytes: int = MAX_BYTES,
) -> Ingested:
    """Decode and check a batch.

    Args:
        source: file or its content, gzipped or not.
        media_type: see `workers.decoders.decode`.
        received_at: when the batch arrived (UTC), for rows that do not say so themselves.
        kind: kind of report ("SYNOP", "TEMP", …) of rows that do not say so themselves.
        columns: what the columns of a table mean, see `workers.decoders.column_map`.
        domain: west, south, east, north; rows outside are rejected.
        max_bytes: the largest file, unpacked, that is read.

    Raises:
        TooLarge: it is larger.
        MalformedBatch: the file as a whole cannot be read.
    """
    decoded = decode(source, media_type, columns, max_bytes)
    frame = conform(decoded.frame) if len(decoded.frame) else empty().assign(row=pd.Series(dtype="int64"))
    frame["received_at"] = frame["received_at"].fillna(received_at)
    frame["kind"] = frame["kind"].where(frame["kind"] != "", kind)
    receipts = duplicates(bounds(frame, domain))
    passed = receipts["qc"] == Flag.PASS
    accepted = receipts[passed].drop(columns="row").reset_index(drop=True)
    counts = {
        "received": len(receipts),
        "accepted": len(accepted),
        "rejected": int((~passed).sum()),
        "by_flag": {Flag(k).name: int(n) for k, n in receipts["qc"][~passed].value_counts().items()},
        "by_variable": {str(k): int(n) for k, n in accepted["variable"].value_counts().items()},
    }
    notes = decoded.notes if len(receipts) else (*decoded.notes, "the file holds no observations")
    return Ingested(accepted, receipts, counts, notes, content_hash(accepted))
