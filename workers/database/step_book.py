"""The job book, as workers see it: claim a step, keep its lease, finish it, give it up.

Every write that matters asks first whether the step is still ours: same job, attempt, name and owner, and
still running. Once a lease has expired the sweeper has moved the job to a new attempt and that question is
answered no; the attempt number is the fencing token. Two claims of one step cannot both succeed.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, and_, func, select, update

from workers.database.engine import clock
from workers.database.rows import UNFINISHED, Cancelled, Claim, Job, LeaseLost, NewStep, StepRef
from workers.database.tables import jobs, steps
from workers.database.transitions import (
    append_event,
    end_job,
    insert_steps,
    lock_job,
    next_attempt,
    set_job,
    settle_dismissal,
)

PREPARED, SAMPLED = 5, 95  # percent of a job that is done once it is prepared, once it is sampled
BLOCKS = ("sample", "follow")  # kinds of steps between


class StepBook:
    """Steps as a worker takes them."""

    def __init__(self, engine: Engine, lease_seconds: float = 60, max_attempts: int = 3) -> None:
        self.engine = engine
        self.lease = timedelta(seconds=lease_seconds)
        self.max_attempts = max_attempts

    def claim(self, ref: StepRef, owner: str) -> Claim | None:
        """Take the step; None if it is taken, done, or of an attempt or a job that no longer counts."""
        with self.engine.begin() as c:
            now = clock(c)
            job = lock_job(c, ref.job_id)
            if job is None or job.status not in UNFINISHED or job.attempt != ref.attempt:
                return None
            if job.cancel_requested:
                settle_dismissal(c, job.id, job.attempt, now)
                return None
            pending = and_(
                steps.c.job_id == ref.job_id,
                steps.c.attempt == ref.attempt,
                steps.c.name == ref.name,
                steps.c.state == "pending",
            )
            taken = (
                update(steps)
                .where(pending)
                .values(state="running", owner=owner, lease_until=now + self.lease, started=now)
                .returning(steps.c.kind, steps.c.arguments)
            )
            row = c.execute(taken).one_or_none()
            if row is None:
                return None
            if job.status == "accepted":
                message = "running" if job.attempt == 1 else f"running, attempt {job.attempt}"
                set_job(c, job.id, now, status="running", message=message, started=job.started or now)
                append_event(c, job.id, "status", {"status": "running", "message": message}, now)
            data = {"step": ref.name, "state": "running", "attempt": ref.attempt}
            append_event(c, job.id, "step", data, now)
            return Claim(job.id, job.attempt, ref.name, row.kind, row.arguments, owner, job.request)

    def renew(self, claim: Claim) -> None:
        """Keep the step for another lease.

        Raises:
            LeaseLost: it is no longer ours.
            Cancelled: it is, but the job shall stop.
        """
        with self.engine.begin() as c:
            renewed = update(steps).where(claim.where).values(lease_until=clock(c) + self.lease)
            if c.execute(renewed).rowcount == 0:
                raise LeaseLost(
                    f"{claim.name} of attempt {claim.attempt} of {claim.job_id} is no longer ours"
                )
            cancel = select(jobs.c.cancel_requested).where(jobs.c.id == claim.job_id)
            if c.execute(cancel).scalar_one():
                raise Cancelled(claim.job_id)

    def progress(self, claim: Claim, fraction: float, data: dict[str, Any]) -> None:
        """Tell those who watch how far the step is (0 to 1), with whatever else is worth saying in `data`.

        Raises:
            LeaseLost: it is no longer ours.
            Cancelled: it is, but the job shall stop.
        """
        with self.engine.begin() as c:
            job = self._lock_if_ours(c, claim)
            if job.cancel_requested:
                raise Cancelled(claim.job_id)
            now = clock(c)
            percent = max(job.progress, self._percent(c, claim, fraction))
            set_job(c, claim.job_id, now, progress=percent)
            eta = self._eta(c, claim, fraction, now)
            told = {"step": claim.name, "progress": percent, "eta_seconds": eta, **data}
            append_event(c, claim.job_id, "progress", told, now)

    def finish(self, claim: Claim, following: Sequence[NewStep] = ()) -> list[StepRef]:
        """The step is done; enter the steps that follow. Returns those that can be worked on now.

        The last step of an attempt to finish, whichever it is, is followed by `publish`.

        Raises:
            LeaseLost: it is no longer ours, and nothing was entered.
        """
        with self.engine.begin() as c:
            job = self._lock_if_ours(c, claim)
            now = clock(c)
            c.execute(update(steps).where(claim.where).values(state="done", ended=now))
            percent = max(job.progress, self._percent(c, claim, 0.0 if claim.kind in BLOCKS else 1.0))
            set_job(c, claim.job_id, now, progress=percent)
            told = {"step": claim.name, "state": "done", "attempt": claim.attempt, "progress": percent}
            append_event(c, claim.job_id, "step", told, now)
            if job.cancel_requested:
                settle_dismissal(c, claim.job_id, claim.attempt, now)
                return []
            new = list(following)
            if not new and not self._any_open(c, claim.job_id, claim.attempt):
                new = [NewStep("publish", "publish", {})]
            insert_steps(c, claim.job_id, claim.attempt, [(s.name, s.kind, s.arguments) for s in new], now)
            return [StepRef(claim.job_id, claim.attempt, s.name) for s in new]

    def fail(self, claim: Claim, problem: dict[str, Any]) -> bool:
        """The job cannot be done; `problem` (RFC 9457) says why. False if the step was no longer ours."""
        with self.engine.begin() as c:
            try:
                self._lock_if_ours(c, claim)
            except LeaseLost:
                return False
            message = str(problem.get("detail") or problem.get("title"))
            end_job(c, claim.job_id, "failed", message, clock(c), problem=problem)
            return True

    def stop(self, claim: Claim) -> None:
        """Confirm a dismissal: this step is put down, and with the last one the job is dismissed."""
        with self.engine.begin() as c:
            try:
                self._lock_if_ours(c, claim)
            except LeaseLost:
                return
            now = clock(c)
            c.execute(update(steps).where(claim.where).values(state="abandoned", ended=now))
            settle_dismissal(c, claim.job_id, claim.attempt, now)

    def give_up(self, claim: Claim, reason: str) -> bool:
        """This attempt came to nothing (the store was away, say): begin the next. False if not ours."""
        with self.engine.begin() as c:
            try:
                self._lock_if_ours(c, claim)
            except LeaseLost:
                return False
            next_attempt(c, claim.job_id, reason, self.max_attempts, clock(c))
            return True

    def _lock_if_ours(self, c: Connection, claim: Claim) -> Job:
        job = lock_job(c, claim.job_id)
        if job is None or c.execute(select(steps.c.name).where(claim.where)).first() is None:
            raise LeaseLost(f"{claim.name} of attempt {claim.attempt} of {claim.job_id} is no longer ours")
        return job

    def _any_open(self, c: Connection, job_id: str, attempt: int) -> bool:
        of_attempt = and_(steps.c.job_id == job_id, steps.c.attempt == attempt)
        still_open = and_(of_attempt, steps.c.state.in_(("pending", "running")))
        return c.execute(select(steps.c.name).where(still_open).limit(1)).first() is not None

    def _percent(self, c: Connection, claim: Claim, fraction: float) -> int:
        if claim.kind == "prepare":
            return int(PREPARED * fraction)
        if claim.kind == "publish":
            return int(SAMPLED + (99 - SAMPLED) * fraction)
        sampled, _ = self._sampled(c, claim, fraction)
        return int(PREPARED + (SAMPLED - PREPARED) * sampled)

    def _sampled(self, c: Connection, claim: Claim, fraction: float) -> tuple[float, datetime | None]:
        """The share of the blocks that is done, and when the first was begun."""
        sampling = and_(
            steps.c.job_id == claim.job_id, steps.c.attempt == claim.attempt, steps.c.kind.in_(BLOCKS)
        )
        done = func.count().filter(steps.c.state == "done")
        query = select(func.count(), done, func.min(steps.c.started)).select_from(steps).where(sampling)
        total, finished, began = c.execute(query).one()
        return min((finished + fraction) / max(total, 1), 1.0), began

    def _eta(self, c: Connection, claim: Claim, fraction: float, now: datetime) -> int | None:
        """Seconds until all blocks are done, at the pace so far; None before and after that."""
        sampled, began = self._sampled(c, claim, fraction)
        if claim.kind not in BLOCKS or began is None or sampled == 0:
            return None
        return round((now - began).total_seconds() * (1 - sampled) / sampled)
