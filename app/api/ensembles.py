"""The files of a published ensemble, byte by byte: what the manifest lists and nothing else.

Readers of Zarr take a missing chunk (404) for "all missing values", without a word. So a file that the
manifest lists and the store lacks is a fault of ours, 500, never a 404. Nothing changes once it is published:
files may be cached for ever.
"""

import mimetypes
import re
from collections.abc import AsyncIterator
from functools import lru_cache
from typing import Any

import obstore
from anyio.to_thread import run_sync
from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from obstore.exceptions import BaseError

from app.api.problems import Problem, documented, not_found
from app.api.services import Given
from workers.services import Services
from workers.store.objects import attempt_key, read_commit

router = APIRouter(tags=["ensembles"])

FOREVER = "public, max-age=31536000, immutable"
PIECE = 2**20
BYTES: dict[int | str, dict[str, Any]] = {
    200: {"description": "the file", "content": {"*/*": {}}},
    206: {"description": "the range asked for"},
}
Manifest = dict[str, dict[str, Any]]  # path below the attempt's folder -> {key, size, crc32c}


@lru_cache(maxsize=64)
def _manifest(given: Services, job_id: str) -> Manifest:
    job = given.jobs.get(job_id)
    if job is None:
        raise not_found("ensemble", job_id)
    if job.status != "successful" or job.result_attempt is None:
        detail = f"the job is {job.status}: {job.message}"
        raise Problem(404, "result-not-ready", "There is no ensemble", detail)
    commit = read_commit(given.store, job_id)
    if commit is None:
        raise Problem(500, "damaged", "The ensemble is damaged", "the marker that published it is gone")
    folder = attempt_key(job_id, commit["attempt"]) + "/"
    return {entry["key"].removeprefix(folder): entry for entry in commit["manifest"]}


@router.get("/ensembles/{job_id}/manifest.json", responses=documented(404, 500))
def manifest(job_id: str, response: Response, given: Given) -> dict[str, list[dict[str, Any]]]:
    """All files of the ensemble with size and checksum (CRC-32C, hexadecimal)."""
    response.headers["Cache-Control"] = FOREVER
    files = [
        {"path": path, "size": entry["size"], "crc32c": entry["crc32c"]}
        for path, entry in _manifest(given, job_id).items()
    ]
    return {"files": files}


router.add_api_route("/ensembles/{job_id}/manifest.json", manifest, methods=["HEAD"], include_in_schema=False)


@router.get(
    "/ensembles/{job_id}/{path:path}",
    response_class=Response,
    responses={**BYTES, 304: {"description": "unchanged"}, **documented(404, 416, 500, 503)},
)
async def ensemble_file(job_id: str, path: str, request: Request, given: Given) -> Response:
    """A file of the ensemble: `ensemble.zarr/...`, `certificate.json`, `receipts.parquet`, `maps/...`."""
    files = await run_sync(_manifest, given, job_id)
    if path not in files:
        raise Problem(404, "not-found", "No such file", f"the ensemble has no file {path!r}")
    entry = files[path]
    size, etag = entry["size"], f'"{entry["crc32c"]}-{entry["size"]}"'
    kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
    headers = {"ETag": etag, "Cache-Control": FOREVER, "Accept-Ranges": "bytes"}
    if _names(request.headers.get("if-none-match"), etag):
        return Response(status_code=304, headers=headers)
    span = None
    if request.headers.get("if-range", etag) == etag:
        span = byte_range(request.headers.get("range"), size)
    start, end = span or (0, size)
    headers["Content-Length"] = str(end - start)
    if span is not None:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    status = 206 if span is not None else 200
    if request.method == "HEAD" or start == end:
        await _open(given, entry["key"], size, None)
        return Response(status_code=status, headers=headers, media_type=kind)
    body = await _open(given, entry["key"], size, span)
    return StreamingResponse(body, status, headers, media_type=kind)


router.add_api_route(
    "/ensembles/{job_id}/{path:path}", ensemble_file, methods=["HEAD"], include_in_schema=False
)


async def _open(given: Services, key: str, size: int, span: tuple[int, int] | None) -> AsyncIterator[bytes]:
    try:
        result = await obstore.get_async(given.store, key, options={"range": span} if span else {})
    except FileNotFoundError:
        result = None
    except BaseError as error:
        detail = f"the store does not give the file: {type(error).__name__}; try again"
        raise Problem(503, "store-unavailable", "The store does not answer", detail) from error
    if result is None or result.meta["size"] != size:
        detail = f"{key} is listed in the manifest but is not in the store as it was published"
        raise Problem(500, "damaged", "The ensemble is damaged", detail)
    return _pieces(result)


async def _pieces(result: "obstore.GetResult") -> AsyncIterator[bytes]:
    async for piece in result.stream(min_chunk_size=PIECE):
        yield bytes(piece)


def byte_range(header: str | None, size: int) -> tuple[int, int] | None:
    """(start, end) of a Range header, end exclusive; None: send the whole file.

    Several ranges, other units and nonsense are answered with the whole file, as RFC 9110 allows.

    Raises:
        Problem: 416, the range begins after the end of the file.
    """
    match = re.fullmatch(r"\s*bytes=\s*(\d{0,18})-(\d{0,18})\s*", header or "", re.ASCII)
    if match is None or match[1] == match[2] == "":
        return None
    if match[1] == "":
        start, end = max(size - int(match[2]), 0), size
    else:
        start, end = int(match[1]), min(int(match[2] or size) + 1, size)
        if match[2] and int(match[2]) < start:
            return None
    if start >= end:
        headers = {"Content-Range": f"bytes */{size}"}
        raise Problem(416, "range", "Range not satisfiable", f"the file has {size} bytes", headers=headers)
    return start, end


def _names(header: str | None, etag: str) -> bool:
    named = [name.strip().removeprefix("W/") for name in (header or "").split(",")]
    return etag in named or "*" in named
