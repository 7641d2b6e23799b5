"""The job book, as the sweeper sees it: stranded work is found and set going again.

Everything here may be done at any time, by any number of sweepers at once, and twice.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, Engine, and_, delete, or_, select, update

from workers.database.engine import clock, reading
from workers.database.rows import UNFINISHED, StepRef
from workers.database.tables import jobs, steps
from workers.database.transitions import end_job, lock_job, next_attempt, settle_dismissal


class SweepBook:
    """Jobs and steps that nobody looks after."""

    def __init__(self, engine: Engine, max_attempts: int = 3) -> None:
        self.engine = engine
        self.max_attempts = max_attempts

    def succeed(self, job_id: str, attempt: int) -> bool:
        """The result of `attempt` is published: the job is successful. False if it had ended already."""
        with self.engine.begin() as c:
            job = lock_job(c, job_id)
            if job is None or job.status not in UNFINISHED:
                return False
            ended = update(steps).where(steps.c.job_id == job_id, steps.c.attempt == attempt)
            now = clock(c)
            c.execute(
                ended.where(steps.c.name == "publish", steps.c.state == "running").values(
                    state="done", ended=now
                )
            )
            end_job(c, job_id, "successful", "published", now, progress=100, result_attempt=attempt)
            return True

    def expire(self, dead: str | None = None) -> int:
        """Begin a new attempt of every job with a worker that fell silent; returns how many there were.

        `dead`: the owner name of a worker that is known to have died. Its steps need not wait.
        """
        with reading(self.engine) as c:
            expired = _silent(clock(c), dead)
            silent = list(c.execute(select(steps.c.job_id).distinct().where(expired)).scalars())
        count = 0
        for job_id in silent:
            with self.engine.begin() as c:
                job = lock_job(c, job_id)
                now = clock(c)
                of_this_job = and_(steps.c.job_id == job_id, _silent(now, dead))
                if job is None or c.execute(select(steps.c.name).where(of_this_job)).first() is None:
                    continue  # another sweeper was here, or the worker came back in time
                next_attempt(c, job_id, "a worker fell silent", self.max_attempts, now)
                count += 1
        return count

    def owners(self) -> list[str]:
        """Names of the workers that hold steps."""
        query = select(steps.c.owner).distinct().where(steps.c.state == "running")
        with reading(self.engine) as c:
            return [owner for owner in c.execute(query).scalars() if owner is not None]

    def settle_dismissals(self) -> int:
        """Dismiss the jobs that shall stop and that nobody works on; returns how many there were."""
        asked = and_(jobs.c.cancel_requested, jobs.c.status.in_(UNFINISHED))
        with reading(self.engine) as c:
            waiting = list(c.execute(select(jobs.c.id).where(asked)).scalars())
        count = 0
        for job_id in waiting:
            with self.engine.begin() as c:
                job = lock_job(c, job_id)
                if job is not None and job.status in UNFINISHED:
                    count += settle_dismissal(c, job_id, job.attempt, clock(c))
        return count

    def to_ring(self, after_seconds: float, limit: int = 64) -> list[StepRef]:
        """Pending steps nobody was told of in the last `after_seconds`; they count as told from now on."""
        with self.engine.begin() as c:
            now = clock(c)
            silent = or_(steps.c.rung.is_(None), steps.c.rung < now - timedelta(seconds=after_seconds))
            query = (
                select(steps.c.job_id, steps.c.attempt, steps.c.name)
                .where(steps.c.state == "pending", silent)
                .order_by(steps.c.created, steps.c.name)
                .limit(limit)
                .with_for_update(skip_locked=True)
            )
            found = [StepRef(*row) for row in c.execute(query)]
            for ref in found:
                _mark_rung(c, ref, now)
            return found

    def forget_bells(self) -> None:
        """Messages may have died with a worker: offer every pending step again at the next sweep."""
        with self.engine.begin() as c:
            c.execute(update(steps).where(steps.c.state == "pending").values(rung=None))

    def publishing(self) -> list[str]:
        """Unfinished jobs that came as far as publishing in some attempt: a marker may lie in the store."""
        query = (
            select(jobs.c.id)
            .distinct()
            .join(steps, steps.c.job_id == jobs.c.id)
            .where(jobs.c.status.in_(UNFINISHED), steps.c.kind == "publish", steps.c.state != "pending")
        )
        with reading(self.engine) as c:
            return list(c.execute(query).scalars())

    def fruitless(self, after_hours: float, limit: int = 16) -> list[tuple[str, int]]:
        """(job, attempt) of attempts without a result whose job ended at least `after_hours` ago."""
        with reading(self.engine) as c:
            no_result = or_(jobs.c.result_attempt.is_(None), steps.c.attempt != jobs.c.result_attempt)
            query = (
                select(steps.c.job_id, steps.c.attempt)
                .distinct()
                .join(jobs, steps.c.job_id == jobs.c.id)
                .where(jobs.c.finished < clock(c) - timedelta(hours=after_hours), no_result)
                .limit(limit)
            )
            return [(row.job_id, row.attempt) for row in c.execute(query)]

    def forget(self, job_id: str, attempt: int) -> None:
        """Strike out the steps of an attempt whose files are removed."""
        with self.engine.begin() as c:
            c.execute(delete(steps).where(steps.c.job_id == job_id, steps.c.attempt == attempt))


def _silent(now: datetime, dead: str | None) -> ColumnElement[bool]:
    gone = steps.c.lease_until < now
    if dead is not None:
        gone = or_(gone, steps.c.owner == dead)
    return and_(steps.c.state == "running", gone)


def mark_rung(engine: Engine, refs: Sequence[StepRef]) -> None:
    """Messages for these steps are on their way."""
    with engine.begin() as c:
        now = clock(c)
        for ref in refs:
            _mark_rung(c, ref, now)


def _mark_rung(c: Connection, ref: StepRef, now: datetime) -> None:
    this = and_(steps.c.job_id == ref.job_id, steps.c.attempt == ref.attempt, steps.c.name == ref.name)
    c.execute(update(steps).where(this).values(rung=now))
