"""The tables: jobs and their steps, the events a watcher reads, and the batches of observations.

The row of a job is the truth about it. Broker messages and markers in the store only point at rows.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)


class UtcDateTime(TypeDecorator[datetime]):
    """A time with its zone, also where the database (SQLite) keeps none: stored as UTC, returned aware."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To UTC; a naive time is refused, since nobody knows what it means."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"the time {value} has no zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        """As an aware UTC time."""
        if value is None or value.tzinfo is not None:
            return value
        return value.replace(tzinfo=UTC)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("process", String(64), nullable=False),
    Column("status", String(16), nullable=False),  # accepted running successful failed dismissed
    Column("attempt", Integer, nullable=False),  # fencing token: work of any other attempt no longer counts
    Column("request", JSON, nullable=False),
    Column("request_sha256", String(64), nullable=False),
    Column("idempotency_key", String(255), unique=True),
    Column("cancel_requested", Boolean, nullable=False),
    Column("progress", Integer, nullable=False),  # percent
    Column("message", Text, nullable=False),
    Column("problem", JSON),
    Column("events", Integer, nullable=False),  # number of the last event
    Column("result_attempt", Integer),
    Column("created", UtcDateTime, nullable=False),
    Column("started", UtcDateTime),
    Column("finished", UtcDateTime),
    Column("updated", UtcDateTime, nullable=False),
    Index(None, "created", "id"),
    Index(None, "status"),
)

steps = Table(
    "steps",
    metadata,
    Column("job_id", String(36), ForeignKey("jobs.id"), primary_key=True),
    Column("attempt", Integer, primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("kind", String(16), nullable=False),  # prepare sample publish
    Column("arguments", JSON, nullable=False),
    Column("state", String(16), nullable=False),  # pending running done abandoned
    Column("owner", String(128)),
    Column("lease_until", UtcDateTime),
    Column("rung", UtcDateTime),  # when a message for it was last sent
    Column("created", UtcDateTime, nullable=False),
    Column("started", UtcDateTime),
    Column("ended", UtcDateTime),
    Index(None, "state", "lease_until"),
)

events = Table(
    "events",
    metadata,
    Column("job_id", String(36), ForeignKey("jobs.id"), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("at", UtcDateTime, nullable=False),
    Column("kind", String(16), nullable=False),  # status step progress
    Column("data", JSON, nullable=False),
)

batches = Table(
    "batches",
    metadata,
    Column("id", String(128), primary_key=True),
    Column(
        "content_hash", String(64), nullable=False
    ),  # sha256 of the bytes and the parameters they came with
    Column("parameters", JSON, nullable=False),
    Column("bytes", Integer, nullable=False),
    Column("received", Integer, nullable=False),
    Column("accepted", Integer, nullable=False),
    Column("rejected", Integer, nullable=False),
    Column("counts", JSON, nullable=False),
    Column("observations_key", String(255)),  # none if nothing was accepted
    Column("receipts_key", String(255), nullable=False),
    Column("time_start", UtcDateTime),
    Column("time_end", UtcDateTime),
    Column("west", Float),
    Column("south", Float),
    Column("east", Float),
    Column("north", Float),
    Column("created", UtcDateTime, nullable=False),
    Index(None, "created", "id"),
    Index(None, "time_start", "time_end"),
)
