"""Mail in by both doors: the pipe of a mail server, and a mailbox on a real IMAP server."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from click.testing import CliRunner, Result
from flask import Flask
from icalendar import Calendar

from booking import doctor, imap, worker
from booking.actions import outbox
from booking.cli import cli
from booking.domain.errors import Busy
from booking.settings import Settings, SettingsError, read
from booking.store.appointment import Appointment
from booking.store.base import db
from tests.cast import Make
from tests.formats.replies import written
from tests.servers import imap as imap_server
from tests.servers.imap import Server
from tests.servers.smtp import Mailbox


@pytest.fixture(scope="module")
def started() -> Iterator[Server]:
    try:
        with imap_server.running() as server:
            yield server
    except imap_server.Missing as missing:
        pytest.fail(str(missing), pytrace=False)


@pytest.fixture
def server(started: Server) -> Server:
    """The server with an empty mailbox."""
    started.empty()
    return started


def test_each_unread_mail_is_handed_over_once_and_none_is_deleted(server: Server) -> None:
    server.put(b"Subject: seen\r\n\r\nbefore", r"(\Seen)")
    server.put(b"Subject: one\r\n\r\n\x00\xff")
    server.put(b"Subject: two\r\n\r\n" + b"x" * (2 * imap.MOST))
    found: list[bytes] = []
    assert imap.poll(server.url, found.append) == 2
    assert [mail[:12] for mail in found] == [b"Subject: one", b"Subject: two"]
    assert len(found[1]) == imap.MOST
    assert imap.poll(server.url, found.append) == 0
    assert server.flags() == [r"\Seen"] * 3


def test_password_and_mailbox_may_have_letters_of_every_alphabet(server: Server) -> None:
    session = server.session()
    session.create('"R&APw-ck &- mehr"')
    session.append('"R&APw-ck &- mehr"', "", "", b"Subject: one\r\n\r\n")
    session.logout()
    found: list[bytes] = []
    url = f"imap://zoe:{quote(imap_server.ZOES)}@127.0.0.1:{server.port}/{quote('Rück & mehr')}"
    assert imap.poll(url, found.append) == 1
    assert [mail[:12] for mail in found] == [b"Subject: one"]
    with pytest.raises(imap.Unreachable):
        imap.check(url.replace("5%20", "6%20"))


def test_a_fault_in_one_mail_does_not_stop_the_others(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    for subject in ("one", "bad", "two"):
        server.put(f"Subject: {subject}\r\n\r\n{subject} of Ada".encode())
    found: list[bytes] = []

    def receive(content: bytes) -> None:
        if b"bad" in content:
            raise ZeroDivisionError("about Ada")
        found.append(content)

    assert imap.poll(server.url, receive) == 3
    assert len(found) == 2
    assert server.flags() == [r"\Seen", r"\Flagged \Seen", r"\Seen"]
    assert "ZeroDivisionError" in caplog.text
    assert "Ada" not in caplog.text


def test_while_the_database_is_away_mail_stays_unread(server: Server) -> None:
    server.put(b"Subject: one\r\n\r\n")

    def receive(_content: bytes) -> None:
        raise Busy

    with pytest.raises(Busy):
        imap.poll(server.url, receive, giving_up=(Busy,))
    assert server.flags() == [""]


def test_a_mailbox_that_can_not_be_read_says_so(server: Server) -> None:
    wrong = (
        server.url.replace("secret", "guess"),
        server.url.replace("INBOX", "Nowhere"),
        "imap://a:b@127.0.0.1:1/INBOX",
    )
    for url in wrong:
        with pytest.raises(imap.Unreachable):
            imap.poll(url, bytes)


def test_the_doctor_opens_the_mailbox_and_says_whether_senders_are_proven(
    settings: Settings, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "_schema_faults", lambda _found: ["not looked at here"])

    def said(**changes: str) -> tuple[str, list[str]]:
        monkeypatch.setattr(doctor.settings, "read", lambda: settings.model_copy(update=changes))
        return next(finding for finding in doctor.findings() if finding[0].startswith("answers"))

    name, faults = said(imap_url=server.url)
    assert "BOOKING_MAIL_AUTHSERV is not set" in name
    assert faults == []
    name, faults = said(imap_url="imap://a:b@127.0.0.1:1/INBOX", mail_authserv="mx.elm.example")
    assert "proof" in name
    assert "does not open" in faults[0]


def test_the_worker_takes_the_answer_to_a_mailed_invite(
    app: Flask, make: Make, mailbox: Mailbox, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    visit = make.appointment("Mon 10:00")
    with app.app_context():
        outbox.deliver(make.now)
    [part] = [p for p in mailbox.to("ada@example.com")[0].walk() if p.get_content_type() == "text/calendar"]
    event = Calendar.from_ical(part.get_payload(decode=True)).events[0]
    organizer = str(event["ORGANIZER"]).removeprefix("mailto:")
    facts = {"uid": str(event["UID"]), "organizer": organizer, "sequence": int(event["SEQUENCE"])}
    server.put(written("outlook", status="DECLINED", **facts))
    server.put(b"Subject: Win a prize\r\n\r\n")
    with app.app_context(), caplog.at_level(logging.INFO):
        worker._poll(server.url)
        worker._poll("imap://a:b@127.0.0.1:1/INBOX")
        assert db.session.get_one(Appointment, visit.id).needs_desk == "declined"
    assert server.flags() == [r"\Seen"] * 2
    assert "can't be read" in caplog.text


@pytest.fixture
def receive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], Result]:
    monkeypatch.setenv("BOOKING_INSTANCE", str(tmp_path / "instance"))

    def receive(content: bytes) -> Result:
        return CliRunner().invoke(cli, ["mail", "receive"], input=content)

    return receive


def test_the_pipe_takes_whatever_comes_once_there_is_a_database(receive: Callable[[bytes], Result]) -> None:
    assert receive(b"From: ada@example.com\n\nHello").exit_code == 75
    assert CliRunner().invoke(cli, ["migrate"]).exit_code == 0
    for content in (b"", b"\0\xff" * 1000, b"From: ada@example.com\n\nHello", b"x" * 3_000_000):
        assert receive(content).stdout == "ignored\n"
        assert receive(content).exit_code == 0


@pytest.mark.parametrize("url", ["imap://a:b@mail.example.com", "smtp://mail.example.com", "imaps://", "imaps://h:x/"])
def test_a_mailbox_is_read_over_a_sealed_line_or_on_this_machine(url: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="BOOKING_IMAP_URL"):
        read({"BOOKING_IMAP_URL": url, "BOOKING_INSTANCE": str(tmp_path)})


def test_the_worker_looks_again_after_a_minute() -> None:
    assert timedelta(seconds=worker.POLL_EVERY) == timedelta(minutes=1)
