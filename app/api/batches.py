"""Observations in: a batch is streamed to disk, decoded and checked; what is accepted is stored for good."""

import hashlib
import json
import tempfile
from dataclasses import asdict
from pathlib import Path as File
from typing import Annotated, Any, Literal

from anyio.to_thread import run_sync
from fastapi import APIRouter, Path, Query, Request, Response

from app.api.priors import the_card
from app.api.problems import Problem, documented, not_found
from app.api.services import Cursor, Given, Limit, link_next, read_cursor
from workers.database.batch_book import Batch, BatchConflict
from workers.services import Services

router = APIRouter(tags=["observations"])

PARQUET = "application/vnd.apache.parquet"
BatchId = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$", description="a name you choose")]
BODY = {
    "requestBody": {
        "required": True,
        "content": {
            kind: {"schema": {"type": "string", "format": "binary"}}
            for kind in (
                "text/csv",
                PARQUET,
                "application/json",
                "application/bufr",
                "application/octet-stream",
            )
        },
    }
}


@router.put(
    "/observation-batches/{batch_id}",
    status_code=201,
    openapi_extra=BODY,
    responses={200: {"description": "the same batch was here already"}, **documented(404, 409)},
)
async def put_batch(
    batch_id: BatchId,
    request: Request,
    response: Response,
    given: Given,
    kind: Annotated[str, Query(max_length=32, description="kind of report where rows do not say")] = "",
    columns: Annotated[str, Query(max_length=4000, description="JSON: what the file's columns mean")] = "",
    prior: Annotated[str, Query(max_length=100, description="reject rows outside this prior's domain")] = "",
) -> dict[str, Any]:
    """Send observations: CSV, Parquet, JSON rows or BUFR, gzipped or not. Twice is as good as once.

    A batch is read as a whole: beyond a limit (128 MiB as sent and as unpacked, where nothing else is set)
    the answer is 413; send it in parts.
    """
    parameters = {"kind": kind, "columns": _column_map(columns), "prior": prior}
    if prior:
        await run_sync(the_card, prior)
    media_type = request.headers.get("content-type", "")
    digest = hashlib.sha256(json.dumps(parameters, sort_keys=True).encode())
    with tempfile.NamedTemporaryFile(prefix="serein-batch-") as file:
        async for piece in request.stream():
            digest.update(piece)
            await run_sync(file.write, piece)
        file.flush()
        batch, created = await run_sync(
            _take_in, given, batch_id, File(file.name), media_type, parameters, digest.hexdigest()
        )
    response.status_code = 201 if created else 200
    response.headers["Location"] = str(request.url_for("batch", batch_id=batch.id))
    return _shown(batch, request)


def _column_map(text: str) -> dict[str, dict[str, Any]] | None:
    if not text:
        return None
    try:
        columns = json.loads(text)
    except (ValueError, RecursionError):
        columns = None
    if not isinstance(columns, dict) or not all(isinstance(v, dict) for v in columns.values()):
        detail = 'columns is a JSON object such as {"PS": {"variable": "msl", "unit": "hPa"}}'
        errors = [{"pointer": "query/columns", "detail": detail}]
        raise Problem(422, "invalid-request", "The column map cannot be read", detail, errors)
    return columns


def _take_in(
    given: Services, batch_id: str, file: File, media_type: str, parameters: dict[str, Any], content_hash: str
) -> tuple[Batch, bool]:
    from workers.batches import take_in  # pandas takes a while to load
    from workers.decoders import MalformedBatch, TooLarge

    try:
        return take_in(given, batch_id, file, media_type, parameters, content_hash)
    except TooLarge as large:
        raise Problem(413, "batch-too-large", "The batch is too large", large.detail) from None
    except MalformedBatch as bad:
        place = "/".join(str(part) for part in (bad.row, bad.field) if part is not None)
        errors = [{"pointer": f"#/{place}", "detail": bad.detail}]
        more: dict[str, Any] = {
            name: value for name, value in (("row", bad.row), ("field", bad.field)) if value is not None
        }
        raise Problem(
            422, "malformed-batch", "The batch cannot be read", bad.detail, errors, **more
        ) from None
    except BatchConflict as conflict:
        detail = f"{conflict}: choose another id"
        raise Problem(409, "batch-exists", "The id is taken", detail) from None


@router.get("/observation-batches")
def batches(
    request: Request, response: Response, given: Given, limit: Limit = 100, cursor: Cursor = None
) -> dict[str, Any]:
    """Batches, newest first."""
    found = given.batches.list_batches(limit + 1, read_cursor(cursor))
    page = found[:limit]
    links = link_next(request, response, page[-1]) if len(found) > limit else []
    return {"batches": [_shown(batch, request) for batch in page], "links": links}


@router.get("/observation-batches/{batch_id}", responses=documented(404))
def batch(batch_id: BatchId, request: Request, given: Given) -> dict[str, Any]:
    """A batch: what was received, accepted and rejected, and what it covers."""
    return _shown(_the_batch(given, batch_id), request)


@router.get(
    "/observation-batches/{batch_id}/receipts",
    responses={200: {"content": {PARQUET: {}, "application/json": {}}}, **documented(404)},
)
def receipts(
    batch_id: BatchId,
    given: Given,
    format: Literal["parquet", "json"] = "parquet",
    limit: Annotated[int, Query(ge=1, le=100_000, description="rows of JSON, the rejected first")] = 1000,
) -> Response:
    """What became of every row of the batch: its flag and, if it was rejected, a plain reason."""
    from workers.store.objects import get_bytes, get_parquet

    found = _the_batch(given, batch_id)
    if format == "parquet":
        return Response(get_bytes(given.store, found.receipts_key), media_type=PARQUET)
    frame = get_parquet(given.store, found.receipts_key)
    rows = frame.sort_values("qc", ascending=False, kind="stable").head(limit)
    text = rows.to_json(orient="records", date_format="iso")
    return Response(f'{{"total":{len(frame)},"rows":{text}}}', media_type="application/json")


def _the_batch(given: Services, batch_id: str) -> Batch:
    found = given.batches.get(batch_id)
    if found is None:
        raise not_found("batch", batch_id)
    return found


def _shown(batch: Batch, request: Request) -> dict[str, Any]:
    hidden = ("bytes", "received", "accepted", "rejected", "observations_key", "receipts_key", "parameters")
    shown = {name: value for name, value in asdict(batch).items() if name not in hidden}
    bbox = [shown.pop(side) for side in ("west", "south", "east", "north")]
    links = [
        {"rel": "self", "href": str(request.url_for("batch", batch_id=batch.id)), "type": "application/json"},
        {"rel": "receipts", "href": str(request.url_for("receipts", batch_id=batch.id)), "type": PARQUET},
    ]
    return {**shown, "bbox": None if bbox[0] is None else bbox, "links": links}
