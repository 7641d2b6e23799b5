"""Jobs: their status, their events as they happen, their results, and stopping them."""

from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

import anyio
from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent

from app.api.problems import Problem, documented, not_found
from app.api.services import Cursor, Given, Limit, link_next, read_cursor
from workers.database.rows import FINISHED, STATUSES, AlreadyFinished, Job

router = APIRouter(tags=["jobs"])

RESULTS = {
    "ensemble.zarr": "application/vnd.zarr; version=3",
    "certificate.json": "application/json",
    "receipts.parquet": "application/vnd.apache.parquet",
    "observations.json": "application/json",
    "maps/index.json": "application/json",
    "manifest.json": "application/json",
}

Status = Literal["accepted", "running", "successful", "failed", "dismissed"]


def the_job(job_id: str, given: Given) -> Job:
    """The job; a problem if there is none."""
    job = given.jobs.get(job_id)
    if job is None:
        raise not_found("job", job_id)
    return job


TheJob = Annotated[Job, Depends(the_job)]


def status_info(job: Job, request: Request) -> dict[str, Any]:
    """The job as OGC statusInfo, with its inputs (`request`) and, if it failed, its problem."""
    links = [
        {
            "rel": "self",
            "href": str(request.url_for("job_status", job_id=job.id)),
            "type": "application/json",
        },
        {
            "rel": "monitor",
            "href": str(request.url_for("job_events", job_id=job.id)),
            "type": "text/event-stream",
        },
    ]
    if job.status == "successful":
        href = str(request.url_for("job_results", job_id=job.id))
        rel = "http://www.opengis.net/def/rel/ogc/1.0/results"
        links.append({"rel": rel, "href": href, "type": "application/json"})
    info = {
        "jobID": job.id,
        "processID": job.process,
        "type": "process",
        "status": job.status,
        "message": job.message,
        "progress": job.progress,
        "created": job.created,
        "started": job.started,
        "finished": job.finished,
        "updated": job.updated,
        "attempt": job.attempt,
        "request": job.request,
        "links": links,
    }
    return {**info, "problem": job.problem} if job.problem else info


@router.get("/jobs")
def list_jobs(
    request: Request,
    response: Response,
    given: Given,
    status: Annotated[list[Status] | None, Query()] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """Jobs, newest first."""
    found = given.jobs.list_jobs(status or STATUSES, limit + 1, read_cursor(cursor))
    page = found[:limit]
    links = link_next(request, response, page[-1]) if len(found) > limit else []
    return {"jobs": [status_info(job, request) for job in page], "links": links}


@router.get("/jobs/{job_id}", responses=documented(404))
def job_status(job: TheJob, request: Request, response: Response) -> dict[str, Any]:
    """How far the job is."""
    if job.status not in FINISHED:
        response.headers["Retry-After"] = "2"
    return status_info(job, request)


@router.delete("/jobs/{job_id}", responses=documented(404, 409))
def dismiss_job(job_id: str, request: Request, given: Given) -> dict[str, Any]:
    """Stop the job. It is dismissed once the worker confirms; at once if none works on it."""
    try:
        job = given.jobs.dismiss(job_id)
    except AlreadyFinished as ended:
        detail = f"{ended}: there is nothing to stop"
        raise Problem(409, "already-finished", "The job has ended", detail) from None
    if job is None:
        raise not_found("job", job_id)
    return status_info(job, request)


@router.get("/jobs/{job_id}/events", response_class=EventSourceResponse, responses=documented(404))
async def job_events(
    job: TheJob, given: Given, last_event_id: Annotated[str | None, Header(max_length=20)] = None
) -> AsyncIterator[ServerSentEvent]:
    """What happens to the job, as it happens: `status`, `step` and `progress` events.

    The stream ends with the job. `Last-Event-ID` resumes it where it broke off.
    """
    seq = int(last_event_id) if last_event_id and last_event_id.isascii() and last_event_id.isdigit() else 0
    seq = min(seq, job.events)
    while True:
        now = await run_sync(given.jobs.get, job.id)  # asked first: an ended job has no news after these
        news = await run_sync(given.jobs.events_after, job.id, seq)
        for event in news:
            seq = event.seq
            data = {"at": event.at.isoformat(), **event.data}
            yield ServerSentEvent(data=data, event=event.kind, id=str(event.seq))
        if not news and (now is None or now.status in FINISHED):
            return
        if not news:
            await anyio.sleep(given.settings.poll_seconds)


@router.get("/jobs/{job_id}/results", responses=documented(404, 409, 500))
def job_results(job: TheJob, request: Request) -> dict[str, Any]:
    """Where the results of a successful job are."""
    if job.status == "failed" and job.problem:
        raise Problem(
            job.problem["status"], "job-failed", job.problem["title"], job.problem.get("detail", "")
        )
    if job.status != "successful":
        detail = f"the job is {job.status}: {job.message}"
        raise Problem(404, "result-not-ready", "There is no result", detail)
    return {
        path.partition(".")[0].partition("/")[0]: {
            "href": str(request.url_for("ensemble_file", job_id=job.id, path=path)),
            "type": kind,
        }
        for path, kind in RESULTS.items()
    }
