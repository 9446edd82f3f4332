"""The connections to PostgreSQL: what is read sees what others commit, and what follows a restart of the server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from booking.store import base
from booking.store.base import db, transaction


@pytest.fixture(params=["postgresql"])
def both_databases(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def other(both_databases: str, context: None) -> Iterator[sa.Engine]:
    """Somebody else's way to the same database."""
    engine = sa.create_engine(db.engine.url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
    yield engine
    engine.dispose()


def end_all_connections(other: sa.Engine) -> None:
    """As a restart of the server does."""
    with other.connect() as connection:
        connection.exec_driver_sql(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )


def test_a_connection_that_stood_idle_over_a_restart_is_not_used(
    other: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "IDLE", 0)
    assert db.session.scalar(sa.text("select 1")) == 1
    db.session.remove()
    end_all_connections(other)
    assert db.session.scalar(sa.text("select 1")) == 1


def test_an_action_is_one_transaction_though_reads_are_none(other: sa.Engine) -> None:
    count = sa.text("select count(*) from rate")
    add = sa.text("insert into rate (bucket, \"window\", count, expires_at) values ('b', 1, 1, now())")

    @transaction
    def act() -> None:
        db.session.execute(add)
        with other.connect() as connection:
            assert connection.scalar(count) == 0  # not before the commit
        raise KeyError

    assert db.session.scalar(count) == 0
    with pytest.raises(KeyError):
        act()
    assert db.session.scalar(count) == 0
    with other.connect() as connection:
        connection.execute(add)
    assert db.session.scalar(count) == 1
