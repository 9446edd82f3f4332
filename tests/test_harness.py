"""The harness itself: what the other tests stand on."""

from __future__ import annotations

import smtplib
from collections.abc import Callable
from datetime import datetime, timedelta
from email.message import EmailMessage

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Page

from booking import clock
from booking.store.access import Rate
from booking.store.base import db
from tests.cast import Make
from tests.servers.chromium import violations
from tests.servers.smtp import Mailbox


@pytest.mark.usefixtures("both_databases")
@pytest.mark.parametrize("turn", ["first", "second"])
def test_each_test_finds_an_empty_database(app: Flask, now: datetime, turn: str) -> None:
    with app.app_context():
        assert db.session.scalar(sa.select(sa.func.count()).select_from(Rate)) == 0
        db.session.add(Rate(bucket=turn, window=1, count=1, expires_at=now))
        db.session.commit()


@pytest.mark.usefixtures("both_databases")
def test_the_cast_is_at_elm_clinic(make: Make, now: datetime) -> None:
    visit = make.appointment("Tue 10:00")
    assert visit.clinic_id == make.elm
    assert visit.starts_at == now + timedelta(days=1, hours=2)
    staged = make.appointment("Tue 11:00", service="needles", person=make.person("Eve"), new=True)
    assert staged.ends_at - staged.starts_at == timedelta(minutes=60)
    assert make.hold("Wed 09:00", weeks=1).starts_at == now + timedelta(days=9, hours=1)
    assert make.key("book") != make.key("book")


def test_cy_is_signed_in_at_the_desk(desk: FlaskClient) -> None:
    assert desk.get("/desk/elm/").status_code == 200


def test_the_clock_stands_still_until_it_is_set(now: datetime, set_clock: Callable[[datetime], None]) -> None:
    assert clock.now() == now
    set_clock(now + timedelta(hours=1))
    assert clock.now() == now + timedelta(hours=1)


def test_the_mail_server_keeps_and_refuses(mailbox: Mailbox) -> None:
    mail = EmailMessage()
    mail["Subject"] = "Your visit"
    mail.set_content("See you on Monday.")
    host, port = mailbox.url.removeprefix("smtp://").split(":")
    with smtplib.SMTP(host, int(port)) as connection:
        connection.send_message(mail, "desk@elm.example", ["ada@example.com"])
        mailbox.answer = "451 later"
        with pytest.raises(smtplib.SMTPDataError):
            connection.send_message(mail, "desk@elm.example", ["ada@example.com"])
    assert [mail["Subject"] for mail in mailbox.to("ada@example.com")] == ["Your visit"]
    assert mailbox.to("cy@example.com") == []


def test_the_browser_reaches_the_app(live_server: str, page: Page) -> None:
    response = page.goto(f"{live_server}/healthz")
    assert response is not None
    assert response.status == 200


def test_axe_finds_what_is_wrong(page: Page) -> None:
    page.set_content("<html lang=en><title>Elm Clinic</title><main><h1>Elm</h1><img src=data:,></main>")
    assert [rule for rule, _, _ in violations(page)] == ["image-alt"]
    page.set_content("<html lang=en><title>Elm Clinic</title><main><h1>Elm</h1></main>")
    assert violations(page) == []


def test_without_script_a_page_runs_none(page_without_script: Page) -> None:
    page_without_script.set_content("<p>still</p><script>document.body.textContent = 'moved'</script>")
    assert page_without_script.inner_text("body") == "still"
