"""Alembic's entry: runs in the transaction that `workers.database.engine.migrate` opened."""

from alembic import context

from workers.database.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
    render_as_batch=True,
)
context.run_migrations()
