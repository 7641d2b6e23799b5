"""Rows of the tables as Python values, and the words for what can go wrong with them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_

from workers.database.tables import steps

UNFINISHED = ("accepted", "running")
FINISHED = ("successful", "failed", "dismissed")
STATUSES = UNFINISHED + FINISHED


class IdempotencyConflict(Exception):
    """The idempotency key was used before, with another request."""


class AlreadyFinished(Exception):
    """The job has ended; there is nothing to dismiss."""

    def __init__(self, status: str) -> None:
        super().__init__(f"the job is {status}")
        self.status = status


@dataclass(frozen=True)
class Job:
    """A row of the table `jobs`."""

    id: str
    process: str
    status: str
    attempt: int
    request: dict[str, Any]
    request_sha256: str
    idempotency_key: str | None
    cancel_requested: bool
    progress: int
    message: str
    problem: dict[str, Any] | None
    events: int
    result_attempt: int | None
    created: datetime
    started: datetime | None
    finished: datetime | None
    updated: datetime


@dataclass(frozen=True)
class Event:
    """One thing that happened to a job; `seq` counts from 1 within the job without gaps."""

    seq: int
    at: datetime
    kind: str
    data: dict[str, Any]


@dataclass(frozen=True)
class StepRef:
    """Which step of which attempt of which job: all that a broker message says."""

    job_id: str
    attempt: int
    name: str


class LeaseLost(Exception):
    """The step is no longer ours: the lease ran out or the job has ended. Write nothing more for it."""


class Cancelled(Exception):
    """Somebody asked for the job to be dismissed."""


@dataclass(frozen=True)
class NewStep:
    """A step to enter: its name is unique within the attempt."""

    name: str
    kind: str
    arguments: dict[str, Any]


@dataclass(frozen=True)
class Claim:
    """A step that is ours until the lease runs out."""

    job_id: str
    attempt: int
    name: str
    kind: str
    arguments: dict[str, Any]
    owner: str
    request: dict[str, Any]

    @property
    def where(self) -> ColumnElement[bool]:
        """The condition of every write: still running, and by us."""
        return and_(
            steps.c.job_id == self.job_id,
            steps.c.attempt == self.attempt,
            steps.c.name == self.name,
            steps.c.owner == self.owner,
            steps.c.state == "running",
        )
