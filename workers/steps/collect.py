"""The observations of a job: the rows of its batches, or of all batches that its query touches."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pandas as pd

from models.observations.quality.bounds import inside
from models.observations.quality.duplicates import duplicates
from models.observations.table import COLUMNS, canonical_order, empty
from workers.services import Services
from workers.steps.step import StepFailed
from workers.store.objects import get_parquet


def collect(services: Services, observations: dict[str, Any]) -> pd.DataFrame:
    """The observation table for `{"batches": [...]}` or `{"query": {...}}`; empty if neither is given.

    A report that came in several batches counts once: of equal rows one is kept, of differing reports of the
    same thing all but the best are flagged DUPLICATE.

    Raises:
        StepFailed: a batch is gone.
    """
    frames = {}
    if query := observations.get("query"):
        start, end = (datetime.fromisoformat(query[name]) for name in ("start", "end"))
        for batch in services.batches.overlapping(start, end, query.get("bbox")):
            assert batch.observations_key is not None  # noqa: S101 - `overlapping` asks for it
            frames[batch.id] = select(get_parquet(services.store, batch.observations_key), query)
    for name in observations.get("batches") or []:
        found = services.batches.get(name)
        if found is None:
            raise StepFailed("A batch is gone", f"there is no batch {name!r} any more")
        if found.observations_key is not None:
            frames[name] = get_parquet(services.store, found.observations_key)
    return merge(frames)


def merge(batches: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """One observation table with unique ids, whatever the order of the batches.

    Batches are sent by different people: an id that stands for different rows in two of them is kept by the
    batch first by name, the other row's gets "@" and the name of its batch.
    """
    if not batches:
        return empty()
    rows = pd.concat([batches[name].assign(_batch=name) for name in sorted(batches)], ignore_index=True)
    rows = rows.drop_duplicates([name for name in COLUMNS if name != "received_at"])
    while (taken := rows["obs_id"].duplicated()).any():
        rows["obs_id"] = rows["obs_id"].where(~taken, rows["obs_id"] + "@" + rows["_batch"])
    return duplicates(canonical_order(rows.drop(columns="_batch")))


def select(frame: pd.DataFrame, query: dict[str, Any]) -> pd.DataFrame:
    """The rows that the query asks for."""
    time = frame["time"]
    wanted = (time >= pd.Timestamp(query["start"])) & (time <= pd.Timestamp(query["end"]))
    if query.get("bbox"):
        wanted &= inside(frame["latitude"].to_numpy(), frame["longitude"].to_numpy(), query["bbox"])
    for column, name in (("variable", "variables"), ("kind", "kinds")):
        if query.get(name):
            wanted &= frame[column].isin(query[name])
    return frame[wanted]
