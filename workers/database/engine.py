"""Opening the database, bringing its tables up to date, and reading its clock.

SQLite: write-ahead log, full synchronisation, 30 s of patience, and every writing transaction takes its
lock at the start (BEGIN IMMEDIATE), so that two workers never read the same pending step and both take it.
PostgreSQL: row locks do the same (SELECT ... FOR UPDATE).
"""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, event, func, make_url, select, text

MIGRATIONS = Path(__file__).parent / "migrations"
PATIENCE = 30.0  # seconds
MIGRATION_LOCK = 736572  # any number that all replicas share


def open_engine(url: str) -> Engine:
    """The engine for `url`; the folder of a SQLite file is made if it is missing."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return create_engine(url, pool_pre_ping=True)
    if parsed.database:
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, connect_args={"timeout": PATIENCE, "check_same_thread": False})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver shall not begin transactions of its own: we say how
    cursor = connection.cursor()
    _write_ahead(cursor)
    for pragma in ("synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _write_ahead(cursor: Any) -> None:
    """Sets the mode of the log; where others do so at the same time, SQLite does not wait for them: we do."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.02)


def _begin_sqlite(connection: Connection) -> None:
    reading = connection.get_execution_options().get("reading", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A transaction that only reads: it waits for nobody and nobody waits for it."""
    with engine.connect().execution_options(reading=True) as connection, connection.begin():
        yield connection


def clock(connection: Connection) -> datetime:
    """The time by the database, so that workers on several machines agree on when a lease ends.

    SQLite is a file of this machine; its clock is ours.
    """
    if connection.dialect.name == "sqlite":
        return datetime.now(UTC)
    return connection.execute(select(func.clock_timestamp())).scalar_one()


def migrate(engine: Engine) -> None:
    """Bring the tables up to date, in one transaction under a lock: processes may start at the same time."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:  # on SQLite this transaction is the lock
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
