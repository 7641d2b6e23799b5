"""The migrations and the tables in the code say the same, and may be run by several processes at once."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

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
