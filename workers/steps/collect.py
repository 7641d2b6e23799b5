"""The observations of a job: the rows of its batches, or of all batches that its query touches."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pandas as pd

from models.observations.flags import Flag
from models.observations.quality.bounds import inside
from models.observations.quality.duplicates import duplicates
from models.observations.table import COLUMNS, canonical_order, empty
from workers.database.batch_book import Batch
from workers.services import Services
from workers.steps.step import StepFailed
from workers.store.objects import get_parquet


def chosen(services: Services, observations: dict[str, Any]) -> list[Batch]:
    """The batches that `{"batches": [...]}` names or `{"query": {...}}` touches; none if neither is given.

    Raises:
        StepFailed: a batch is gone.
    """
    if query := observations.get("query"):
        start, end = (datetime.fromisoformat(query[name]) for name in ("start", "end"))
        return services.batches.overlapping(start, end, query.get("bbox"))
    found = []
    for name in observations.get("batches") or []:
        batch = services.batches.get(name)
        if batch is None:
            raise StepFailed("A batch is gone", f"there is no batch {name!r} any more")
        found.append(batch)
    return found


def collect(
    services: Services, batches: Sequence[Batch], query: dict[str, Any] | None = None
) -> pd.DataFrame:
    """The observation table of the batches, with `batch` and `row`: where each line was sent.

    A report that came in several batches counts once: of equal rows one is kept, of differing reports of the
    same thing all but the best are flagged DUPLICATE.
    """
    frames = {}
    for batch in batches:
        if batch.observations_key is None:
            continue
        frame = get_parquet(services.store, batch.observations_key)
        sent = get_parquet(services.store, batch.receipts_key)
        row = sent[sent["qc"] == Flag.PASS].set_index("obs_id")["row"]
        frame = frame.assign(row=frame["obs_id"].map(row))
        frames[batch.id] = select(frame, query) if query else frame
    return merge(frames)


def merge(batches: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """One observation table with unique ids, whatever the order of the batches.

    Batches are sent by different people: an id that stands for different rows in two of them is kept by the
    batch first by name, the other row's gets "@" and the name of its batch.
    """
    if not batches:
        return empty().assign(batch=pd.Series(dtype="str"), row=pd.Series(dtype="int64"))
    rows = pd.concat([batches[name].assign(batch=name) for name in sorted(batches)], ignore_index=True)
    rows = rows.drop_duplicates([name for name in COLUMNS if name != "received_at"])
    while (taken := rows["obs_id"].duplicated()).any():
        rows["obs_id"] = rows["obs_id"].where(~taken, rows["obs_id"] + "@" + rows["batch"])
    return duplicates(canonical_order(rows))


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
