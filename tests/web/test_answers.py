"""Answers from calendars on the desk's pages: seen at once, and answered there."""

from __future__ import annotations

import re
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
ALIAS = "fox.4k@alias.example"
NOT_COUNTED = "Answers that do not count"


class Ada:
    """Her visit on Tuesday at ten, and what her calendar answers."""

    def __init__(self, app: Flask, make: Make) -> None:
        self.app, self.make = app, make
        self.visit = make.appointment("Tue 10:00", person=make.person(phone="+442079460143"))
        self.page = f"/desk/elm/appointments/{self.visit.public_id}"

    def answers(self, status: str, *, minutes: int = 0, outcome: Outcome = Outcome.TAKEN, **facts: Any) -> None:
        at = self.make.now + timedelta(minutes=minutes)
        facts = {"uid": self.visit.uid, "organizer": self.app.config["SETTINGS"].sender, "program": "outlook"} | facts
        with self.app.app_context():
            content = written(status=status, stamp=f"{at:%Y%m%dT%H%M%SZ}", **facts)
            assert inbox.receive(content, at) is outcome

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


def test_a_no_that_does_not_count_is_shown_with_why_and_whom_to_ring(ada: Ada, desk: FlaskClient) -> None:
    assert NOT_COUNTED not in desk.get(REQUESTS).text + desk.get(ada.page).text
    ada.answers("DECLINED", sender=ALIAS, outcome=Outcome.FORGED)
    for page in (REQUESTS, ada.page):
        shown = desk.get(page).text
        assert 'd-count">1<' in shown
        block = shown.partition(NOT_COUNTED)[2].partition("Dealt with")[0]
        assert f"<b>{ALIAS}</b>: declined" in block
        assert "another address than the invite went to" in block
        assert "I can come, but later\nplease" in block
        assert "The visit stands, and nobody was told. If this comes from Ada Lovelace" in block
        assert 'href="tel:+442079460143"' in block.partition("nobody was told")[2]


def test_a_proposal_that_does_not_count_offers_no_move(ada: Ada, desk: FlaskClient) -> None:
    facts = {"method": "COUNTER", "starts": "20270112T143000", "ends": "20270112T150000"}
    ada.answers("TENTATIVE", sender=ALIAS, outcome=Outcome.FORGED, **facts)
    for page in (REQUESTS, ada.page):
        shown = desk.get(page).text
        assert "proposes Tue 12 Jan, 14:30" in shown
        assert "Move to" not in shown
        assert "Keep its time" not in shown


@pytest.mark.parametrize("start", ["inbox", "panel"])
def test_what_does_not_count_is_put_away_and_the_visit_stays(ada: Ada, desk: FlaskClient, start: str) -> None:
    ada.answers("DECLINED", sender=ALIAS, outcome=Outcome.FORGED)
    page = ada.page if start == "panel" else REQUESTS
    [until] = re.findall(r'name="until" value="(\d+)"', desk.get(page).text)
    before = ada.row
    put_away = press(desk, page, f"{ada.page}/dealt-with", until=until, **{"from": start})
    assert put_away.status_code == 303
    assert put_away.location.startswith(page)
    after = desk.get(put_away.location).text
    assert "is put away" in after
    assert NOT_COUNTED not in after
    assert "d-count" not in after
    assert ALIAS not in desk.get(ada.page).text
    assert "Dealt with an answer that does not count" in desk.get(ada.page).text
    assert (ada.row.status, ada.row.version) == ("booked", before.version)
    assert press(desk, page, f"{ada.page}/dealt-with", until=until).status_code == 303
    assert press(desk, page, f"{ada.page}/dealt-with").status_code == 404


def test_a_visit_with_both_kinds_of_answers_stands_in_the_inbox_once(ada: Ada, desk: FlaskClient) -> None:
    ada.answers("DECLINED", sender=ALIAS, outcome=Outcome.FORGED)
    ada.answers("DECLINED")
    page = desk.get(REQUESTS).text
    assert page.count(f'id="v-{ada.visit.public_id}"') == page.count("Not counted") == 1
    assert 'd-count">1<' in page
    assert "Keep the visit" in page


def test_a_practitioner_reads_what_does_not_count_and_the_desk_deals_with_it(ada: Ada, app: Flask, make: Make) -> None:
    ada.answers("DECLINED", sender=ALIAS, outcome=Outcome.FORGED)
    bo = app.test_client()
    bo.set_cookie("sid", make.session("bo@elm.example", role="practitioner", clinic=make.elm))
    page = bo.get(ada.page).text
    assert ALIAS in page
    assert "Dealt with" not in page
    assert press(bo, ada.page, f"{ada.page}/dealt-with", until="9").status_code == 404


def test_patients_never_see_what_does_not_count(ada: Ada, client: FlaskClient, make: Make) -> None:
    ada.answers("DECLINED", sender=ALIAS, outcome=Outcome.FORGED)
    with ada.app.app_context():
        link = make.link(ada.visit)
    page = client.get(link, follow_redirects=True).text
    assert "You are booked" in page
    assert ALIAS not in page
    assert "I can come" not in page


def test_what_an_unproven_stranger_wrote_is_shown_as_text(ada: Ada, desk: FlaskClient) -> None:
    sender = "<b>x</b>@alias.example"
    calendar = written(
        "thunderbird", uid=ada.visit.uid, organizer=ada.app.config["SETTINGS"].sender, status="DECLINED", sender=ALIAS
    )
    hostile = calendar.replace(b"SUMMARY:Termin", b"COMMENT:<script>alert(1)</script>\\n" + b"x" * 4000)
    hostile = hostile.replace(b"From: Ada Lovelace", b'From: "<img src=x>"').replace(ALIAS.encode(), sender.encode(), 1)
    with ada.app.app_context():
        assert inbox.receive(hostile, ada.make.now) is Outcome.FORGED
    for page in (REQUESTS, ada.page):
        shown = desk.get(page).text
        assert "&lt;script&gt;alert" in shown
        assert not any(tag in shown for tag in ("<script>alert", "<img", "<b>x"))
        assert "x" * 501 not in shown
        assert "an unclear address" in shown
