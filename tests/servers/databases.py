"""Empty databases with the current schema: migrated once, then copied."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import make_url

from booking.store import schema

TEMPLATE = "booking_test"
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "alone")


def sqlite_template(folder: Path) -> Path:
    """Return a migrated SQLite file in `folder`."""
    template = folder / "template.db"
    schema.upgrade(f"sqlite:///{template}")
    return template


def sqlite_copy(template: Path, folder: Path) -> str:
    """Return the URL of a fresh copy of `template` in `folder`."""
    return f"sqlite:///{shutil.copyfile(template, folder / 'booking.db')}"


def postgresql_template(server: str) -> None:
    """Make the migrated database that `postgresql_copy` copies."""
    schema.upgrade(_create(server, TEMPLATE, "template0"))


def postgresql_copy(server: str) -> str:
    """Return the URL of this worker's fresh copy of the template."""
    return _create(server, f"{TEMPLATE}_{WORKER}", TEMPLATE)


def postgresql_empty(server: str, name: str) -> str:
    """Return the URL of a new database of this worker, without any table."""
    return _create(server, f"{TEMPLATE}_{WORKER}_{name}", "template0")


def clear(url: str) -> None:
    """Empty every table of a PostgreSQL database that a test wrote to."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    tables = [table.name for table in schema.metadata().sorted_tables]
    with engine.begin() as connection:
        query = " union all ".join(f"select '{name}' where exists (select from \"{name}\")" for name in tables)
        if written := connection.exec_driver_sql(query).scalars().all():
            quoted = ", ".join(f'"{name}"' for name in written)
            connection.exec_driver_sql("set local session_replication_role = replica")  # the audit's guard sleeps
            connection.exec_driver_sql(f"truncate {quoted} restart identity cascade")


def _create(server: str, name: str, template: str) -> str:
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql(f'drop database if exists "{name}" with (force)')
        connection.exec_driver_sql(f'create database "{name}" template "{template}" strategy file_copy')
    return make_url(server).set(database=name).render_as_string(hide_password=False)
