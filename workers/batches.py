"""A batch taken in: decoded, checked, stored, and entered into the book.

Rows and receipts lie in the store before the row of the batch is committed, so a batch that exists is whole.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from models.prior.card import load_card
from workers.database.batch_book import Batch, BatchConflict
from workers.ingest import Ingested, ingest
from workers.services import Services
from workers.store.objects import batch_receipts_key, put_observations, put_parquet


def take_in(
    given: Services, batch_id: str, file: Path, media_type: str, parameters: dict[str, Any], content_hash: str
) -> tuple[Batch, bool]:
    """Take in the file; returns its batch and True, or the equal batch that was there before and False.

    Args:
        given: where to store and enter it.
        batch_id: its name.
        file: as it was sent.
        media_type: as it was declared, may be empty.
        parameters: {"kind", "columns", "prior"}: how to read it, and the prior whose domain it must lie in.
        content_hash: of file and parameters.

    Raises:
        TooLarge: the file, unpacked, is larger than the settings allow.
        MalformedBatch: it cannot be read.
        BatchConflict: the name belongs to another batch.
    """
    earlier = given.batches.get(batch_id)
    if earlier is not None:
        if earlier.content_hash != content_hash:
            raise BatchConflict(f"batch {batch_id!r} exists with other content")
        return earlier, False
    taken = ingest(
        file,
        media_type,
        received_at=pd.Timestamp(datetime.now(UTC)),
        kind=parameters["kind"],
        columns=parameters["columns"],
        domain=_domain(parameters["prior"]),
        max_bytes=given.settings.max_upload_bytes,
    )
    key = put_observations(given.store, taken.accepted, taken.content_hash) if len(taken.accepted) else None
    receipts_key = batch_receipts_key(batch_id, content_hash)
    put_parquet(given.store, receipts_key, taken.receipts)
    return given.batches.add(
        Batch(
            id=batch_id,
            content_hash=content_hash,
            parameters=parameters,
            bytes=file.stat().st_size,
            received=taken.counts["received"],
            accepted=taken.counts["accepted"],
            rejected=taken.counts["rejected"],
            counts={**taken.counts, "notes": list(taken.notes)},
            observations_key=key,
            receipts_key=receipts_key,
            **_extent(taken),
        )
    )


def _domain(prior: str) -> tuple[float, float, float, float] | None:
    """West, south, east, north of the prior's grid; None if no prior is named."""
    if not prior:
        return None
    grid = load_card(prior).state.grid
    if grid.periodic:
        north, south = grid.latitude_edges[[0, -1]].tolist()
        return (-180.0, south, 180.0, north)
    return (
        float(grid.longitude.min()),
        float(grid.latitude.min()),
        float(grid.longitude.max()),
        float(grid.latitude.max()),
    )


def _extent(taken: Ingested) -> dict[str, Any]:
    rows = taken.accepted
    names = ("time_start", "time_end", "west", "south", "east", "north")
    if rows.empty:
        return dict.fromkeys(names)
    values = (
        rows["time"].min().to_pydatetime(),
        rows["time"].max().to_pydatetime(),
        *(float(rows["longitude"].min()), float(rows["latitude"].min())),
        *(float(rows["longitude"].max()), float(rows["latitude"].max())),
    )
    return dict(zip(names, values, strict=True))
