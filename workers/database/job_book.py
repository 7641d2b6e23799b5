"""The job book, as the door sees it: submit, look up, list, ask to dismiss, follow the events.

    accepted -> running -> successful | failed | dismissed          (the words of OGC API - Processes)

A running job whose worker fell silent goes back to accepted with a new attempt. What workers do to jobs is in
`step_book.py`, and what the sweeper does in `sweep_book.py`; together with `transitions.py` they hold all SQL
about jobs.
"""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, insert, literal, select, tuple_
from sqlalchemy.exc import IntegrityError

from workers.database.engine import clock, reading
from workers.database.rows import STATUSES, AlreadyFinished, Event, IdempotencyConflict, Job
from workers.database.tables import events, jobs
from workers.database.transitions import append_event, insert_steps, lock_job, set_job, settle_dismissal


class JobBook:
    """Jobs as a client sees them."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def submit(
        self, process: str, request: dict[str, Any], request_sha256: str, idempotency_key: str | None = None
    ) -> tuple[Job, bool]:
        """Enter a new job with its first step: it and True, or the earlier job of the same key and False.

        Raises:
            IdempotencyConflict: the key belongs to a different request.
        """
        try:
            with self.engine.begin() as c:
                earlier = self._by_key(c, idempotency_key)
                if earlier is None:
                    return self._insert(c, process, request, request_sha256, idempotency_key), True
        except IntegrityError:  # somebody entered the same key between our look and our insert
            with reading(self.engine) as c:
                earlier = self._by_key(c, idempotency_key)
            if earlier is None:
                raise
        if earlier.request_sha256 != request_sha256:
            raise IdempotencyConflict(
                f"the key {idempotency_key!r} was used for another request: {earlier.id}"
            )
        return earlier, False

    def _by_key(self, c: Connection, key: str | None) -> Job | None:
        if key is None:
            return None
        return _job(c.execute(select(jobs).where(jobs.c.idempotency_key == key)).one_or_none())

    def _insert(
        self, c: Connection, process: str, request: dict[str, Any], sha256: str, key: str | None
    ) -> Job:
        job_id, now = str(uuid.uuid4()), clock(c)
        values = {
            "id": job_id,
            "process": process,
            "status": "accepted",
            "attempt": 1,
            "request": request,
            "request_sha256": sha256,
            "idempotency_key": key,
            "cancel_requested": False,
            "progress": 0,
            "message": "waiting for a worker",
            "events": 0,
            "created": now,
            "updated": now,
        }
        c.execute(insert(jobs).values(**values))
        insert_steps(c, job_id, 1, [("prepare", "prepare", {})], now)
        append_event(c, job_id, "status", {"status": "accepted", "message": values["message"]}, now)
        found = _job(c.execute(select(jobs).where(jobs.c.id == job_id)).one())
        assert found is not None  # noqa: S101 - the row we have just written
        return found

    def get(self, job_id: str) -> Job | None:
        """The job, or None."""
        with reading(self.engine) as c:
            return _job(c.execute(select(jobs).where(jobs.c.id == job_id)).one_or_none())

    def list_jobs(
        self,
        statuses: Sequence[str] = STATUSES,
        limit: int = 100,
        before: tuple[datetime, str] | None = None,
    ) -> list[Job]:
        """The newest `limit` jobs; `before` is (created, id) of the last one already seen."""
        query = select(jobs).where(jobs.c.status.in_(statuses))
        if before is not None:
            query = query.where(tuple_(jobs.c.created, jobs.c.id) < tuple_(*_typed(before)))
        query = query.order_by(jobs.c.created.desc(), jobs.c.id.desc()).limit(limit)
        with reading(self.engine) as c:
            return [Job(**row._mapping) for row in c.execute(query)]

    def dismiss(self, job_id: str) -> Job | None:
        """Ask for the job to stop: at once if nobody works on it, else when its worker confirms.

        None: there is no such job.

        Raises:
            AlreadyFinished: it is successful or failed; asking again about a dismissed one is fine.
        """
        with self.engine.begin() as c:
            job = lock_job(c, job_id)
            if job is None:
                return None
            if job.status in ("successful", "failed"):
                raise AlreadyFinished(job.status)
            if job.status != "dismissed" and not job.cancel_requested:
                now = clock(c)
                set_job(c, job_id, now, cancel_requested=True, message="dismissal asked for")
                append_event(
                    c, job_id, "status", {"status": job.status, "message": "dismissal asked for"}, now
                )
                settle_dismissal(c, job_id, job.attempt, now)
        return self.get(job_id)

    def events_after(self, job_id: str, seq: int, limit: int = 500) -> list[Event]:
        """Events numbered above `seq`, in order."""
        query = select(events.c.seq, events.c.at, events.c.kind, events.c.data)
        query = query.where(events.c.job_id == job_id, events.c.seq > seq).order_by(events.c.seq).limit(limit)
        with reading(self.engine) as c:
            return [Event(**row._mapping) for row in c.execute(query)]


def _job(row: Row[Any] | None) -> Job | None:
    return None if row is None else Job(**row._mapping)


def _typed(before: tuple[datetime, str]) -> tuple[Any, Any]:
    return literal(before[0], jobs.c.created.type), literal(before[1], jobs.c.id.type)
