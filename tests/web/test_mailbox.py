"""The demonstration's mailbox shows what would have been sent, and exists nowhere else."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from icalendar import Calendar

from booking.actions import appointment as appointments
from booking.actions import outbox
from booking.domain.access import PATIENT
from booking.domain.time import instant_of
from booking.formats import busy
from booking.settings import Settings
from tests.cast import Make

pytestmark = pytest.mark.settings(env="demo")


@pytest.fixture
def mails(app: Flask, client: FlaskClient, make: Make) -> list[str]:
    """The addresses of the mails about Ada's visit of Tuesday, which she cancels: newest first."""
    visit = make.appointment("Tue 09:00")
    with app.app_context():
        outbox.deliver(make.now)
        appointments.cancel(make.elm, visit.public_id, by=PATIENT, now=make.now)
        outbox.deliver(make.now)
    page = client.get("/mailbox").get_data(as_text=True)
    return re.findall(r'href="(/mailbox/[^"]+)"', page)


@pytest.fixture
def ada_mails(client: FlaskClient, mails: list[str]) -> list[str]:
    return [mail for mail in mails if "ada@example.com" in client.get(mail).get_data(as_text=True)]


def test_a_practitioners_own_calendar_can_be_read_as_from_another_server(app: Flask, client: FlaskClient) -> None:
    answer = client.get("/mailbox/calendars/mei.ics")
    since = datetime(2027, 1, 11, tzinfo=UTC)
    found = busy.read([answer.data], zone="America/Chicago", since=since, until=since + timedelta(days=7))
    assert all(entry.is_understood for entry in found)
    times = [instant_of(one.start) for entry in found for one in entry.windows]
    assert [f"{at:%a %H:%M}" for at in times] == ["Wed 23:45", "Fri 15:00"]
    assert (
        client.get("/mailbox/calendars/mei.ics", headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304
    )


def test_the_mailbox_lists_what_each_reader_gets_newest_first(client: FlaskClient, mails: list[str]) -> None:
    page = client.get("/mailbox").get_data(as_text=True)
    assert len(mails) == 4  # Ada's and Bo's, twice
    assert page.count("ada@example.com") == page.count("bo@elm.example") == 2
    assert page.index("Invite: cancelled") < page.index("Invite: new")


def test_a_mail_shows_its_reader_its_text_and_the_invite_as_a_calendar_would(
    client: FlaskClient, ada_mails: list[str]
) -> None:
    page = client.get(ada_mails[-1]).get_data(as_text=True)
    assert "Invite: new" in page
    assert "Europe/London" in page
    assert "12 January 2027" in page or "January 12, 2027" in page
    assert "1 Elm Road" in page
    assert "METHOD:REQUEST" in page
    assert "Demonstration" in page


def test_a_cancelled_visit_is_struck_from_the_calendar(client: FlaskClient, ada_mails: list[str]) -> None:
    page = client.get(ada_mails[0]).get_data(as_text=True)
    assert "Invite: cancelled" in page
    assert "invite-cancelled" in page


def test_the_invite_can_be_downloaded_as_it_was_sent(client: FlaskClient, ada_mails: list[str]) -> None:
    answer = client.get(f"{ada_mails[-1]}/invite.ics")
    assert answer.mimetype == "text/calendar"
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert Calendar.from_ical(answer.data)["METHOD"] == "REQUEST"


def test_the_html_of_a_mail_can_run_nothing_and_load_nothing(client: FlaskClient, ada_mails: list[str]) -> None:
    answer = client.get(f"{ada_mails[-1]}/html")
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox ")
    assert "allow-scripts" not in policy
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'self'" in policy
    assert b"Elm Clinic" in answer.data


def test_only_the_page_of_a_mail_may_hold_a_frame(client: FlaskClient, ada_mails: list[str]) -> None:
    assert "frame-src 'self'" in client.get(ada_mails[0]).headers["Content-Security-Policy"]
    assert "frame-src" not in client.get("/mailbox").headers["Content-Security-Policy"]


@pytest.mark.parametrize("id", ["nothing", "..%2Fsecret_key", "%2e%2e", "*"])
def test_an_address_that_is_no_mail_finds_nothing(
    client: FlaskClient, settings: Settings, mails: list[str], id: str
) -> None:
    (settings.instance / "secret_key.eml").write_text("Subject: secret\n\nsecret")
    assert client.get(f"/mailbox/{id}").status_code == 404


def test_a_mail_without_an_invite_or_html_says_so(client: FlaskClient, settings: Settings, make: Make) -> None:
    (settings.instance / "mail").mkdir()
    (settings.instance / "mail" / "plain.eml").write_bytes(
        b"From: a@example.com\r\nSubject: <b>Hi</b>\r\n\r\nHello\r\n"
    )
    page = client.get("/mailbox/plain").get_data(as_text=True)
    assert "&lt;b&gt;Hi&lt;/b&gt;" in page
    assert "Hello" in page
    assert client.get("/mailbox/plain/html").status_code == 404
    assert client.get("/mailbox/plain/invite.ics").status_code == 404


@pytest.mark.settings(env="development")
@pytest.mark.parametrize(
    "path", ["/mailbox", "/mailbox/calendars/mei.ics", "/mailbox/x", "/mailbox/x/html", "/mailbox/x/invite.ics"]
)
def test_outside_the_demonstration_there_is_no_mailbox(client: FlaskClient, settings: Settings, path: str) -> None:
    (settings.instance / "mail").mkdir()
    (settings.instance / "mail" / "x.eml").write_bytes(b"Subject: Hi\r\n\r\nHello\r\n")
    assert client.get(path).status_code == 404
