"""Runs the migrations: all pending ones in one transaction, one process at a time."""

import sqlalchemy as sa
from alembic import context

from booking import settings
from booking.store import base, schema

ONE_AT_A_TIME = 0x626F6F6B  # any constant; the key of the advisory lock on PostgreSQL


def render_item(kind, item, _autogen):
    """Migrations spell our own types out, so that they outlive the classes."""
    if kind == "type" and isinstance(item, base.UTCDateTime):
        return "sa.DateTime(timezone=True)"
    return False


def run() -> None:
    # The program hands its URL over; the alembic command, used to draft migrations, reads the settings.
    url = context.config.attributes.get("url") or settings.read().database
    # "writes" takes SQLite's lock at BEGIN; PostgreSQL's time limits of ordinary writers would cut a migration short.
    options = {"writes": True} if url.startswith("sqlite") else {}
    engine = sa.create_engine(url, poolclass=sa.NullPool, execution_options=options)
    with engine.connect() as connection:
        sqlite = connection.dialect.name == "sqlite"
        if sqlite:
            # Batch mode drops and recreates tables; with foreign keys on, that would delete the rows that refer to
            # them. Inside a transaction the pragma does nothing, so it comes before BEGIN.
            connection.connection.dbapi_connection.execute("PRAGMA foreign_keys=OFF")
        context.configure(
            connection=connection,
            target_metadata=schema.metadata(),
            render_as_batch=True,
            render_item=render_item,
            transactional_ddl=True,
        )
        with context.begin_transaction():
            if not sqlite:
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(ONE_AT_A_TIME)))
            context.run_migrations()
            if sqlite and (broken := connection.exec_driver_sql("PRAGMA foreign_key_check").all()):
                raise RuntimeError(f"the migration leaves rows that refer to nothing: {broken[:5]}")


run()
