"""What can happen to a job within a transaction: the pieces the books are made of.

Whoever changes a job locks its row first (`lock_job`), so that changes of one job come one after the other.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update

from workers.database.rows import UNFINISHED, Job
from workers.database.tables import events, jobs, steps


def lock_job(c: Connection, job_id: str) -> Job | None:
    """The job, its row locked until the transaction ends (SQLite has locked the whole file already)."""
    row = c.execute(select(jobs).where(jobs.c.id == job_id).with_for_update()).one_or_none()
    return None if row is None else Job(**row._mapping)


def set_job(c: Connection, job_id: str, now: datetime, **values: Any) -> None:
    """Change columns of a job whose row the caller has locked."""
    c.execute(update(jobs).where(jobs.c.id == job_id).values(updated=now, **values))


def append_event(c: Connection, job_id: str, kind: str, data: dict[str, Any], now: datetime) -> None:
    """Write down what happened. The counter in the job's row keeps numbers in the order of commits."""
    counted = (
        update(jobs).where(jobs.c.id == job_id).values(events=jobs.c.events + 1).returning(jobs.c.events)
    )
    seq = c.execute(counted).scalar_one()
    c.execute(insert(events).values(job_id=job_id, seq=seq, at=now, kind=kind, data=data))


def insert_steps(
    c: Connection, job_id: str, attempt: int, new: Sequence[tuple[str, str, dict[str, Any]]], now: datetime
) -> None:
    """Enter pending steps (name, kind, arguments)."""
    common = {"job_id": job_id, "attempt": attempt, "state": "pending", "created": now}
    rows = [{**common, "name": name, "kind": kind, "arguments": arguments} for name, kind, arguments in new]
    if rows:
        c.execute(insert(steps), rows)


def abandon_steps(c: Connection, job_id: str, now: datetime) -> None:
    """Whatever is still open of the job no longer counts."""
    still_open = (steps.c.job_id == job_id) & steps.c.state.in_(("pending", "running"))
    c.execute(update(steps).where(still_open).values(state="abandoned", ended=now))


def end_job(c: Connection, job_id: str, status: str, message: str, now: datetime, **values: Any) -> None:
    """Put the job in a final state."""
    abandon_steps(c, job_id, now)
    set_job(c, job_id, now, status=status, message=message, finished=now, **values)
    append_event(c, job_id, "status", {"status": status, "message": message}, now)


def settle_dismissal(c: Connection, job_id: str, attempt: int, now: datetime) -> bool:
    """Dismiss the job if nobody works on it any more."""
    busy = select(steps.c.name).where(
        steps.c.job_id == job_id, steps.c.attempt == attempt, steps.c.state == "running"
    )
    if c.execute(busy.limit(1)).first() is not None:
        return False
    end_job(c, job_id, "dismissed", "dismissed on request", now)
    return True


def next_attempt(c: Connection, job_id: str, reason: str, max_attempts: int, now: datetime) -> None:
    """Begin again, with what the silent attempt leaves behind no longer counting; or give the job up."""
    job = lock_job(c, job_id)
    if job is None or job.status not in UNFINISHED:
        return
    if job.cancel_requested:
        end_job(c, job_id, "dismissed", "dismissed on request", now)
        return
    if job.attempt >= max_attempts:
        detail = f"given up after {job.attempt} attempts; the last one ended because {reason}"
        problem = {"type": "/problems/attempts-exhausted", "title": "Attempts exhausted", "status": 500}
        end_job(c, job_id, "failed", detail, now, problem={**problem, "detail": detail})
        return
    abandon_steps(c, job_id, now)
    message = f"waiting for a worker: attempt {job.attempt} ended because {reason}"
    set_job(c, job_id, now, status="accepted", attempt=job.attempt + 1, message=message, progress=0)
    append_event(c, job_id, "status", {"status": "accepted", "message": message}, now)
    insert_steps(c, job_id, job.attempt + 1, [("prepare", "prepare", {})], now)
