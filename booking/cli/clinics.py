"""Clinics as files, their staff and their keys."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from booking.cli.group import cli, opened, progress

if TYPE_CHECKING:
    from booking.actions.clinic import StrandedVisit

ROLES = ("owner", "front-desk", "practitioner")
SCOPES = ("read", "book", "desk")


@cli.group()
def clinic() -> None:
    """Clinics as files: load, check, write back; tell of what changed."""


@clinic.command("load")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--keep-visits", is_flag=True, help="Keep visits that the change would strand, marked for the desk.")
@click.option("--force", is_flag=True, help="Load a file that is older than later changes.")
def clinic_load(file: Path, keep_visits: bool, force: bool) -> None:
    """Create or update the clinic that FILE describes. Loading it twice is harmless.

    New staff in it are mailed a link to sign in.

    \b
    Example: booking clinic load prairie.toml
    """
    from booking import clock
    from booking.actions import clinic as clinics
    from booking.actions import outbox
    from booking.actions import staff as staff_actions
    from booking.store import clinic as clinic_rows
    from booking.store.base import settings

    text = _read(file)
    with opened(), _refusals_listed(file):
        now = clock.now()
        loaded = clinics.load(text, keep_visits=keep_visits, force=force, now=now)
        found = clinic_rows.by_id(loaded.clinic_id)
        for user in loaded.new_staff:
            staff_actions.invite(
                found.id, user.email, name=user.name, role=user.role, language=str(found.languages[0]), now=now
            )
        slug, link = found.slug, f"{settings().public_url}/{found.slug}/"
        outdated = len(outbox.outdated(found.id, now))
    did = "created" if loaded.created else "updated" if loaded.changed else "as it was"
    click.echo(f"{slug}: {did}. {link}")
    if loaded.new_staff:
        click.echo(f"Invited: {', '.join(user.email for user in loaded.new_staff)} (the worker mails the links)")
    for visit in loaded.stranded:
        click.echo(f"Kept, marked for the desk: {_stranded_line(visit)}")
    if outdated:
        click.echo(
            f"{outdated:,} visits have invites that say something else than this now: booking clinic tell {slug}"
        )


@clinic.command("tell")
@click.argument("slug")
@click.option("--message", default="", help="Words of the clinic's own to the patients.")
def clinic_tell(slug: str, message: str) -> None:
    """Tell everybody whose invite says something else than the settings of clinic SLUG do by now.

    After another address, phone number, directions or name. Each gets one mail, and their calendar follows. Times stay.

    \b
    Example: booking clinic tell prairie --message "We have moved next door."
    """
    from booking import clock
    from booking.actions import outbox
    from booking.domain.access import WORKER
    from booking.store.clinic import by_slug

    told = 0
    with opened():
        clinic_id = by_slug(slug).id
        with progress(outbox.outdated(clinic_id, clock.now()), "Invites") as visits:
            for visit in visits:
                told += outbox.update(clinic_id, visit, by=WORKER, now=clock.now(), message=message)
    click.echo(f"{told:,} visits: those who were invited are told by mail.")


@clinic.command("check")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def clinic_check(file: Path) -> None:
    """Report every fault of FILE with its line, and change nothing.

    \b
    Example: booking clinic check prairie.toml
    """
    from booking.actions import clinic as clinics

    faults = clinics.check(_read(file))
    for fault in faults:
        click.echo(f"{file}: {fault}", err=True)
    if faults:
        sys.exit(1)
    click.echo(f"{file}: no faults")


@clinic.command("dump")
@click.argument("slug")
def clinic_dump(slug: str) -> None:
    """Write the clinic SLUG as a file to standard output.

    \b
    Example: booking clinic dump prairie > prairie.toml
    """
    from booking.actions import clinic as clinics

    with opened():
        click.echo(clinics.dump(slug), nl=False)


@cli.group()
def staff() -> None:
    """The people who work with the desk."""


@staff.command("invite")
@click.argument("slug")
@click.argument("email")
@click.option("--role", type=click.Choice(ROLES), required=True)
@click.option("--name", default="", help="As the desk shows it; the address without its domain if left out.")
@click.option("--print", "printed", is_flag=True, help="Print the link too.")
def staff_invite(slug: str, email: str, role: str, name: str, printed: bool) -> None:
    """Mail EMAIL a link that signs in to the desk of clinic SLUG. It works once, within 72 hours.

    \b
    Example: booking staff invite prairie cy@prairie.example --role front-desk --name "Cy Adler"
    """
    from email_validator import EmailNotValidError, validate_email

    from booking import clock
    from booking.actions import staff as staff_actions
    from booking.store.clinic import by_slug

    try:
        email = validate_email(email, check_deliverability=False, test_environment=True).normalized
    except EmailNotValidError as error:
        raise click.BadParameter(str(error), param_hint="EMAIL") from None
    with opened():
        found = by_slug(slug)
        language = str(found.languages[0])
        link = staff_actions.invite(
            found.id, email, name=name or email.partition("@")[0], role=role, language=language, now=clock.now()
        )
    click.echo(f"{email} is {role} of {slug}; the worker mails the link.")
    if printed:
        click.echo(link)


@cli.group()
def key() -> None:
    """API keys."""


@key.command("create")
@click.argument("slug")
@click.option("--name", required=True, help="Who or what uses it.")
@click.option("--scope", "scopes", type=click.Choice(SCOPES), multiple=True, required=True, help="May be repeated.")
@click.option("--days", type=click.IntRange(1, 3660), default=365, show_default=True, help="How long it lasts.")
def key_create(slug: str, name: str, scopes: tuple[str, ...], days: int) -> None:
    """Print a new API key of clinic SLUG. It is shown this once; only its digest is kept.

    \b
    Example: booking key create prairie --name "Website" --scope book
    """
    from booking import clock
    from booking.actions import key as keys
    from booking.store.clinic import by_slug

    with opened():
        click.echo(keys.create(by_slug(slug).id, name, scopes, days=days, now=clock.now()))


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise click.ClickException(f"{file}: not UTF-8 text") from None


@contextmanager
def _refusals_listed(file: Path) -> Iterator[None]:
    """Why a file was not loaded, one line for each fault or visit."""
    from booking.actions.clinic import OlderFile, Stranded
    from booking.formats.clinic_file import ClinicFileInvalid

    try:
        yield
    except ClinicFileInvalid as invalid:
        for fault in invalid.faults:
            click.echo(f"{file}: {fault}", err=True)
        sys.exit(1)
    except Stranded as stranded:
        for visit in stranded.visits:
            click.echo(f"{file}: would strand {_stranded_line(visit)}", err=True)
        message = "nothing was changed; --keep-visits keeps them and marks them for the desk"
        raise click.ClickException(message) from None
    except OlderFile as older:
        raise click.ClickException(
            f"{file} was written at settings revision {older.revision}, the clinic is at {older.current} now: "
            "nothing was changed; --force loads it all the same"
        ) from None


def _stranded_line(visit: StrandedVisit) -> str:
    from booking.domain.time import local

    at = local(visit.starts_at, visit.zone)
    why = ", ".join(visit.reasons)
    return f"{visit.reference}, {at:%Y-%m-%d %H:%M} {visit.zone}, {visit.service} with {visit.practitioner}: {why}"
