"""Running it: the web service, the worker, the demonstration, the schema, mail from a pipe."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from typing import Any

import click

from booking.cli.group import check_schema, cli, make_folder, opened, progress, read_settings

log = logging.getLogger("booking")

THREADS = 4  # of each web worker; most of a request is Python, which runs one thread at a time
STOP_WITHIN = 30  # seconds that requests under way get to end


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
    found = read_settings()
    if (found.env == "demo" or found.rate_limits == "off") and not _is_loopback(bind[0]):
        raise click.UsageError("BOOKING_ENV=demo and BOOKING_RATE_LIMITS=off are for a loopback address only")
    check_schema(found)
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

    found = read_settings()
    check_schema(found)
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

    found = read_settings()
    make_folder(found)
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

    found = read_settings()
    make_folder(found)
    schema.upgrade(found.database)
    with context(create_app(found)):
        patient.write_keys()  # of a demonstration that was made by an older program
        now = clock.now()
        missing = demonstration.missing()
        if missing:
            click.echo(f"Making {len(missing)} clinics with a month of visits in {found.instance} …")
        with progress(missing, "Clinics") as slugs:
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
        with opened():
            outcome = inbox.receive(content, clock.now())
    except Exception as error:
        log.error("a message waits: %s", type(error).__name__)
        sys.exit(os.EX_TEMPFAIL)
    click.echo(outcome.value)


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
