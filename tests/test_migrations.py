"""Migrations lead to the code's tables, both ways, over rows, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from booking.store import schema
from tests.servers import databases

FIRST = "0001"
MONDAY = datetime(2027, 1, 11, 8, 0, tzinfo=UTC)
CHECKED = {
    "kind": "room",
    "detail": "busy",
    "role": "owner",
    "state": "queued",
    "ends_at": MONDAY + timedelta(hours=1),
    "expires_at": MONDAY + timedelta(minutes=10),
}


@pytest.fixture
def url(request: pytest.FixtureRequest, both_databases: str, tmp_path: Path) -> str:
    """A database without any table."""
    if both_databases == "sqlite":
        return f"sqlite:///{tmp_path / 'empty.db'}"
    return databases.postgresql_empty(request.getfixturevalue("postgresql_server"), "migrations")


@pytest.fixture
def engine(url: str) -> Iterator[sa.Engine]:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    yield engine
    engine.dispose()


def differences(engine: sa.Engine) -> list[object]:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, schema.metadata()))


def test_the_migrations_make_the_tables_of_the_code(url: str, engine: sa.Engine) -> None:
    schema.upgrade(url)
    assert differences(engine) == []


def test_a_difference_would_be_found(url: str, engine: sa.Engine) -> None:
    schema.upgrade(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("drop index ix_hold_last_tick")
    assert differences(engine)


def test_upgrading_twice_changes_nothing(url: str, engine: sa.Engine) -> None:
    schema.upgrade(url)
    schema.upgrade(url)
    assert schema.current(engine) == schema.head()


def fill(engine: sa.Engine) -> None:
    """One row in every table."""
    with engine.begin() as connection:
        for table in schema.metadata().sorted_tables:
            connection.execute(table.insert().values({column.name: sample(column) for column in table.columns}))


def sample(column: sa.Column[Any]) -> object:
    """A value that the column takes: what a check asks for, else null where it may be, else one of its type."""
    if column.name in CHECKED:
        return CHECKED[column.name]
    if column.nullable:
        return None
    if isinstance(column.type, sa.JSON):
        return []
    plain = getattr(column.type, "impl", column.type)
    return {int: 1, str: "x", bytes: b"x", bool: True, datetime: MONDAY, date: MONDAY.date()}[plain.python_type]


def rows(engine: sa.Engine) -> dict[str, int]:
    """How many rows each table has."""
    count = sa.select(sa.func.count())
    with engine.connect() as connection:
        names = sa.inspect(connection).get_table_names()
        return {name: connection.scalar(count.select_from(sa.table(name))) or 0 for name in names}


def test_every_migration_goes_down_and_up_over_rows(url: str, engine: sa.Engine) -> None:
    schema.upgrade(url)
    fill(engine)
    config = schema.alembic_config(url)
    command.downgrade(config, FIRST)
    before = rows(engine)
    schema.upgrade(url)
    assert {name: rows(engine)[name] for name in before} == before
    assert set(before.values()) == {1}
    assert differences(engine) == []


def test_the_first_migration_goes_down_and_up(url: str, engine: sa.Engine) -> None:
    schema.upgrade(url)
    fill(engine)
    command.downgrade(schema.alembic_config(url), "base")
    assert rows(engine) == {"alembic_version": 0}
    schema.upgrade(url)
    assert differences(engine) == []


def test_a_fresh_database_is_older_than_the_code(engine: sa.Engine) -> None:
    with pytest.raises(schema.WrongSchema) as wrong:
        schema.check(engine)
    assert not wrong.value.is_newer
    assert wrong.value.found is None


def test_a_database_newer_than_the_code_is_refused_and_left_alone(url: str, engine: sa.Engine) -> None:
    schema.upgrade(url)
    schema.check(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("update alembic_version set version_num = '9999'")
    with pytest.raises(schema.WrongSchema) as wrong:
        schema.upgrade(url)
    assert wrong.value.is_newer
    assert schema.current(engine) == "9999"


def test_the_revisions_are_numbered_and_named_by_a_noun() -> None:
    scripts = list(ScriptDirectory.from_config(schema.alembic_config("")).walk_revisions())
    names = [Path(script.path).stem for script in reversed(scripts)]
    assert [name.split("_")[0] for name in names] == [f"{number:04}" for number in range(1, len(names) + 1)]
    assert all(name.split("_", 1)[1].islower() for name in names)
