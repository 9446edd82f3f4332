"""The database: base class, column types, and the one place where a transaction begins and commits."""

from __future__ import annotations

import functools
import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from math import inf
from typing import Any, ParamSpec, TypeVar

import sqlalchemy as sa
from flask import Flask, current_app, g
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError, DisconnectionError, OperationalError
from sqlalchemy.orm import DeclarativeBase, registry
from sqlalchemy.orm.exc import StaleDataError
from sqlalchemy.pool import ConnectionPoolEntry, Pool

from booking.domain.errors import Busy
from booking.settings import Settings

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class UTCDateTime(sa.types.TypeDecorator[datetime]):
    """An instant. Naive values are refused; aware UTC comes back on both databases."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant needs its zone")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    registry = registry(
        metadata=sa.MetaData(naming_convention=NAMING),
        type_annotation_map={datetime: UTCDateTime(), dict[str, Any]: sa.JSON(), list[Any]: sa.JSON()},
    )


# Rows stay readable after the commit; every new writing transaction expires them first.
db = SQLAlchemy(model_class=Base, session_options={"expire_on_commit": False})


@event.listens_for(Engine, "connect")
def _on_connect(connection: Any, _record: Any) -> None:
    if isinstance(connection, sqlite3.Connection):
        connection.isolation_level = None  # we write BEGIN ourselves; the driver would begin too late
        for pragma in ("foreign_keys=ON", "journal_mode=WAL", "synchronous=FULL", "busy_timeout=15000"):
            connection.execute(f"PRAGMA {pragma}")


@event.listens_for(Engine, "begin")
def _on_begin(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        # A writer takes its lock first: read-then-write in a plain BEGIN fails with SQLITE_BUSY_SNAPSHOT.
        connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get("writes") else "BEGIN")
    elif connection.get_execution_options().get("writes"):
        # SET LOCAL, so that a pooler between us and the server may share connections.
        connection.exec_driver_sql("SET LOCAL lock_timeout = '3s'; SET LOCAL statement_timeout = '10s'")


IDLE = 5.0  # seconds after which a connection is tried before it is used again


@event.listens_for(Pool, "checkin")
def _on_checkin(_connection: Any, record: ConnectionPoolEntry) -> None:
    record.info["idle_since"] = time.monotonic()


@event.listens_for(Pool, "checkout")
def _on_checkout(connection: Any, record: ConnectionPoolEntry, _fairy: Any) -> None:
    # The server may have been restarted meanwhile. The pool's own way is to ask before each use; that is dear.
    if isinstance(connection, sqlite3.Connection) or time.monotonic() - record.info.get("idle_since", inf) < IDLE:
        return
    try:
        connection.execute("select 1")
    except connection.Error as gone:
        raise DisconnectionError from gone


P = ParamSpec("P")
R = TypeVar("R")
TRIES = 4
WRITES: dict[str, dict[str, Any]] = {
    "sqlite": {"writes": True},
    "postgresql": {"writes": True, "isolation_level": "READ COMMITTED"},
}
RETRIED = {"40001", "40P01", "55P03"}  # serialization failure, deadlock, lock timeout


class Stale(Exception):
    """What was read before locking is no longer true: run the transaction again."""


def transaction(action: Callable[P, R]) -> Callable[P, R]:
    """Run `action` in one writing transaction: commit when it returns, roll back when it raises.

    Called inside another transaction it joins it. Deadlocks, lock timeouts and `Stale` are tried again a few
    times; then Busy is raised.
    """

    @functools.wraps(action)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        if g.get("in_transaction"):
            return action(*args, **kwargs)
        for attempt in range(TRIES):
            db.session.rollback()  # ends the reading transaction of this request, whose snapshot is old
            db.session.expire_all()
            g.in_transaction, g.changed_revisions, g.at_end = True, False, {}
            try:
                g.connection = db.session.connection(execution_options=WRITES[dialect()])
                result = action(*args, **kwargs)
                db.session.flush()
                for work, items in g.at_end.items():
                    work(items)
                db.session.commit()
                return result
            except (Stale, StaleDataError):
                _undo()
            except DBAPIError as error:
                _undo()
                if not _may_retry(error):
                    raise
            except BaseException:
                _undo()
                raise
            finally:
                g.in_transaction, g.connection = False, None
            time.sleep(random.uniform(0.005, 0.05) * (attempt + 1))
        raise Busy

    return run


T = TypeVar("T")


def at_end(work: Callable[[list[T]], None], item: T) -> None:
    """Have `work` done with this item, and all others given for it, just before the present transaction commits.

    For rows that everybody writes: locked last and for no longer than the commit takes.
    """
    assert g.get("in_transaction"), "a change is made in a transaction"
    g.at_end.setdefault(work, []).append(item)


def rest() -> None:
    """End the reading transaction of this request, before work that takes long: nobody waits for it then."""
    db.session.rollback()


def _undo() -> None:
    db.session.rollback()
    if g.changed_revisions:
        # Something may have been remembered under a revision that never came to be.
        current_app.extensions.pop(CACHES, None)


CACHES = "booking-caches"
C = TypeVar("C")


def cache(kind: type[C]) -> C:
    """What this process remembers of the database, of one kind: an empty one at first.

    Whoever raises a revision under which something may be remembered sets `g.changed_revisions`.
    """
    found: C = current_app.extensions.setdefault(CACHES, {}).setdefault(kind, kind())
    return found


def connection() -> Connection:
    """The connection of the transaction at hand, for prepared statements: the session's own road is twice as long.

    What the session has not flushed yet is not seen by them.
    """
    return g.get("connection") or db.session.connection()


def _may_retry(error: DBAPIError) -> bool:
    if isinstance(error.orig, sqlite3.OperationalError):
        return isinstance(error, OperationalError) and "locked" in str(error.orig)
    return getattr(error.orig, "sqlstate", None) in RETRIED


def dialect() -> str:
    """The database's name: sqlite or postgresql."""
    return db.engine.dialect.name


def table(model: type[Base]) -> sa.Table:
    """The table of a model, for statements that are built once: building one costs ten times as much as running it."""
    found = model.__table__
    assert isinstance(found, sa.Table)
    return found


def insert_or_ignore(into: sa.Table) -> dict[str, sa.Insert]:
    """Per database, an INSERT that leaves a row alone which is there already, and tells how many rows it wrote."""
    inserts: dict[str, sa.Insert] = {
        "sqlite": sqlite.insert(into).on_conflict_do_nothing(),
        "postgresql": postgresql.insert(into).on_conflict_do_nothing(),
    }
    return {name: insert.execution_options(preserve_rowcount=True) for name, insert in inserts.items()}


def configure(app: Flask) -> None:
    """Bind the database of `app.config["SETTINGS"]` to the app."""
    settings: Settings = app.config["SETTINGS"]
    app.config["SQLALCHEMY_DATABASE_URI"] = settings.database
    options: dict[str, Any] = {"hide_parameters": True}
    if settings.database.startswith("postgresql"):
        # Reads need no transaction: at READ COMMITTED each statement sees what is committed by then anyway.
        options |= {"isolation_level": "AUTOCOMMIT"}
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = options
    db.init_app(app)


@contextmanager
def context(app: Flask) -> Iterator[None]:
    """A context of the application; the database's connections are closed after it."""
    with app.app_context():
        try:
            yield
        finally:
            db.session.remove()
            db.engine.dispose()


def settings() -> Settings:
    """The settings of the running app."""
    found: Settings = current_app.config["SETTINGS"]
    return found
