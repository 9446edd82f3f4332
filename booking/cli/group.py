"""The group of all commands, and what they share.

What takes long to import is imported in the command that needs it, so that `booking --help` is quick.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from booking.settings import Settings


class Commands(click.Group):
    """Turns the faults that a person can do something about into a message; others keep their traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.exceptions.Exit, click.ClickException, click.Abort):
            raise
        except Exception as error:
            message = message_of(error)
            if message is None:
                raise
            raise click.ClickException(message) from error


def message_of(error: Exception) -> str | None:
    """What to tell of a fault that a person can do something about; None for any other."""
    from sqlalchemy.exc import OperationalError

    from booking.domain.errors import BookingError, Busy, NotFound
    from booking.settings import SettingsError
    from booking.store.copies import CopyFailed
    from booking.store.schema import WrongSchema

    match error:
        case SettingsError() | WrongSchema() | CopyFailed():
            return str(error)
        case NotFound():
            return "there is no such clinic"
        case Busy():
            return "the database stayed busy; try again"
        case BookingError():
            return str(error)
        case OperationalError():
            return f"the database does not answer: {error.orig}"
        case OSError():
            return str(error)
    return None


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="clinic-booking", prog_name="booking")
def cli() -> None:
    """Appointment booking for clinics.

    Settings come from the environment (BOOKING_…); the README lists them.
    """


def read_settings() -> Settings:
    from booking import settings

    return settings.read()


@contextmanager
def opened() -> Iterator[None]:
    """The application's context for one command, on a database at the right revision."""
    from booking import create_app
    from booking.store.base import context

    found = read_settings()
    check_schema(found)
    with context(create_app(found)):
        yield


def check_schema(found: Settings) -> None:
    import sqlalchemy as sa

    from booking.store import schema

    make_folder(found)
    schema.check(sa.create_engine(found.database, poolclass=sa.NullPool))


def make_folder(found: Settings) -> None:
    if not found.database_url:
        found.instance.mkdir(parents=True, exist_ok=True)


@contextmanager
def progress(items: Any, label: str) -> Iterator[Any]:
    """Shown on a terminal only."""
    with click.progressbar(items, label=label, file=sys.stderr, hidden=not sys.stderr.isatty()) as shown:
        yield shown
