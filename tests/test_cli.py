"""The commands, as a person types them: what they print, where, and with which exit code."""

from __future__ import annotations

import http.client
import json
import os
import pty
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path

import click
import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result
from sqlalchemy.exc import OperationalError

from booking import clock, create_app, worker
from booking.actions import appointment, outside
from booking.cli import cli
from booking.demo import SLUGS
from booking.domain.access import PATIENT, WORKER
from booking.domain.availability import Wish
from booking.settings import Settings
from booking.store.base import db
from booking.store.clinic import Clinic
from booking.store.outside import Place
from booking.store.patient import Person
from booking.store.practitioner import Actor, Service
from tests.cast import ELM
from tests.formats.test_busy import calendar
from tests.servers import https

README = Path(__file__).parent.parent / "README.md"
DEMO = Path(__file__).parent.parent / "booking" / "demo"
Booking = Callable[..., Result]


@pytest.fixture
def environ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """An instance of its own in the environment, and nothing else of ours there."""
    for name in [name for name in os.environ if name.startswith("BOOKING_") and not name.startswith("BOOKING_PG")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("BOOKING_INSTANCE", str(tmp_path / "instance"))
    return {"BOOKING_INSTANCE": str(tmp_path / "instance")}


@pytest.fixture
def booking(environ: dict[str, str]) -> Booking:
    """Run a command in this process."""

    def run(*args: str | Path, **options: object) -> Result:
        return CliRunner().invoke(cli, [str(arg) for arg in args], **options)  # type: ignore[arg-type]

    return run


@pytest.fixture
def migrated(booking: Booking) -> None:
    assert booking("migrate").exit_code == 0


@pytest.fixture
def elm(booking: Booking, migrated: None, tmp_path: Path) -> Path:
    """The file of Elm Clinic, which is loaded."""
    path = tmp_path / "elm.toml"
    path.write_text(ELM, encoding="utf-8")
    result = booking("clinic", "load", path)
    assert result.exit_code == 0, result.output
    return path


def commands(group: click.Group, before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*before, name))
        else:
            yield (*before, name)


@pytest.mark.parametrize("command", [*commands(cli)], ids=" ".join)
def test_every_command_shows_an_example_in_its_help(booking: Booking, command: tuple[str, ...]) -> None:
    result = booking(*command, "--help")
    assert result.exit_code == 0
    assert f"Example: booking {' '.join(command)}" in result.stdout


def test_the_readme_names_every_command_and_every_setting() -> None:
    readme = README.read_text(encoding="utf-8")
    assert [" ".join(command) for command in commands(cli) if f"`booking {' '.join(command)}" not in readme] == []
    assert [name for name in Settings.model_fields if f"`BOOKING_{name.upper()}`" not in readme] == []


def test_wrong_usage_ends_with_2_and_a_fault_with_1(booking: Booking) -> None:
    assert booking("serve", "--bind", "nowhere").exit_code == 2
    assert booking("worker", "--twice").exit_code == 2
    refused = booking("clinic", "dump", "elm")
    assert refused.exit_code == 1
    assert refused.stdout == ""
    assert "booking migrate" in refused.stderr


def test_a_misspelt_setting_is_named(booking: Booking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOKING_SMTP_ULR", "smtp://localhost")
    result = booking("migrate")
    assert result.exit_code == 1
    assert "BOOKING_SMTP_ULR" in result.stderr


def test_help_does_not_wait_for_what_it_does_not_need() -> None:
    code = "import sys, booking.cli; print([m for m in ('flask', 'sqlalchemy', 'pydantic') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# Clinics


@pytest.mark.parametrize("slug", SLUGS)
def test_the_files_of_the_demonstration_have_no_faults(booking: Booking, slug: str) -> None:
    assert booking("clinic", "check", DEMO / f"{slug}.toml").exit_code == 0


def test_check_lists_every_fault_with_its_line_and_changes_nothing(booking: Booking, tmp_path: Path) -> None:
    path = tmp_path / "elm.toml"
    path.write_text(ELM.replace("places = 6", "places = 0\nseats = 6"), encoding="utf-8")
    result = booking("clinic", "check", path)
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 2
    assert f"{path}: line " in result.stderr
    assert "places" in result.stderr
    assert not (tmp_path / "instance" / "booking.db").exists()


def test_loading_twice_is_harmless_and_invites_new_staff_once(booking: Booking, elm: Path) -> None:
    again = booking("clinic", "load", elm)
    assert "as it was" in again.stdout
    assert "Invited" not in again.stdout
    assert booking("worker", "--once").exit_code == 0
    mails = [mail.read_text(encoding="utf-8") for mail in (elm.parent / "instance" / "mail").glob("*.eml")]
    assert len(mails) == 1
    assert "To: cy@elm.example" in mails[0]


def test_a_clinic_is_written_back_as_a_file_that_loads(booking: Booking, elm: Path, tmp_path: Path) -> None:
    dumped = tmp_path / "dumped.toml"
    dumped.write_text(booking("clinic", "dump", "elm").stdout, encoding="utf-8")
    assert "as it was" in booking("clinic", "load", dumped).stdout


def test_who_was_invited_is_told_of_another_address_on_request(booking: Booking, elm: Path) -> None:
    start = clock.now().replace(hour=10, minute=0, second=0, microsecond=0) + timedelta(days=7)
    while start.weekday() > 4:
        start += timedelta(days=1)
    with create_app().app_context():
        clinic_id = db.session.scalars(sa.select(Clinic.id)).one()
        service = db.session.scalars(sa.select(Service.id).where(Service.slug == "visit")).one()
        person = Person("Ada Lovelace", "ada@example.com", None, "en")
        appointment.book(clinic_id, Wish(service), start, person, by=PATIENT, now=clock.now())
        db.session.remove()
        db.engine.dispose()
    assert booking("worker", "--once").exit_code == 0
    elm.write_text(ELM.replace("The blue door", "The red door"), encoding="utf-8")
    assert "1 visits have invites that say something else than this now" in booking("clinic", "load", elm).stdout
    assert "1 visits" in booking("clinic", "tell", "elm", "--message", "We have painted it.").stdout
    assert booking("worker", "--once").exit_code == 0
    mails = [path.read_text() for path in sorted((elm.parent / "instance" / "mail").glob("*.eml"))]
    assert sum("We have painted it." in mail for mail in mails) == 1
    assert "0 visits" in booking("clinic", "tell", "elm").stdout
    assert "invites that say" not in booking("clinic", "load", elm).stdout


def test_an_older_file_asks_for_force(booking: Booking, elm: Path, tmp_path: Path) -> None:
    older = tmp_path / "older.toml"
    older.write_text(booking("clinic", "dump", "elm").stdout, encoding="utf-8")
    elm.write_text(ELM.replace("horizon = 60", "horizon = 50"), encoding="utf-8")
    assert "updated" in booking("clinic", "load", elm).stdout
    refused = booking("clinic", "load", older)
    assert refused.exit_code == 1
    assert "--force" in refused.stderr
    assert booking("clinic", "load", older, "--force").exit_code == 0


def test_an_unknown_clinic_is_said_to_be_none(booking: Booking, migrated: None) -> None:
    for command in (("clinic", "dump", "oak"), ("key", "create", "oak", "--name", "x", "--scope", "read")):
        result = booking(*command)
        assert result.exit_code == 1
        assert "no such clinic" in result.stderr


# Staff and keys


def test_an_invited_person_gets_a_link_that_is_printed_on_request_only(booking: Booking, elm: Path) -> None:
    invite = ("staff", "invite", "elm", "dee@elm.example", "--role", "owner")
    assert "/login/" not in booking(*invite).stdout
    assert "http://127.0.0.1:8000/login/" in booking(*invite, "--print").stdout


@pytest.mark.parametrize("change", [("--role", "king"), ("--role", "owner", "--email")])
def test_an_invitation_needs_a_role_that_exists(booking: Booking, elm: Path, change: tuple[str, ...]) -> None:
    assert booking("staff", "invite", "elm", "dee@elm.example", *change).exit_code == 2


def test_an_address_that_is_none_is_wrong_usage(booking: Booking, elm: Path) -> None:
    result = booking("staff", "invite", "elm", "dee at elm", "--role", "owner")
    assert result.exit_code == 2
    assert "EMAIL" in result.stderr


def test_a_key_is_printed_once_and_only_its_digest_is_kept(
    booking: Booking, elm: Path, environ: dict[str, str]
) -> None:
    secret = booking("key", "create", "elm", "--name", "Website", "--scope", "book").stdout.strip()
    content = (elm.parent / "instance" / "booking.db").read_bytes()
    assert secret.startswith("bk_")
    assert secret.encode() not in content
    rows = sqlite3.connect(elm.parent / "instance" / "booking.db")
    assert rows.execute("select name, scopes from key").fetchall() == [("Website", '["book"]')]
    rows.close()


# Moving in and out


def test_an_import_is_tried_refused_and_done(booking: Booking, elm: Path, tmp_path: Path) -> None:
    path = tmp_path / "visits.csv"
    rows = ["start;service;practitioner;name;email", "2099-01-12 09:00;visit;bo;Ada Lovelace;ada@example.com"]
    path.write_text("\n".join([*rows, "2099-01-12 09:00;vist;bo;Eve Adams;"]), encoding="utf-8")
    checked = booking("import", "elm", path, "--check")
    assert checked.exit_code == 1
    first, second, third = checked.stdout.splitlines()
    assert first == f"{path}: line 2: imported: 2099-01-12 09:00 visit, bo"
    assert second.startswith(f"{path}: line 3: fault: 2099-01-12 09:00, vist, bo: service: expected a service")
    assert 'did you mean "visit"?' in second
    assert third == "1 can be imported, 1 with faults."
    assert "nothing would be imported: mend these rows" in checked.stderr
    refused = booking("import", "elm", path)
    assert refused.exit_code == 1
    assert refused.stdout == "1 can be imported, 1 with faults.\n"
    assert f"{path}: line 3: fault" in refused.stderr
    assert "--squeeze" not in refused.stderr, "nothing clashes"
    assert booking("import", "elm", path, "--skip-faults").stdout.endswith("1 imported, 1 with faults.\n")
    path.write_text("\n".join(rows), encoding="utf-8")
    assert booking("import", "elm", path).stdout == "0 imported, 1 there already.\n"
    path.write_text("\n".join([*rows, "2099-01-12 09:10;visit;bo;Eve Adams;"]), encoding="utf-8")
    assert "clash: 2099-01-12 09:10 visit, bo: bo is taken then" in booking("import", "elm", path, "--check").stdout
    assert "--squeeze squeezes in" in booking("import", "elm", path).stderr
    squeezed = booking("import", "elm", path, "--squeeze")
    assert squeezed.stdout.splitlines()[-1] == "1 imported, 1 of them squeezed in, 1 there already."
    path.write_bytes(b"name\nZo\xeb")
    assert f"{path}: line 2: not UTF-8" in booking("import", "elm", path).stderr
    assert booking("import", "elm", path, "--zone", "Mars/Base").exit_code == 2


def test_an_import_says_where_an_event_that_repeats_was_cut_off_and_what_is_wrong_with_it_once(
    booking: Booking, elm: Path, tmp_path: Path
) -> None:
    path = tmp_path / "visits.ics"
    often = "RRULE:FREQ=WEEKLY\nEND:VEVENT\n"
    path.write_text(
        "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//Example//EN\nX-WR-CALNAME:bo\n"
        f"BEGIN:VEVENT\nUID:1\nDTSTART:20260105T090000Z\nSUMMARY:Visit - Ada Lovelace\n{often}"
        f"BEGIN:VEVENT\nUID:2\nDTSTART:20260106T090000Z\nSUMMARY:Team meeting\n{often}END:VCALENDAR\n",
        encoding="utf-8",
    )
    *visits, cut, meeting, summary = booking("import", "elm", path, "--check").stdout.splitlines()
    assert len(visits) > 100
    assert visits[0].startswith(f"{path}: line 5: imported: 2026-01-05 09:00 visit, bo")
    assert f"{path}: line 5: imported: " in cut
    assert "goes on repeating: taken until " in cut
    assert meeting.startswith(f"{path}: line 11: fault: 2026-01-06T09:00:00+00:00, bo: service: expected a service")
    assert meeting.endswith(f"and so {len(visits):,} more times")
    assert summary == f"{len(visits) + 1} can be imported, {len(visits) + 1} with faults."


def test_an_import_shows_how_far_it_is_on_a_terminal(elm: Path, tmp_path: Path) -> None:
    path = tmp_path / "visits.csv"
    rows = [f"2024-01-12 {n // 12:02}:{n % 12 * 5:02},visit,bo,Patient {n}" for n in range(280)]
    path.write_text("\n".join(["start,service,practitioner,name", *rows]), encoding="utf-8")
    program, terminal = pty.openpty()
    command = [sys.executable, "-m", "booking.cli", "import", "elm", str(path)]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=terminal, check=True, env=os.environ | {"TERM": "xterm"}
    )
    os.close(terminal)
    shown = b""
    with suppress(OSError):  # Linux says so at the end
        while part := os.read(program, 4096):
            shown += part
    os.close(program)
    assert done.stdout == b"280 imported.\n"
    assert b"Rows" in shown
    assert b"Visits" in shown
    assert b"50%" in shown
    assert shown.count(b"100%") == 2


def test_all_is_exported_and_a_patient_is_erased(booking: Booking, elm: Path, tmp_path: Path) -> None:
    path = tmp_path / "visits.csv"
    row = "{},visit,bo,{},\n"
    path.write_text(
        "start,service,practitioner,name,email\n"
        + row.format("2024-01-12 09:00", "Ada Lovelace")
        + row.format("2099-01-12 09:00", "Eve Adams"),
        encoding="utf-8",
    )
    assert booking("import", "elm", path).exit_code == 0
    done = booking("export", "elm", tmp_path / "out")
    assert done.stdout.startswith(f"{tmp_path / 'out'}: 2 patients, 2 visits, ")
    assert 'slug = "elm"' in (tmp_path / "out" / "clinic.toml").read_text(encoding="utf-8")
    assert booking("export", "elm", tmp_path / "out").exit_code == 1
    assert booking("export", "elm").exit_code == 2
    visits = json.loads((tmp_path / "out" / "visits.json").read_text(encoding="utf-8"))
    ada, eve = (visit["reference"] for visit in sorted(visits, key=lambda visit: visit["start"]))
    alone = json.loads(booking("export", "elm", "--patient", ada).stdout)
    assert [someone["name"] for someone in alone["patients"]] == ["Ada Lovelace"]
    assert "no such clinic or patient" in booking("erase", "elm", "nobody", "--yes").stderr
    refused = booking("erase", "elm", eve, "--yes")
    assert refused.exit_code == 1
    assert f"still to come: 2099-01-12 09:00 {eve}" in refused.stderr
    assert booking("erase", "elm", ada, input="n\n").exit_code == 1
    assert "1 visits stay without a name" in booking("erase", "elm", ada, input="y\n").stdout
    assert "Ada" not in booking("export", "elm", "--patient", ada).stdout


# Looking after it


def test_the_doctor_finds_nothing_in_a_healthy_instance(booking: Booking, elm: Path) -> None:
    result = booking("doctor")
    assert result.exit_code == 0, result.output
    assert "FAULT" not in result.stdout
    assert "every visit to come has its hold" in result.stdout


def test_the_doctor_names_a_database_that_needs_migrating(booking: Booking) -> None:
    result = booking("doctor")
    assert result.exit_code == 1
    assert "booking migrate" in result.stderr


def test_the_doctor_names_a_secret_that_others_can_read(booking: Booking, elm: Path) -> None:
    (elm.parent / "instance" / "secret_key").chmod(0o644)
    result = booking("doctor")
    assert result.exit_code == 1
    assert "secret_key" in result.stderr


def test_the_doctor_names_a_mail_server_that_is_not_there(
    booking: Booking, elm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        monkeypatch.setenv("BOOKING_SMTP_URL", f"smtp://127.0.0.1:{nobody.getsockname()[1]}")
        result = booking("doctor")
    assert result.exit_code == 1
    assert "does not answer" in result.stderr


def test_the_audit_is_verified_exported_and_its_end_kept(booking: Booking, elm: Path, tmp_path: Path) -> None:
    instance = elm.parent / "instance"
    lines = booking("audit", "export", "elm").stdout.splitlines()
    assert lines[0].startswith("number,at,by,who,action")
    assert booking("worker", "--once").exit_code == 0
    assert booking("audit", "verify", "elm").stdout == "elm: every entry is as it was written\n"
    head = json.loads(booking("audit", "head", "elm").stdout)
    kept = (instance / "audit-heads.jsonl").read_text()
    assert [json.loads(line)["hash"] for line in kept.splitlines()] == [head["hash"]]
    with sqlite3.connect(instance / "booking.db") as database:
        database.execute("drop trigger audit_no_delete")
        database.execute("delete from audit where seq = ?", (head["seq"],))
        database.execute("delete from audit_head")
        database.execute("insert into audit_head select clinic_id, seq, hash from audit order by seq desc limit 1")
    cut = booking("audit", "verify")
    assert cut.exit_code == 1
    assert f"elm: entry {head['seq']} is not the one whose hash was kept elsewhere" in cut.stderr
    elsewhere = tmp_path / "heads.jsonl"
    elsewhere.write_text(kept.replace(head["hash"], head["hash"][::-1]))
    forged = booking("audit", "verify", "elm", "--heads", elsewhere)
    assert forged.exit_code == 1
    assert "field key" in forged.stderr


def test_a_backup_is_restored_byte_for_byte_elsewhere(
    booking: Booking, elm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "copy"
    assert booking("backup", copy).exit_code == 0
    assert {path.name for path in copy.iterdir()} == {"booking.db", "manifest.json"}
    assert all(path.stat().st_mode & 0o77 == 0 for path in [copy, *copy.iterdir()])
    field_key = (elm.parent / "instance" / "field_key").read_text()
    monkeypatch.setenv("BOOKING_FIELD_KEY", field_key)
    monkeypatch.setenv("BOOKING_INSTANCE", str(tmp_path / "other"))
    result = booking("restore", copy)
    assert result.exit_code == 0, result.output
    assert booking("clinic", "dump", "elm").exit_code == 0
    again = booking("restore", copy)
    assert again.exit_code == 1
    assert "already" in again.stderr


@pytest.mark.parametrize("fault", ["changed", "cut", "key", "none"])
def test_a_backup_that_can_not_be_trusted_is_refused(
    booking: Booking, elm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    copy = tmp_path / "copy"
    assert booking("backup", copy).exit_code == 0
    monkeypatch.setenv("BOOKING_INSTANCE", str(tmp_path / "other"))
    if fault != "key":
        monkeypatch.setenv("BOOKING_FIELD_KEY", (elm.parent / "instance" / "field_key").read_text())
    content = (copy / "booking.db").read_bytes()
    if fault == "changed":
        (copy / "booking.db").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    if fault == "cut":
        (copy / "booking.db").write_bytes(content[:-512])
    if fault == "none":
        (copy / "manifest.json").write_text(json.dumps({}))
    assert booking("restore", copy).exit_code == 1
    assert not (tmp_path / "other" / "booking.db").exists()


def test_a_backup_writes_over_nothing(booking: Booking, elm: Path, tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "mine").touch()
    assert booking("backup", tmp_path / "copy").exit_code == 1
    assert [path.name for path in (tmp_path / "copy").iterdir()] == ["mine"]


# Running


@pytest.mark.parametrize("setting", ["BOOKING_ENV=demo", "BOOKING_RATE_LIMITS=off"])
def test_what_is_for_this_computer_only_is_not_served_to_others(
    booking: Booking, migrated: None, monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    monkeypatch.setenv(*setting.split("="))
    result = booking("serve", "--bind", "0.0.0.0:8000")
    assert result.exit_code == 2
    assert "loopback" in result.stderr


def test_serving_refuses_a_database_that_needs_migrating(booking: Booking) -> None:
    result = booking("serve")
    assert result.exit_code == 1
    assert "booking migrate" in result.stderr


def test_the_demonstration_keeps_to_itself(booking: Booking, monkeypatch: pytest.MonkeyPatch) -> None:
    assert booking("demo", "--bind", "0.0.0.0:8000").exit_code == 2
    monkeypatch.setenv("BOOKING_DATABASE_URL", "postgresql://localhost/real")
    assert booking("demo").exit_code == 2


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def test_the_server_answers_and_stops_cleanly_on_sigterm(elm: Path, environ: dict[str, str], port: int) -> None:
    with started("serve", "--bind", f"127.0.0.1:{port}", "--workers", "1") as server:
        assert answer(port, "/elm/") == 200
        server.send_signal(signal.SIGTERM)
        assert server.wait(30) == 0


def test_a_worker_sends_what_comes_and_stops_cleanly_on_sigterm(booking: Booking, elm: Path) -> None:
    folder = elm.parent / "instance" / "mail"
    with started("worker") as worker:
        until(lambda: len(list(folder.glob("*.eml"))) == 1)
        booking("staff", "invite", "elm", "dee@elm.example", "--role", "owner")
        until(lambda: len(list(folder.glob("*.eml"))) == 2)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(30) == 0


def test_a_worker_reads_practitioners_own_calendars_and_the_doctor_names_one_that_it_can_not(
    booking: Booking, elm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = https.Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.path))
    with https.running(authority.certificate("localhost")) as server:
        server.answers["/own.ics"] = https.answer(200, calendar("DTSTART:20270111T100000Z\nDURATION:PT1H"))
        monkeypatch.setenv("BOOKING_CALENDAR_ORIGINS", server.origin)
        app = create_app()
        with app.app_context():
            clinic = db.session.scalars(sa.select(Actor.clinic_id).where(Actor.slug == "bo")).one()
            bo = db.session.scalars(sa.select(Actor.id).where(Actor.slug == "bo")).one()
            outside.add(clinic, bo, Place(f"{server.origin}/own.ics"), by=WORKER, now=clock.now())
            db.session.remove()
            db.engine.dispose()
        database = sqlite3.connect(elm.parent / "instance" / "booking.db")
        with started("worker") as worker, closing(database):
            until(lambda: database.execute("select count(*) from outside_busy").fetchone() == (1,))
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(30) == 0
    assert len(server.requests) == 1
    assert "FAULT" not in booking("doctor").stdout
    with closing(sqlite3.connect(elm.parent / "instance" / "booking.db")) as connection, connection:
        connection.execute("update outside_calendar set read_at = '2026-01-01 00:00:00', next_at = read_at")
    assert booking("worker", "--once").exit_code == 0  # nobody listens there any more
    found = booking("doctor")
    assert found.exit_code == 1
    assert "elm: Bo Andersen's was last read 2026-01-01 00:00 UTC" in found.stderr
    with closing(sqlite3.connect(elm.parent / "instance" / "booking.db")) as connection, connection:
        connection.execute("update outside_calendar set choices = x'00', read_at = null")
    assert "elm: Bo Andersen's account is there, but none of its calendars is chosen" in booking("doctor").stderr


def started(*args: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "booking.cli", *args]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def answer(port: int, path: str) -> int:
    """The status of the page, once somebody answers."""
    found: list[int] = []

    def ask() -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request("GET", path)
            found.append(connection.getresponse().status)
        except OSError:
            return False
        finally:
            connection.close()
        return True

    until(ask)
    return found[0]


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, "it did not happen within a minute"
        time.sleep(0.05)


def test_a_worker_waits_out_a_database_that_fails(
    booking: Booking, migrated: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop, tries = threading.Event(), []

    def deliver() -> int:
        tries.append("try")
        if len(tries) == 1:
            raise OperationalError("select", {}, sqlite3.OperationalError("disk I/O error"))
        stop.set()
        return 0

    monkeypatch.setattr(worker, "IDLE", 0.001)
    monkeypatch.setattr(worker, "_deliver", deliver)
    worker.run(create_app(), stop)
    assert len(tries) == 2
