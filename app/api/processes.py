"""The processes on offer (OGC API - Processes): there is one, `assimilate`, and this is how it is started."""

import hashlib
import json
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request, Response

from app.api.execution import Execution, Inputs, check
from app.api.jobs import status_info
from app.api.problems import Problem, documented, not_found
from app.api.services import Given
from workers.database.rows import IdempotencyConflict, StepRef
from workers.version import __version__

router = APIRouter(tags=["processes"])

PROCESS = "assimilate"
CONFORMANCE = [
    "http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf/json",
    "http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf/job-list",
    "http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf/dismiss",
]


@router.get("/conformance")
def conformance() -> dict[str, list[str]]:
    """The parts of OGC API - Processes that are served."""
    return {"conformsTo": CONFORMANCE}


@router.get("/processes")
def processes(request: Request) -> dict[str, Any]:
    """All processes."""
    href = str(request.url_for("describe", process=PROCESS))
    return {"processes": [_summary(href)], "links": [{"rel": "self", "href": str(request.url)}]}


@router.get("/processes/{process}", responses=documented(404))
def describe(process: str, request: Request) -> dict[str, Any]:
    """A process, its inputs as JSON schemas, and its outputs."""
    if process != PROCESS:
        raise not_found("process", process)
    schema = Inputs.model_json_schema()
    definitions, required = schema.pop("$defs", {}), schema.get("required", [])
    inputs = {
        name: {"title": name, "minOccurs": int(name in required), "schema": {**field, "$defs": definitions}}
        for name, field in schema["properties"].items()
    }
    media = {
        "ensemble": "application/vnd.zarr; version=3",
        "certificate": "application/json",
        "receipts": "application/vnd.apache.parquet",
    }
    outputs = {
        name: {"title": name, "schema": {"type": "string", "contentMediaType": kind}}
        for name, kind in media.items()
    }
    return {**_summary(str(request.url)), "inputs": inputs, "outputs": outputs}


@router.post(
    "/processes/{process}/execution",
    status_code=201,
    responses={
        200: {"description": "the job that this Idempotency-Key started earlier"},
        **documented(404, 409),
    },
)
def execute(
    process: str,
    body: Execution,
    request: Request,
    response: Response,
    given: Given,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=255)] = None,
) -> dict[str, Any]:
    """Start an analysis. With an Idempotency-Key, sending it twice starts it once."""
    if process != PROCESS:
        raise not_found("process", process)
    inputs = check(body.inputs, given.batches)
    digest = hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()
    try:
        job, created = given.jobs.submit(process, inputs, digest, idempotency_key)
    except IdempotencyConflict as conflict:
        raise Problem(
            409, "idempotency-key-reused", "Idempotency-Key was used before", str(conflict)
        ) from None
    if created:
        given.bell.ring([StepRef(job.id, job.attempt, "prepare")])
    response.status_code = 201 if created else 200
    info = status_info(job, request)
    response.headers["Location"] = info["links"][0]["href"]
    return info


def _summary(href: str) -> dict[str, Any]:
    return {
        "id": PROCESS,
        "version": __version__,
        "title": "Analysis of observations",
        "description": "Samples trajectories of the atmosphere that agree with the observations.",
        "jobControlOptions": ["async-execute", "dismiss"],
        "links": [{"rel": "self", "href": href}],
    }
