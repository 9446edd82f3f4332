"""The patient's visit: its page in every state, moving it, cancelling it, its calendar file, and the lost link."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from icalendar import Calendar

from booking.actions import appointment as visits
from booking.domain.access import WORKER, Caller
from booking.domain.appointment import Status
from booking.store.appointment import Appointment
from booking.store.base import db
from booking.store.outbox import Message, facts_of
from tests.cast import Make
from tests.visitor import Visitor

CY = Caller("staff", 1, "front-desk")
HOUR = timedelta(hours=1)
Clock = Callable[[datetime], None]


@pytest.fixture
def ada(client: FlaskClient, make: Make) -> Visitor:
    assert make.elm
    return Visitor(client)


@pytest.fixture
def by_request(client: FlaskClient, make: Make) -> Visitor:
    """Ada at a clinic that confirms each visit."""
    make.clinic(confirmation="request")
    return Visitor(client)


def status(make: Make, visit: Appointment) -> str:
    with make.app.app_context():
        return db.session.get_one(Appointment, visit.id).status


# The page


def test_the_link_leads_to_a_clean_address_and_the_browser_is_remembered(ada: Visitor, make: Make) -> None:
    visit = make.appointment("Tue 09:00")
    assert ada.open(make.link(visit)).path == f"/elm/appointments/{visit.public_id}"
    assert ada.open(f"/elm/appointments/{visit.public_id}").status == 200


def test_without_the_link_there_is_nothing(ada: Visitor, make: Make) -> None:
    visit = make.appointment("Tue 09:00")
    assert ada.open(f"/elm/appointments/{visit.public_id}").status == 404


def test_a_booked_visit_says_when_where_with_whom_and_until_when_it_can_be_changed(ada: Visitor, make: Make) -> None:
    visit = make.appointment("Tue 09:00")
    ada.open(make.link(visit))
    for said in (
        "You are booked",
        "Tuesday, 12 January 2027, 09:00",
        "09:00 – 09:30 (London time)",
        "Bo Andersen",
        "Ada Lovelace",
        visit.reference,
        "1 Elm Road",
        "Eat something light",
        "goes to ada@example.com",
        "until Tue 12 Jan, 07:00; after that please call.",
    ):
        assert said in ada.words, said


def test_inside_the_notice_there_are_no_buttons_but_the_phone(ada: Visitor, make: Make, set_clock: Clock) -> None:
    visit = make.appointment("Tue 09:00")
    set_clock(make.at("Tue 08:00"))
    ada.open(make.link(visit))
    assert "changes are by phone only" in ada.words
    assert ada.link("Call 020 7946 0142") == "tel:+442079460142"
    assert "Change time" not in ada.words
    assert ada.open(f"/elm/appointments/{visit.public_id}/cancel").path == f"/elm/appointments/{visit.public_id}"


def test_who_presses_cancel_a_moment_too_late_is_told_to_phone(ada: Visitor, make: Make, set_clock: Clock) -> None:
    visit = make.appointment("Tue 09:00")
    ada.open(make.link(visit)).follow("Cancel the visit")
    set_clock(make.at("Tue 08:00"))
    ada.press("Yes, cancel it")
    assert ada.status == 409
    assert "It is too late to change this visit online. Please call us." in ada.words
    assert status(make, visit) == Status.BOOKED


def test_a_request_says_that_it_is_not_yet_confirmed_and_by_when_it_is_answered(
    by_request: Visitor, make: Make
) -> None:
    ada = by_request.open(make.link(make.appointment("Wed 09:00")))
    assert "Request sent" in ada.words
    assert "Your visit is not yet confirmed. We keep this time for you and answer by Tue 12 Jan, 08:00." in ada.words
    assert "You are booked" not in ada.words
    assert "Add to calendar" not in ada.words


def test_an_offered_time_can_be_accepted(by_request: Visitor, make: Make) -> None:
    visit = make.appointment("Wed 09:00")
    with make.app.app_context():
        visits.offer(make.elm, visit.public_id, make.at("Thu 10:00"), message="Bo is away.", by=CY, now=make.now)
    ada = by_request.open(make.link(visit))
    assert "We offer you another time" in ada.words
    assert "The clinic writes: Bo is away." in ada.words
    assert "It was Wed 13 Jan, 09:00 before." in ada.words
    ada.press("Accept Thu 14 Jan, 10:00")
    assert "You are booked" in ada.words
    assert status(make, visit) == Status.BOOKED


def test_an_offered_time_can_be_refused(by_request: Visitor, make: Make) -> None:
    visit = make.appointment("Wed 09:00")
    with make.app.app_context():
        visits.offer(make.elm, visit.public_id, make.at("Thu 10:00"), by=CY, now=make.now)
    by_request.open(make.link(visit)).follow("Withdraw the request").press("Yes, withdraw it")
    assert "You withdrew this request." in by_request.words
    assert status(make, visit) == Status.CANCELLED


def test_an_offer_answered_elsewhere_is_not_taken_twice(by_request: Visitor, make: Make) -> None:
    visit = make.appointment("Wed 09:00")
    with make.app.app_context():
        visits.offer(make.elm, visit.public_id, make.at("Thu 10:00"), by=CY, now=make.now)
    ada = by_request.open(make.link(visit))
    with make.app.app_context():
        visits.decline(make.elm, visit.public_id, by=CY, now=make.now)
    ada.press("Accept")
    assert ada.status == 409
    assert "This visit was changed in the meantime." in ada.words


def test_a_declined_request_carries_the_clinics_words(by_request: Visitor, make: Make) -> None:
    visit = make.appointment("Wed 09:00")
    with make.app.app_context():
        visits.decline(make.elm, visit.public_id, message="We are full that week.", by=CY, now=make.now)
    by_request.open(make.link(visit))
    assert "Not booked" in by_request.words
    assert "We could not confirm this request." in by_request.words
    assert "The clinic writes: We are full that week." in by_request.words
    assert by_request.follow("Book again").path == "/elm/book/visit"


def test_why_the_desk_cancelled_a_visit_stays_with_the_desk(ada: Visitor, make: Make) -> None:
    visit = make.appointment("Wed 09:00")
    with make.app.app_context():
        visits.cancel(make.elm, visit.public_id, reason="Owes us money.", by=CY, now=make.now)
    ada.open(make.link(visit))
    assert "The clinic cancelled this visit." in ada.words
    assert "Owes" not in ada.words


def test_a_request_that_nobody_answered_says_so(by_request: Visitor, make: Make, set_clock: Clock) -> None:
    visit = make.appointment("Wed 09:00")
    with make.app.app_context():
        visits.lapse(make.now + 30 * HOUR)
    set_clock(make.now + 30 * HOUR)
    by_request.open(make.link(visit))
    assert "Nobody answered this request in time, so it has ended." in by_request.words
    assert WORKER.kind == "worker"


def test_a_past_visit_offers_the_same_again(ada: Visitor, make: Make, set_clock: Clock) -> None:
    visit = make.appointment("Tue 09:00")
    set_clock(make.at("Wed 09:00"))
    ada.open(make.link(visit))
    assert "This visit is over." in ada.words
    assert "Change time" not in ada.words
    ada.follow("Book the same again")
    assert (ada.path, ada.answer.request.args["practitioner"]) == ("/elm/book/visit", "bo")


# Moving


def test_moving_keeps_the_old_time_until_the_new_one_is_chosen(ada: Visitor, make: Make) -> None:
    visit = make.appointment("Wed 09:00")
    ada.open(make.link(visit)).follow("Change time")
    assert "Now: Wed 13 Jan, 09:00 with Bo Andersen. It stays yours until you have chosen another time." in ada.words
    ada.follow("Thu 14 Jan").press("10:30")
    assert "You are booked Thursday, 14 January 2027, 10:30" in ada.words
    assert "It was Wed 13 Jan, 09:00 before." in ada.words


def test_the_visits_own_time_does_not_stand_in_the_way(ada: Visitor, make: Make) -> None:
    visit = make.appointment("Wed 09:00", service="needles")
    ada.open(make.link(visit)).follow("Change time").follow("Wed 13 Jan")
    assert "09:15" in ada.buttons()[2]
    ada.press("09:15")
    assert "You are booked Wednesday, 13 January 2027, 09:15" in ada.words


def test_a_time_taken_while_choosing_offers_others_and_keeps_the_visit(ada: Visitor, make: Make) -> None:
    visit = make.appointment("Wed 09:00")
    ada.open(make.link(visit)).follow("Change time").follow("Thu 14 Jan")
    make.appointment("Thu 10:30", person=make.person("Eve"))
    ada.press("10:30")
    assert ada.status == 409
    assert "Someone just took 10:30." in ada.words
    assert "Now: Wed 13 Jan, 09:00" in ada.words
    ada.press("Thu 14 Jan, 11:00")
    assert "You are booked Thursday, 14 January 2027, 11:00" in ada.words


def test_a_forged_move_to_an_hour_that_is_closed_is_refused(ada: Visitor, make: Make) -> None:
    visit = make.appointment("Wed 09:00")
    ada.open(make.link(visit)).follow("Change time")
    ada.page.buttons[-1].attributes["value"] = "2027-01-13T03:00Z"
    ada.press(ada.buttons()[-1])
    assert ada.status == 409
    assert "The clinic is not open for this visit then." in ada.words
    assert status(make, visit) == Status.BOOKED


# Cancelling


def test_a_visit_is_cancelled_on_a_page_of_its_own(ada: Visitor, make: Make) -> None:
    visit = make.appointment("Wed 09:00")
    ada.open(make.link(visit)).follow("Cancel the visit")
    assert status(make, visit) == Status.BOOKED, "opening the page changes nothing"
    assert ada.link("Keep it") == f"/elm/appointments/{visit.public_id}"
    ada.press("Yes, cancel it", reason="I am well again.")
    assert "You cancelled this visit. Nobody expects you." in ada.words
    assert status(make, visit) == Status.CANCELLED
    assert "09:00" in " ".join(ada.follow("Book again").follow("Wed 13 Jan").buttons())


def test_a_reason_that_is_too_long_is_said_at_the_field(ada: Visitor, make: Make) -> None:
    visit = make.appointment("Wed 09:00")
    ada.open(make.link(visit)).follow("Cancel the visit").press("Yes, cancel it", reason="x" * 501)
    assert ada.status == 422
    assert ada.words.count("Keep it under 500 characters") == 2
    assert status(make, visit) == Status.BOOKED


# The calendar file


def test_the_calendar_file_is_the_visit_and_no_more(ada: Visitor, make: Make) -> None:
    visit = make.appointment("Wed 09:00", note="secret reason")
    ada.open(make.link(visit))
    answer = ada.client.get(ada.link("Add to calendar"))
    assert answer.headers["Content-Type"] == "text/calendar; charset=utf-8"
    [event] = Calendar.from_ical(answer.data).walk("VEVENT")
    assert (event["UID"], event.start) == (visit.uid, visit.starts_at)
    assert "METHOD" not in answer.text
    assert "secret" not in answer.text


def test_a_cancelled_visit_has_no_calendar_file(ada: Visitor, make: Make) -> None:
    visit = make.appointment("Wed 09:00")
    ada.open(make.link(visit)).follow("Cancel the visit").press("Yes")
    assert ada.client.get(f"/elm/appointments/{visit.public_id}/invite.ics").status_code == 404


# The lost link


def sent_links(app: Flask) -> list[str]:
    with app.app_context():
        found = db.session.scalars(sa.select(Message).where(Message.kind == "lost-link"))
        return [entry.url for message in found for entry in facts_of(message).links]


def test_the_links_of_an_address_go_to_that_address(ada: Visitor, make: Make, app: Flask) -> None:
    make.appointment("Wed 09:00")
    make.appointment("Thu 09:00")
    make.appointment("Thu 10:00", person=make.person("Eve"))
    ada.open("/elm/lost-link").press("Send me the links", email="ADA@example.com")
    assert "Look into your mail" in ada.words
    urls = sent_links(app)
    assert len(urls) == 2
    path = urls[0].removeprefix(app.config["SETTINGS"].public_url)
    assert "Wednesday, 13 January 2027, 09:00" in ada.open(path).words


def test_the_answer_does_not_say_whether_the_address_is_known(ada: Visitor, make: Make, app: Flask) -> None:
    make.appointment("Wed 09:00")
    answers = []
    for email in ("ada@example.com", "nobody@example.com"):
        ada.open("/elm/lost-link").press("Send me the links", email=email)
        answers.append((ada.path, ada.status, re.sub(r'value="[^"]+"', "", ada.html)))
    assert answers[0] == answers[1]
    assert len(sent_links(app)) == 1


def test_an_address_that_is_none_is_said_at_the_field(ada: Visitor) -> None:
    ada.open("/elm/lost-link").press("Send me the links", email="ada")
    assert ada.status == 422
    assert ada.words.count("Enter an e-mail address like name@example.com") == 2


def test_nobody_is_flooded_with_links(ada: Visitor, make: Make, app: Flask) -> None:
    make.appointment("Wed 09:00")
    for _try in range(6):
        ada.open("/elm/lost-link").press("Send me the links", email="ada@example.com")
    assert ada.status == 429
    assert len(sent_links(app)) == 5
