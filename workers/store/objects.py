"""The object store: one URL, and the only place that spells a key.

    observations/<sha256>.parquet                 accepted rows, addressed by their content
    batches/<batch>/<hash>/receipts.parquet       every row that came, with flag and reason
    ensembles/<job>/a<attempt>/ensemble.zarr/...  what one attempt made; another has another folder
    ensembles/<job>/COMMIT.json                   written once: which attempt counts, and all its objects

The one atomic operation that every store has is the create-only put. A reply to it can get lost although it
took effect, so after any error the object is read back and its write id compared.
"""

import io
import json
import time
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import numpy as np
import obstore
import pandas as pd
from numpy.typing import NDArray
from obstore.store import LocalStore, MemoryStore, ObjectStore, from_url


def open_store(url: str) -> ObjectStore:
    """The store at `url`: file://, memory:// or s3:// (its credentials come from the environment)."""
    if url.startswith("file://"):
        return LocalStore(local_folder(url), mkdir=True)
    if url.startswith("memory://"):
        return MemoryStore()
    return from_url(url)


def local_folder(url: str) -> Path:
    """The folder that a file:// URL names."""
    return Path(unquote(url.removeprefix("file://")))


def observations_key(sha256: str) -> str:
    """Accepted rows with this content."""
    return f"observations/{sha256}.parquet"


def batch_receipts_key(batch_id: str, content_hash: str) -> str:
    """What became of every row of a batch. The hash keeps apart two that are sent under one id at once."""
    return f"batches/{quote(batch_id, safe='')}/{content_hash[:16]}/receipts.parquet"


def attempt_key(job_id: str, attempt: int, name: str = "") -> str:
    """The object `name` among the products of an attempt; without a name their folder."""
    return f"ensembles/{job_id}/a{attempt}/{name}".rstrip("/")


def remove_attempt(store: ObjectStore, job_id: str, attempt: int) -> None:
    """Remove everything an attempt has made."""
    for page in obstore.list(store, attempt_key(job_id, attempt) + "/"):
        obstore.delete(store, [meta["path"] for meta in page])


def commit_key(job_id: str) -> str:
    """The marker that publishes a job's result."""
    return f"ensembles/{job_id}/COMMIT.json"


def exists(store: ObjectStore, key: str) -> bool:
    """Is there such an object?"""
    try:
        obstore.head(store, key)
    except FileNotFoundError:
        return False
    return True


def get_bytes(store: ObjectStore, key: str) -> bytes:
    """The whole object; FileNotFoundError if there is none."""
    return bytes(obstore.get(store, key).bytes())


def put_bytes(store: ObjectStore, key: str, body: bytes) -> None:
    """Write the object, over an older one if there is one."""
    obstore.put(store, key, body)


def get_json(store: ObjectStore, key: str) -> Any:
    """The JSON document at `key`; FileNotFoundError if there is none."""
    return json.loads(get_bytes(store, key))


def put_json(store: ObjectStore, key: str, value: Any) -> None:
    """Write a JSON document."""
    put_bytes(store, key, json.dumps(value, indent=1, allow_nan=False).encode())


def parquet_bytes(frame: pd.DataFrame) -> bytes:
    """The frame as a Parquet file; equal frames give equal bytes."""
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue()


def get_parquet(store: ObjectStore, key: str) -> pd.DataFrame:
    """The table at `key`; FileNotFoundError if there is none."""
    return pd.read_parquet(io.BytesIO(get_bytes(store, key)))


def put_parquet(store: ObjectStore, key: str, frame: pd.DataFrame) -> None:
    """Write a table."""
    put_bytes(store, key, parquet_bytes(frame))


def get_array(store: ObjectStore, key: str) -> NDArray[Any]:
    """The array at `key`; FileNotFoundError if there is none."""
    return np.asarray(np.load(io.BytesIO(get_bytes(store, key)), allow_pickle=False))


def put_array(store: ObjectStore, key: str, array: NDArray[Any]) -> None:
    """Write an array, as .npy."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    put_bytes(store, key, buffer.getvalue())


def put_observations(store: ObjectStore, frame: pd.DataFrame, content_hash: str) -> str:
    """Write accepted rows under the hash of their content; returns the key. Equal rows twice are one object.

    `content_hash` is that of `models.observations.table`: when rows were received does not change it.
    """
    key = observations_key(content_hash)
    if not exists(store, key):
        put_parquet(store, key, frame)
    return key


def create_only(store: ObjectStore, key: str, document: dict[str, Any], tries: int = 5) -> dict[str, Any]:
    """Write a JSON document unless there is one already; returns the one that is there now.

    Ours is told by its `write_id`, given in the document or added. Only if the store can be neither written
    nor read, `tries` times, its error is raised.
    """
    ours = {**document, "write_id": document.get("write_id") or uuid.uuid4().hex}
    body = json.dumps(ours, allow_nan=False).encode()
    for attempt in range(tries):
        try:
            obstore.put(store, key, body, mode="create")
            return ours
        except Exception:  # whatever it was, it may have taken effect: look
            try:
                return get_json(store, key)
            except Exception:
                if attempt == tries - 1:
                    raise
                time.sleep(0.1 * 2**attempt)
    raise AssertionError("unreachable")


def read_commit(store: ObjectStore, job_id: str) -> dict[str, Any] | None:
    """The marker of a published job {attempt, write_id, job, created, manifest}; None if there is none."""
    try:
        return get_json(store, commit_key(job_id))
    except FileNotFoundError:
        return None


def probe_create_only(store: ObjectStore) -> None:
    """Make sure that the store refuses to write a key twice: publishing exactly once rests on that.

    Raises:
        RuntimeError: it accepted the second write; such a store must not be used.
    """
    key = f"probe/{uuid.uuid4().hex}.json"
    try:
        first = create_only(store, key, {"write_id": "first"})
        second = create_only(store, key, {"write_id": "second"})
    finally:
        obstore.delete(store, key)
    if (first["write_id"], second["write_id"]) != ("first", "first"):
        raise RuntimeError(
            "the store ignores If-None-Match: a job could be published twice; use another store"
        )
