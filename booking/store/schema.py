"""The schema's revision: bring a database to the code's, and say when the two differ. Alembic is imported late."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from booking import store
from booking.store.base import Base

if TYPE_CHECKING:
    from alembic.config import Config


class WrongSchema(Exception):
    """The database's revision is not the code's; `found` is None in an empty database."""

    def __init__(self, found: str | None, wanted: str, *, is_newer: bool) -> None:
        remedy = "install the program that belongs to it" if is_newer else "run: booking migrate"
        super().__init__(f"the database is at revision {found or 'none'}, this program needs {wanted}: {remedy}")
        self.found = found
        self.wanted = wanted
        self.is_newer = is_newer


def upgrade(url: str) -> None:
    """Bring the database at `url` to the code's revision; at that revision already, nothing changes.

    Safe to run from several processes at once. Raises WrongSchema where the database is newer than the code.
    """
    from alembic import command

    engine = sa.create_engine(url, poolclass=sa.NullPool)
    try:
        check(engine)
    except WrongSchema as wrong:
        if wrong.is_newer:
            raise
        command.upgrade(alembic_config(url), "head")


def check(engine: Engine) -> None:
    """Return if the database is at the code's revision; otherwise raise WrongSchema."""
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory.from_config(alembic_config(""))
    known = {script.revision for script in scripts.walk_revisions()}
    found, wanted = current(engine), head()
    if found != wanted:
        raise WrongSchema(found, wanted, is_newer=found is not None and found not in known)


def head() -> str:
    """The revision that the code needs."""
    from alembic.script import ScriptDirectory

    revision = ScriptDirectory.from_config(alembic_config("")).get_current_head()
    assert revision is not None, "the program ships its migrations"
    return revision


def current(engine: Engine) -> str | None:
    """The revision of the database, None for an empty one."""
    from alembic.runtime.migration import MigrationContext

    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def metadata() -> sa.MetaData:
    """All tables, with every module of the store imported."""
    for module in pkgutil.iter_modules(store.__path__, "booking.store."):
        importlib.import_module(module.name)
    return Base.metadata


def alembic_config(url: str) -> Config:
    """What Alembic's commands need to run our migrations on the database at `url`."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_folder()).replace("%", "%%"))
    config.attributes["url"] = url
    return config


def _folder() -> Path:
    """Inside the package when installed from a wheel, beside it in a checkout."""
    package = Path(__file__).parent.parent
    inside = package / "migrations"
    return inside if inside.is_dir() else package.parent / "migrations"
