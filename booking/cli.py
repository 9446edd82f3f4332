"""The commands. Each says with --help what it does, with an example.

Faults go to standard error with exit code 1, wrong usage with 2. What takes long to import is imported in the
command that needs it, so that `booking --help` is quick.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from booking.actions.clinic import StrandedVisit
    from booking.actions.importing import Verdict
    from booking.settings import Settings

log = logging.getLogger("booking")

THREADS = 4  # of each web worker; most of a request is Python, which runs one thread at a time
STOP_WITHIN = 30  # seconds that requests under way get to end
ROLES = ("owner", "front-desk", "practitioner")
SCOPES = ("read", "book", "desk")


class Commands(click.Group):
    """Turns the faults that a person can do something about into a message; others keep their traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.exceptions.Exit, click.ClickException, click.Abort):
            raise
        except Exception as error:
            message = _message(error)
            if message is None:
                raise
            raise click.ClickException(message) from error


def _message(error: Exception) -> str | None:
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


class Address(click.ParamType[tuple[str, int]]):
    """HOST:PORT."""

    name = "HOST:PORT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        if isinstance(value, tuple):
            return value
        host, _, port = str(value).rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 65536:
            self.fail(f"{value!r} is not HOST:PORT", param, ctx)
        return host.strip("[]"), int(port)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="clinic-booking", prog_name="booking")
def cli() -> None:
    """Appointment booking for clinics.

    Settings come from the environment (BOOKING_…); the README lists them.
    """


# Running


@cli.command()
@click.option("--bind", type=Address(), default="127.0.0.1:8000", show_default=True, help="Where to listen.")
@click.option("--workers", type=click.IntRange(1, 64), default=2, show_default=True, help="Web processes.")
def serve(bind: tuple[str, int], workers: int) -> None:
    """Serve the pages and the API.

    Refuses a database at another revision than the program's: run `booking migrate` first. Mail is sent by
    `booking worker`, which runs beside it. SIGTERM stops it once the requests under way are answered.

    \b
    Example: booking serve --bind 0.0.0.0:8000 --workers 4
    """
    found = _settings()
    if (found.env == "demo" or found.rate_limits == "off") and not _is_loopback(bind[0]):
        raise click.UsageError("BOOKING_ENV=demo and BOOKING_RATE_LIMITS=off are for a loopback address only")
    _check_schema(found)
    _serve(bind, workers)


@cli.command()
@click.option("--once", is_flag=True, help="Do what is due and end.")
def worker(once: bool) -> None:
    """Send the mail and the reminders that are due, end unanswered requests and sweep what has expired.

    It also reads the mailbox for answers, and practitioners' own calendars. One is enough; several share the work.
    SIGTERM stops it after the mail under way.

    \b
    Example: booking worker
    """
    from booking import create_app
    from booking import worker as rounds
    from booking.store.base import context

    found = _settings()
    _check_schema(found)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    app = create_app(found)
    if once:
        with context(app):
            rounds.once()
        return
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    rounds.run(app, stop)


@cli.command()
def migrate() -> None:
    """Bring the database to this program's revision. At that revision already, nothing changes.

    \b
    Example: booking migrate
    """
    from booking import create_app
    from booking.actions import patient
    from booking.store import schema
    from booking.store.base import context

    found = _settings()
    _make_folder(found)
    schema.upgrade(found.database)
    with context(create_app(found)):
        if count := patient.write_keys():
            click.echo(f"{count:,} patients can be searched for.")
    click.echo(f"The database is at revision {schema.head()}.")


@cli.command()
@click.option("--bind", type=Address(), default="127.0.0.1:8000", show_default=True, help="A loopback address.")
def demo(bind: tuple[str, int]) -> None:
    """Show everything: three clinics with a month of visits, a desk, and a mailbox that shows every mail.

    All of it stays in the instance folder (instance/demo unless BOOKING_INSTANCE says otherwise); delete the folder
    to start anew. No mail leaves this computer.

    \b
    Example: booking demo --bind 127.0.0.1:8080
    """
    if not _is_loopback(bind[0]):
        raise click.UsageError("the demonstration listens on a loopback address only")
    if os.environ.get("BOOKING_ENV", "demo") != "demo" or os.environ.get("BOOKING_DATABASE_URL"):
        raise click.UsageError("the demonstration has its own database: unset BOOKING_ENV and BOOKING_DATABASE_URL")
    _ask_for_port(bind)
    # The web processes and the worker read the same settings from the environment.
    os.environ["BOOKING_ENV"] = "demo"
    os.environ.setdefault("BOOKING_INSTANCE", "instance/demo")
    os.environ.setdefault("BOOKING_PUBLIC_URL", f"http://{_in_url(bind[0])}:{bind[1]}")
    os.environ.pop("BOOKING_SMTP_URL", None)
    os.environ["BOOKING_CALENDAR_ORIGINS"] = os.environ["BOOKING_PUBLIC_URL"]  # it serves a calendar to itself
    _prepare_demo()
    helper = subprocess.Popen([sys.executable, "-m", "booking.cli", "worker"])
    try:
        _serve(bind, 1)
    finally:
        helper.terminate()
        helper.wait(STOP_WITHIN)


def _prepare_demo() -> None:
    from booking import clock, create_app
    from booking import demo as demonstration
    from booking.actions import patient
    from booking.store import schema
    from booking.store.base import context

    found = _settings()
    _make_folder(found)
    schema.upgrade(found.database)
    with context(create_app(found)):
        patient.write_keys()  # of a demonstration that was made by an older program
        now = clock.now()
        missing = demonstration.missing()
        if missing:
            click.echo(f"Making {len(missing)} clinics with a month of visits in {found.instance} …")
        with _progress(missing, "Clinics") as slugs:
            for slug in slugs:
                demonstration.make(slug, now=now)
        demonstration.connect_calendar(now=now)
        link = demonstration.desk_link(now=now)
    click.echo(f"\nPatients   {found.public_url}/")
    for slug in demonstration.SLUGS:
        click.echo(f"           {found.public_url}/{slug}/")
    click.echo(f"Mailbox    {found.public_url}/mailbox")
    click.echo(f"The desk   {link}")
    click.echo("           (this link signs in once; the next start prints another)")
    click.echo("Stop with Ctrl-C.\n")


# Mail in


@cli.group("mail")
def mail_group() -> None:
    """Mail that comes in."""


@mail_group.command("receive")
def mail_receive() -> None:
    """Read one message from standard input: an answer to an invite, or a mail of ours that came back.

    For a mail server's pipe. Whatever the message is, the exit code is 0 once it was dealt with; 75 asks the mail
    server to try again later, for the database can't be reached or is not at this program's revision.

    \b
    Example: booking mail receive < answer.eml
    """
    from booking import clock
    from booking.actions import inbox
    from booking.formats.reply import LARGEST

    content = sys.stdin.buffer.read(LARGEST + 1)
    while sys.stdin.buffer.read(LARGEST):
        pass  # a pipe that is closed early fails the mail server
    try:
        with _opened():
            outcome = inbox.receive(content, clock.now())
    except Exception as error:
        log.error("a message waits: %s", type(error).__name__)
        sys.exit(os.EX_TEMPFAIL)
    click.echo(outcome.value)


# Clinics, staff and keys


@cli.group()
def clinic() -> None:
    """Clinics as files: load, check, write back."""


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
    with _opened(), _refusals_listed(file):
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
    with _opened():
        clinic_id = by_slug(slug).id
        with _progress(outbox.outdated(clinic_id, clock.now()), "Invites") as visits:
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

    with _opened():
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
    with _opened():
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

    with _opened():
        click.echo(keys.create(by_slug(slug).id, name, scopes, days=days, now=clock.now()))


@cli.group("audit")
def audit_group() -> None:
    """Who did and saw what: whether the record is whole."""


@audit_group.command("verify")
@click.argument("slug", required=False)
@click.option(
    "--heads", "file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Heads kept elsewhere."
)
def audit_verify(slug: str | None, file: Path | None) -> None:
    """Check every entry of the audit, of clinic SLUG or of all: none was edited, deleted, put in or swapped.

    That no tail was cut off shows in the heads which the worker keeps once a day in the instance folder
    (audit-heads.jsonl), or in FILE, a copy of them or what `booking audit head` printed.

    \b
    Example: booking audit verify prairie
    """
    from itertools import chain

    from booking.actions import audit as actions
    from booking.store import audit

    with _opened():
        try:
            heads = actions.kept_heads(file or actions.heads_file())
        except ValueError as error:
            raise click.ClickException(str(error)) from None
        wanted = _chains(slug, {head.clinic_id for head in heads})
        with _progress(list(wanted), "Chains") as clinics:
            faults = list(chain.from_iterable(audit.verify(clinic_id, heads) for clinic_id in clinics))
    for fault in faults:
        click.echo(f"{wanted[fault.clinic_id]}: {FAULTS[fault.what].format(fault.seq)}", err=True)
    if faults:
        sys.exit(1)
    click.echo(f"{', '.join(wanted.values())}: every entry is as it was written")


@audit_group.command("head")
@click.argument("slug", required=False)
def audit_head(slug: str | None) -> None:
    """Print where the chain of clinic SLUG ends, or every chain, signed: keep it where nobody of the clinic can write.

    \b
    Example: booking audit head prairie >> /elsewhere/audit-heads.jsonl
    """
    from booking import clock
    from booking.actions import audit as actions

    with _opened():
        wanted = _chains(slug, set())
        for head in actions.heads(clock.now()):
            if head.clinic_id in wanted:
                click.echo(actions.as_line(head))


@audit_group.command("export")
@click.argument("slug")
def audit_export(slug: str) -> None:
    """Write the audit of clinic SLUG as CSV to standard output. That it was taken is recorded too.

    \b
    Example: booking audit export prairie > audit.csv
    """
    from booking import clock
    from booking.actions import audit as actions
    from booking.domain.access import WORKER
    from booking.store.audit import Wanted
    from booking.store.clinic import by_slug

    with _opened():
        click.echo(actions.export(by_slug(slug).id, Wanted(), by=WORKER, now=clock.now()), nl=False)


FAULTS = {
    "edited": "entry {} is not as it was written",
    "missing": "entry {} is missing",
    "cut": "the chain should end with entry {}, and does not",
    "head": "entry {} is not the one whose hash was kept elsewhere",
}


def _chains(slug: str | None, known: set[int]) -> dict[int, str]:
    """What the chains are called, by clinic: that of SLUG, or all there are or were known to be. Raises NotFound."""
    from booking.store import audit, clinic

    if slug:
        return {clinic.by_slug(slug).id: slug}
    slugs = {row.id: row.slug for row in clinic.everyone()}
    return {
        one: slugs.get(one, f"clinic {one}" if one else "(the installation)") for one in known.union(audit.chains())
    }


# Moving in and out


@cli.command("import")
@click.argument("slug")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--check", is_flag=True, help="Say what would become of each row, and change nothing.")
@click.option("--squeeze", is_flag=True, help="Squeeze visits in whose time is taken.")
@click.option("--skip-faults", is_flag=True, help="Import the other rows where some have faults or clash.")
@click.option("--zone", help="Zone of times without an offset, if it is not the location's.")
def import_(slug: str, file: Path, check: bool, squeeze: bool, skip_faults: bool, zone: str | None) -> None:
    """Take visits and patients over from FILE: CSV, or the .ics export of another calendar. Twice is harmless.

    Each time of an event that repeats is a visit, for two years ahead.

    The first line of CSV names the columns: start, service, practitioner, name, email, phone, status, note; and where
    they are needed location, new (yes: a first visit) and minutes. A row without start is a patient only. All rows
    are imported or, if one has a fault or clashes with another visit, none. Nobody is told of imported visits.

    \b
    Example: booking import prairie visits.csv --check
    """
    from booking import clock
    from booking.actions import importing
    from booking.domain.moving import Unreadable
    from booking.store.clinic import by_slug

    if zone is not None and not _is_zone(zone):
        raise click.BadParameter(f"{zone!r} is no zone such as Europe/London", param_hint="--zone")
    with _opened():
        clinic_id, now = by_slug(slug).id, clock.now()
        try:
            found = importing.read(file.read_bytes(), clinic_id, now=now)
        except Unreadable as error:
            raise click.ClickException(f"{file}: {error}") from None
        for column in found.unread:
            click.echo(f'{file}: the column "{column}" is not read', err=True)
        with _progress(found.rows, "Rows") as rows:
            verdicts = importing.examine(clinic_id, rows, now=now, zone=zone, squeeze=squeeze)
        hindered = importing.hindered(verdicts)
        refused = bool(hindered) and not skip_faults
        _tell_of_rows(file, verdicts, everything=check)
        if check or refused:
            click.echo(_summary(verdicts, "can be imported" if refused else "would be imported"))
        if refused:
            did = "would be" if check else "was"
            also = "; --squeeze squeezes in those whose time is taken" if _is_clashing(hindered) else ""
            raise click.ClickException(
                f"nothing {did} imported: mend these rows, or leave them out with --skip-faults{also}"
            )
        if check:
            return
        late = []
        with _progress(importing.batches(verdicts), "Visits") as batches:
            for batch in batches:
                late += importing.write(clinic_id, batch, now=now)
    click.echo(_summary(verdicts, "imported", late=len(late)))
    for verdict in late:
        click.echo(
            f"{file}: line {verdict.line}: {verdict.said}: its time or its patient was booked meanwhile, not imported",
            err=True,
        )
    if late:
        sys.exit(1)


def _tell_of_rows(file: Path, verdicts: list[Verdict], *, everything: bool) -> None:
    """Row by row what becomes of it: every row, or those only that somebody should look at.

    Of every row it is what was asked for, and goes to standard output as a whole. What is wrong with each time of an
    event that repeats is said once.
    """
    from collections import Counter

    from booking.domain.moving import HINDERS, Fate

    says = {
        Fate.IMPORTED: "imported",
        Fate.SHARED: "imported, squeezed in",
        Fate.SQUEEZED: "imported, squeezed in",
        Fate.PATIENT: "imported",
        Fate.KNOWN: "there already",
        Fate.CLASH: "clash",
        Fate.FAULTY: "fault",
    }
    wrong = Counter((verdict.line, verdict.faults) for verdict in verdicts if verdict.faults)
    for verdict in verdicts:
        number = wrong.pop((verdict.line, verdict.faults), 0)
        if verdict.faults and not number:
            continue
        is_plain = verdict.fate is Fate.KNOWN or (verdict.fate in (Fate.IMPORTED, Fate.PATIENT) and not verdict.remarks)
        if is_plain and not everything:
            continue
        more = [f"and so {number - 1:,} more times"] if number > 1 else []
        why = [*verdict.remarks, *map(str, verdict.faults), *more]
        line = f"{file}: line {verdict.line}: " + ": ".join(filter(None, (says[verdict.fate], verdict.said)))
        click.echo(f"{line}{': ' if why else ''}{'; '.join(why)}", err=verdict.fate in HINDERS and not everything)


def _is_clashing(verdicts: list[Verdict]) -> bool:
    from booking.domain.moving import Fate

    return any(verdict.fate is Fate.CLASH for verdict in verdicts)


def _summary(verdicts: list[Verdict], did: str, *, late: int = 0) -> str:
    from collections import Counter

    from booking.domain.moving import WRITTEN, Fate

    count = Counter(verdict.fate for verdict in verdicts)
    parts = [f"{sum(count[fate] for fate in WRITTEN) - late:,} {did}"]
    named = (
        ((Fate.SQUEEZED, Fate.SHARED), "of them squeezed in"),
        ((Fate.KNOWN,), "there already"),
        ((Fate.CLASH,), "clash"),
        ((Fate.FAULTY,), "with faults"),
    )
    for fates, words in named:
        if number := sum(count[fate] for fate in fates):
            parts.append(f"{number:,} {words}")
    return ", ".join(parts) + "."


def _is_zone(name: str) -> bool:
    from booking.domain.time import zone_info

    try:
        zone_info(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


@cli.command("export")
@click.argument("slug")
@click.argument("target", required=False, type=click.Path(path_type=Path))
@click.option("--patient", help="Of this patient only: their id, or the reference of one of their visits.")
def export_(slug: str, target: Path | None, patient: str | None) -> None:
    """Write all data of clinic SLUG into a new folder TARGET, or a zip: CSV, .ics and JSON, with a manifest.

    Notes stand in it as they were written, so keep it as you keep the records themselves; only you may read the
    files. Of one patient without TARGET: JSON on standard output. That it was taken is recorded.

    \b
    Example: booking export prairie prairie.zip
    """
    from booking import clock
    from booking.actions import clinic as clinics
    from booking.actions import exporting
    from booking.domain.access import WORKER
    from booking.store.clinic import by_slug

    if target is None and patient is None:
        raise click.UsageError("where to? TARGET is a new folder or a new .zip")
    with _opened(), _patients_named(patient):
        found, now = by_slug(slug), clock.now()
        if target is None:
            click.echo(exporting.patient_text(found, patient or "", by=WORKER, now=now), nl=False)
            return
        if patient is None:
            text = clinics.dump(slug)
            counts = exporting.everything(found, target, clinic_file=text, by=WORKER, now=now)
        else:
            counts = exporting.of_patient(found, patient, target, by=WORKER, now=now)
    click.echo(f"{target}: {', '.join(f'{count:,} {what}' for what, count in counts.items())}.")


@cli.command()
@click.argument("slug")
@click.argument("patient")
@click.option("--yes", is_flag=True, help="Don't ask.")
def erase(slug: str, patient: str, yes: bool) -> None:
    """Erase a patient of clinic SLUG, given by id or by the reference of one of their visits. It can't be undone.

    Name, contacts, notes, mails and reasons go, from the database's files too; the visits stay, as an erased
    patient's. Visits to come have to be cancelled first. Backups and exports keep what they have: delete them.

    \b
    Example: booking erase prairie 7K4M2QXA
    """
    from booking import clock
    from booking.actions import erasing
    from booking.domain.access import WORKER
    from booking.domain.time import local
    from booking.store import erasure
    from booking.store.clinic import by_slug

    with _opened(), _patients_named(patient):
        clinic_id, now = by_slug(slug).id, clock.now()
        try:
            found = erasing.known(clinic_id, patient, now)
            if not yes:
                click.confirm(f"Erase patient {found.public_id}, with {found.visits} visits?", abort=True)
            visits = erasing.erase(clinic_id, patient, by=WORKER, now=now)
        except erasing.StillToCome as refusal:
            for visit in refusal.visits:
                at = local(visit.starts_at, visit.zone)
                click.echo(f"still to come: {at:%Y-%m-%d %H:%M} {visit.reference}", err=True)
            raise click.ClickException("nothing was erased: cancel these visits first") from None
        is_clean = erasure.scrub()
    click.echo(f"Erased patient {found.public_id}; {visits} visits stay without a name.")
    if not is_clean:
        raise click.ClickException(
            "the database was in use, so its files may still hold older pages: "
            "stop the service, and run: booking erase again with the same patient"
        )


@contextmanager
def _patients_named(patient: str | None) -> Iterator[None]:
    from booking.domain.errors import NotFound

    try:
        yield
    except NotFound:
        raise click.ClickException("there is no such clinic" + (" or patient" if patient else "")) from None


# Looking after it


@cli.command()
def doctor() -> None:
    """Check the settings, database, schema, clock, keys, mail and what must hold in the data. Changes nothing.

    \b
    Example: booking doctor
    """
    from booking.doctor import findings

    failed = False
    for name, faults in findings():
        click.echo(f"{'FAULT' if faults else 'ok   '}  {name}")
        for fault in faults:
            click.echo(f"       {fault}", err=True)
        failed = failed or bool(faults)
    if failed:
        sys.exit(1)


@cli.command()
@click.argument("folder", type=click.Path(path_type=Path))
def backup(folder: Path) -> None:
    """Write a consistent copy of the database into a new FOLDER, while others go on working.

    The keys are not in it: keep BOOKING_SECRET_KEY and BOOKING_FIELD_KEY elsewhere, or it can't be read.

    \b
    Example: booking backup /backups/$(date +%F)
    """
    from booking import clock
    from booking.store import copies

    copies.backup(_settings(), folder, clock.now())
    click.echo(f"{folder}: written. The keys are not in it; keep them elsewhere.")


@cli.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def restore(folder: Path) -> None:
    """Put the backup in FOLDER where the settings say that the database is. Nothing may be there yet.

    Every byte is checked first, and that BOOKING_FIELD_KEY is the key that it was made with.

    \b
    Example: booking restore /backups/2026-11-22
    """
    from booking.store import copies

    copies.restore(_settings(), folder)
    click.echo("Restored. Run: booking migrate, then booking doctor")


# What the commands share


def _settings() -> Settings:
    from booking import settings

    return settings.read()


@contextmanager
def _opened() -> Iterator[None]:
    """The application's context for one command, on a database at the right revision."""
    from booking import create_app
    from booking.store.base import context

    found = _settings()
    _check_schema(found)
    with context(create_app(found)):
        yield


def _check_schema(found: Settings) -> None:
    import sqlalchemy as sa

    from booking.store import schema

    _make_folder(found)
    schema.check(sa.create_engine(found.database, poolclass=sa.NullPool))


def _make_folder(found: Settings) -> None:
    if not found.database_url:
        found.instance.mkdir(parents=True, exist_ok=True)


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


@contextmanager
def _progress(items: Any, label: str) -> Iterator[Any]:
    """Shown on a terminal only."""
    with click.progressbar(items, label=label, file=sys.stderr, hidden=not sys.stderr.isatty()) as shown:
        yield shown


def _is_loopback(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _ask_for_port(bind: tuple[str, int]) -> None:
    """Say so at once if somebody else listens there already."""
    try:
        socket.create_connection(bind, timeout=1).close()
    except OSError:
        return
    raise click.ClickException(f"something listens on {bind[0]}:{bind[1]} already; choose another with --bind")


def _serve(bind: tuple[str, int], workers: int) -> None:
    from granian import Granian
    from granian.constants import Interfaces

    Granian(
        "booking:create_app",
        factory=True,
        address=bind[0],
        port=bind[1],
        interface=Interfaces.WSGI,
        workers=workers,
        blocking_threads=THREADS,
        workers_kill_timeout=STOP_WITHIN,
        websockets=False,
    ).serve()


def main() -> None:
    """The console script."""
    cli(prog_name="booking")


if __name__ == "__main__":
    main()
