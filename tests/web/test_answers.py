"""Answers from calendars on the desk's pages: seen at once, and answered there."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from booking.actions import inbox
from booking.domain.reply import Outcome
from booking.store.appointment import Appointment
from booking.store.base import db
from tests.cast import Make
from tests.desk import press
from tests.formats.replies import written

REQUESTS = "/desk/elm/requests"


class Ada:
    """Her visit on Tuesday at ten, and what her calendar answers."""

    def __init__(self, app: Flask, make: Make) -> None:
        self.app, self.make = app, make
        self.visit = make.appointment("Tue 10:00")
        self.page = f"/desk/elm/appointments/{self.visit.public_id}"

    def answers(self, status: str, *, minutes: int = 0, **facts: Any) -> None:
        at = self.make.now + timedelta(minutes=minutes)
        facts = {"uid": self.visit.uid, "organizer": self.app.config["SETTINGS"].sender, "program": "outlook"} | facts
        with self.app.app_context():
            content = written(status=status, stamp=f"{at:%Y%m%dT%H%M%SZ}", **facts)
            assert inbox.receive(content, at) is Outcome.TAKEN

    def proposes(self, time: str, *, minutes: int = 0) -> None:
        at = f"20270112T{time}00"
        self.answers("TENTATIVE", method="COUNTER", starts=at, ends=at, minutes=minutes)

    @property
    def row(self) -> Appointment:
        with self.app.app_context():
            return db.session.get_one(Appointment, self.visit.id)

    @property
    def version(self) -> str:
        return str(self.row.version)


@pytest.fixture
def ada(app: Flask, make: Make) -> Ada:
    return Ada(app, make)


def test_a_yes_stands_on_the_visits_page_and_waits_for_nobody(ada: Ada, desk: FlaskClient) -> None:
    ada.answers("ACCEPTED")
    page = desk.get(ada.page).text
    assert "accepted" in page
    assert "Accepted in the calendar" in page
    assert "I can come, but later\nplease" in page
    assert "Answers from calendars" not in desk.get(REQUESTS).text


def test_a_no_stands_in_the_inbox_until_the_desk_keeps_the_visit(ada: Ada, desk: FlaskClient) -> None:
    ada.answers("DECLINED")
    page = desk.get(REQUESTS).text
    assert "Answers from calendars" in page
    assert "The invitation was declined" in page
    assert 'd-count">1<' in page
    kept = press(desk, REQUESTS, f"{ada.page}/settle", version=ada.version)
    assert kept.status_code == 303
    assert "stays as it is" in desk.get(kept.location).text
    assert "Answers from calendars" not in desk.get(REQUESTS).text
    assert ada.row.status == "booked"


def test_a_proposal_is_accepted_in_one_press(ada: Ada, desk: FlaskClient) -> None:
    ada.proposes("1430")
    page = desk.get(REQUESTS).text
    assert "Move to Tue, 12 Jan, 14:30" in page.replace("Tue 12 Jan", "Tue, 12 Jan")
    moved = press(desk, REQUESTS, f"{ada.page}/move", time="2027-01-12T14:30Z/bo", version=ada.version)
    assert moved.status_code == 303
    assert (ada.row.starts_at, ada.row.sequence) == (ada.make.at("Tue 14:30"), 1)
    assert "Answers from calendars" not in desk.get(ada.page).text


def test_what_speaks_against_a_proposal_is_said_instead(ada: Ada, desk: FlaskClient) -> None:
    ada.make.appointment("Tue 14:30", person=ada.make.person("Eve Hall"))
    against = {"1430": "has another visit then", "1432": "full five minutes", "2000": "does not work"}
    for minutes, (time, why) in enumerate(against.items()):
        ada.proposes(time, minutes=minutes)
        page = desk.get(REQUESTS).text
        assert why in page
        assert "Move to" not in page


def test_a_proposal_is_declined_and_who_made_it_is_told(ada: Ada, desk: FlaskClient) -> None:
    ada.proposes("1430")
    stale = press(desk, ada.page, f"{ada.page}/decline-counter", version="1")
    assert stale.status_code == 409
    answer = press(desk, ada.page, f"{ada.page}/decline-counter", version=ada.version, **{"from": "panel"})
    assert answer.status_code == 303
    page = desk.get(answer.location).text
    assert "is told by e-mail" in page
    assert "Stays where it is" in page
    assert press(desk, ada.page, f"{ada.page}/decline-counter", version="1").status_code == 303


def test_what_a_stranger_wrote_is_shown_as_text(ada: Ada, desk: FlaskClient) -> None:
    calendar = written("thunderbird", uid=ada.visit.uid, organizer=ada.app.config["SETTINGS"].sender, status="DECLINED")
    hostile = calendar.replace(b"SUMMARY:Termin", b"COMMENT:<script>alert(1)</script>")
    with ada.app.app_context():
        assert inbox.receive(hostile, ada.make.now) is Outcome.TAKEN
    for page in (REQUESTS, ada.page):
        shown = desk.get(page).text
        assert "&lt;script&gt;alert" in shown
        assert "<script>alert" not in shown
