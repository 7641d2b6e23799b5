"""The migrations and the tables in the code say the same, and may be run by several processes at once."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Timer

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect

from workers.database.engine import migrate, open_engine, reading
from workers.database.tables import metadata


def test_an_empty_database_upgraded_to_head_has_exactly_the_tables_of_the_code(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/new/serein.sqlite")
    migrate(engine)
    with reading(engine) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_upgrading_twice_or_from_several_processes_at_once_changes_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/serein.sqlite"
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: migrate(open_engine(url)), range(4)))
    assert set(inspect(open_engine(url)).get_table_names()) == {*metadata.tables, "alembic_version"}


def test_a_file_that_another_process_is_writing_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "serein.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("CREATE TABLE something (x)")
        other.execute("BEGIN IMMEDIATE")
        done = Timer(0.2, other.execute, ["COMMIT"])
        done.start()
        with reading(open_engine(f"sqlite:///{path}")) as connection:
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        done.join()
