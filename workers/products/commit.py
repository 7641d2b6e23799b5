"""Publishing: everything an attempt made is read back, listed with checksums, and declared by one marker."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import google_crc32c
import obstore
from obstore.store import ObjectStore

from workers.store.objects import attempt_key, commit_key, create_only, get_bytes


def manifest(
    store: ObjectStore, job_id: str, attempt: int, leave_out: Iterable[str] = ()
) -> list[dict[str, Any]]:
    """Every object of the attempt with size and checksum (CRC-32C, hexadecimal), read back from the store."""
    folder = attempt_key(job_id, attempt) + "/"
    hidden = {folder + name for name in leave_out}
    keys = sorted(meta["path"] for page in obstore.list(store, folder) for meta in page)
    entries = []
    for key in keys:
        if key not in hidden:
            body = get_bytes(store, key)
            entries.append({"key": key, "size": len(body), "crc32c": f"{google_crc32c.value(body):08x}"})
    return entries


def require(entries: Iterable[dict[str, Any]], keys: Iterable[str]) -> None:
    """Make sure that no object is missing: readers of Zarr would take it for missing values, without a word.

    Raises:
        OSError: the store has lost some; the attempt is to be begun anew.
    """
    present = {entry["key"] for entry in entries}
    lost = [key for key in keys if key not in present]
    if lost:
        raise OSError(f"the store has lost {len(lost)} objects, the first is {lost[0]}")


def commit(store: ObjectStore, job_id: str, attempt: int, entries: list[dict[str, Any]]) -> dict[str, Any]:
    """Publish the attempt; returns the marker that is there now, ours or that of a faster attempt."""
    created = datetime.now(UTC).isoformat()
    document = {"job": job_id, "attempt": attempt, "created": created, "manifest": entries}
    return create_only(store, commit_key(job_id), document)
