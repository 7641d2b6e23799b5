"""The book of batches: which observations were sent, what they cover, and where their rows lie."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Engine, and_, insert, literal, or_, select, tuple_
from sqlalchemy.exc import IntegrityError

from workers.database.engine import clock, reading
from workers.database.tables import batches


class BatchConflict(Exception):
    """The id belongs to a batch with other content."""


@dataclass(frozen=True)
class Batch:
    """A row of the table `batches`; the extent is that of the accepted rows, None without any."""

    id: str
    content_hash: str
    parameters: dict[str, Any]
    bytes: int
    received: int
    accepted: int
    rejected: int
    counts: dict[str, Any]
    observations_key: str | None
    receipts_key: str
    time_start: datetime | None
    time_end: datetime | None
    west: float | None
    south: float | None
    east: float | None
    north: float | None
    created: datetime | None = None


class BatchBook:
    """Batches by id, and by the time and place of what they hold."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def add(self, batch: Batch) -> tuple[Batch, bool]:
        """Enter a batch; returns it and True, or the equal one that is there already and False.

        Raises:
            BatchConflict: the id belongs to other content.
        """
        try:
            with self.engine.begin() as c:
                c.execute(insert(batches).values(**{**asdict(batch), "created": clock(c)}))
        except IntegrityError:
            earlier = self.get(batch.id)
            if earlier is None:
                raise
            if earlier.content_hash != batch.content_hash:
                raise BatchConflict(f"batch {batch.id!r} exists with other content") from None
            return earlier, False
        added = self.get(batch.id)
        assert added is not None  # noqa: S101 - batches are never removed
        return added, True

    def get(self, batch_id: str) -> Batch | None:
        """The batch, or None."""
        with reading(self.engine) as c:
            row = c.execute(select(batches).where(batches.c.id == batch_id)).one_or_none()
        return None if row is None else Batch(**row._mapping)

    def missing(self, ids: Sequence[str]) -> list[str]:
        """Those of `ids` that do not exist."""
        with reading(self.engine) as c:
            found = set(c.execute(select(batches.c.id).where(batches.c.id.in_(ids))).scalars())
        return [i for i in ids if i not in found]

    def list_batches(self, limit: int = 100, before: tuple[datetime, str] | None = None) -> list[Batch]:
        """The newest `limit` batches; `before` is (created, id) of the last one already seen."""
        query = select(batches)
        if before is not None:
            created, batch_id = literal(before[0], batches.c.created.type), literal(before[1])
            query = query.where(tuple_(batches.c.created, batches.c.id) < tuple_(created, batch_id))
        query = query.order_by(batches.c.created.desc(), batches.c.id.desc()).limit(limit)
        with reading(self.engine) as c:
            return [Batch(**row._mapping) for row in c.execute(query)]

    def overlapping(
        self, start: datetime, end: datetime, bbox: tuple[float, float, float, float] | None = None
    ) -> list[Batch]:
        """Batches that may hold observations from `start` to `end` within `bbox` (west, south, east, north).

        Longitudes lie in [-180, 180); a box whose west exceeds its east crosses the date line.
        """
        condition = and_(
            batches.c.observations_key.is_not(None), batches.c.time_start <= end, batches.c.time_end >= start
        )
        if bbox is not None:
            condition = and_(condition, _overlaps(bbox))
        with reading(self.engine) as c:
            rows = c.execute(select(batches).where(condition).order_by(batches.c.id))
            return [Batch(**row._mapping) for row in rows]


def _overlaps(bbox: tuple[float, float, float, float]) -> ColumnElement[bool]:
    west, south, east, north = bbox
    if east == 180 and west > -180:
        east = -180.0  # where the date line is stored
    in_latitude = and_(batches.c.south <= north, batches.c.north >= south)
    starts_before_east, ends_after_west = batches.c.west <= east, batches.c.east >= west
    if west <= east:
        return and_(in_latitude, starts_before_east, ends_after_west)
    return and_(in_latitude, or_(starts_before_east, ends_after_west))
