from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from email.message import EmailMessage
from typing import Any

import pytest
import sqlalchemy as sa
import tomlkit
from flask import Flask
from icalendar import Calendar

from booking import mail
from booking.actions import appointment as appointments
from booking.actions import inbox
from booking.actions import outbox as sending
from booking.actions import patient as patients
from booking.actions import visit as day
from booking.domain.access import PATIENT, Caller
from booking.domain.appointment import Status
from booking.domain.message import Facts, Kind, Link, Recipient, Tell
from booking.settings import Settings
from booking.store import outbox
from booking.store.appointment import Appointment
from booking.store.base import db, transaction
from booking.store.clinic import Clinic
from booking.store.outbox import Message
from booking.store.patient import Patient
from booking.store.practitioner import Actor
from tests.cast import ELM as ELM_FILE
from tests.cast import Make
from tests.formats.replies import written
from tests.servers.smtp import Mailbox

ADA, BO, ELM = "ada@example.com", "bo@elm.example", "desk@elm.example"
CY = Caller("staff", 1, "front-desk")


@pytest.fixture
def deliver(app: Flask, now: datetime) -> Callable[..., int]:
    """Call it to send what is due, some minutes from now."""

    def deliver(minutes: float = 0) -> int:
        with app.app_context():
            return sending.deliver(now + timedelta(minutes=minutes))

    return deliver


@pytest.fixture
def act(app: Flask, now: datetime) -> Callable[..., Appointment]:
    """Call it with an action of the desk or of patients on a visit, some minutes from now."""

    def act(
        action: Callable[..., Appointment],
        visit: Appointment,
        *arguments: Any,
        by: Caller = PATIENT,
        minutes: float = 0,
        **options: Any,
    ) -> Appointment:
        at = now + timedelta(minutes=minutes)
        with app.app_context():
            return action(visit.clinic_id, visit.public_id, *arguments, by=by, now=at, **options)

    return act


@pytest.fixture
def rows(app: Flask) -> Callable[[str], list[Message]]:
    """Call it for the messages to an address, oldest first."""

    def rows(address: str) -> list[Message]:
        with app.app_context():
            return list(db.session.scalars(sa.select(Message).where(Message.address == address).order_by(Message.id)))

    return rows


@pytest.fixture
def put(app: Flask, make: Make, now: datetime) -> Callable[..., None]:
    """Call it to queue a mail that is about no visit."""

    def put(kind: Kind = Kind.LIMIT, address: str = ADA, facts: Facts | None = None) -> None:
        with app.app_context():
            transaction(outbox.put)(
                clinic_id=make.elm,
                appointment_id=None,
                kind=kind,
                role=Recipient.PATIENT,
                method=None,
                address=address,
                language="en",
                now=now,
                facts=facts,
            )

    return put


def event(found: EmailMessage) -> dict[str, Any] | None:
    """The event in a mail with its METHOD, which header and body agree upon; None without one."""
    parts = [part for part in found.walk() if part.get_content_type() == "text/calendar"]
    if not parts:
        return None
    body = parts[0].get_payload(decode=True)
    assert isinstance(body, bytes)
    calendar = Calendar.from_ical(body)
    assert parts[0]["Content-Type"].params["method"] == calendar["METHOD"]
    return {**calendar.events[0], "METHOD": calendar["METHOD"]}


def methods(mails: list[EmailMessage]) -> list[str | None]:
    return [found["METHOD"] if (found := event(one)) else None for one in mails]


Deliver, Act, Rows, Put = (
    Callable[..., int],
    Callable[..., Appointment],
    Callable[[str], list[Message]],
    Callable[..., None],
)


def test_a_booked_visit_lands_in_the_patients_and_the_practitioners_calendar(
    make: Make, mailbox: Mailbox, deliver: Deliver
) -> None:
    visit = make.appointment("Mon 10:00", service="needles", note="my back hurts")
    deliver()
    (to_ada,), (to_bo,) = mailbox.to(ADA), mailbox.to(BO)
    ada, bo = event(to_ada), event(to_bo)
    assert ada is not None
    assert bo is not None
    assert (ada["METHOD"], ada["SEQUENCE"], ada["UID"]) == ("REQUEST", 0, visit.uid)
    assert (ada["DTSTART"].dt, ada["DTEND"].dt) == (visit.starts_at, visit.ends_at)
    assert ada["SUMMARY"] == "Your visit at Elm Clinic"
    assert ada["ATTENDEE"] == f"mailto:{ADA}"
    assert ada["ORGANIZER"] == f"mailto:{to_ada['From'].addresses[0].addr_spec}"
    assert to_ada["From"].addresses[0].display_name == "Elm Clinic"
    assert to_ada["Reply-To"] == ELM
    assert f"/a/mg_{visit.public_id}_" in ada["URL"]
    assert (bo["METHOD"], bo["ATTENDEE"]) == ("REQUEST", f"mailto:{BO}")
    assert f"/desk/elm/?on={visit.starts_at:%Y-%m-%d}" in bo["URL"]
    for hidden in ("back", "acupuncture", "Lovelace"):
        assert hidden not in to_bo["Subject"] + str(bo["SUMMARY"]) + str(bo["DESCRIPTION"])
    whole = to_ada.get_body(("plain",)).get_content() + str(ada["DESCRIPTION"])  # type: ignore[union-attr]
    assert "hurts" not in whole
    assert "ommunity acupuncture" not in whole
    assert whole.count("020 7946 0142") >= 2
    assert whole.count("blue door") == 2


def test_moves_and_the_cancel_follow_the_first_mail(make: Make, mailbox: Mailbox, deliver: Deliver, act: Act) -> None:
    visit = make.appointment("Wed 10:00")
    deliver()
    act(appointments.reschedule, visit, make.at("Wed 11:00"), minutes=1)
    deliver(1)
    act(appointments.cancel, visit, minutes=2)
    deliver(2)
    mails = mailbox.to(ADA)
    events = [found for one in mails if (found := event(one))]
    assert [found["METHOD"] for found in events] == ["REQUEST", "REQUEST", "CANCEL"]
    assert [found["SEQUENCE"] for found in events] == [0, 1, 2]
    assert {found["UID"] for found in events} == {visit.uid}
    stamps = [found["DTSTAMP"].dt for found in events]
    assert stamps == sorted(set(stamps))
    assert events[2]["STATUS"] == "CANCELLED"
    assert [one["In-Reply-To"] for one in mails] == [None, mails[0]["Message-ID"], mails[0]["Message-ID"]]
    assert "Moved to Wed 13 Jan, 11:00" in mails[1]["Subject"]
    assert "It was Wed 13 Jan, 10:00." in mails[1].get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert methods(mailbox.to(BO)) == ["REQUEST", "REQUEST", "CANCEL"]


def test_three_changes_within_a_second_have_three_stamps(
    make: Make, mailbox: Mailbox, deliver: Deliver, act: Act
) -> None:
    visit = make.appointment("Wed 10:00")
    deliver()
    act(appointments.reschedule, visit, make.at("Wed 11:00"))
    deliver()
    act(appointments.cancel, visit)
    deliver()
    stamps = [found["DTSTAMP"].dt for one in mailbox.to(ADA) if (found := event(one))]
    assert len(stamps) == 3
    assert stamps == sorted(set(stamps))


def test_a_request_has_no_event_until_it_is_confirmed(make: Make, mailbox: Mailbox, deliver: Deliver, act: Act) -> None:
    make.clinic(confirmation="request")
    visit = make.appointment("Wed 10:00")
    deliver()
    assert not mailbox.to(BO)
    act(appointments.confirm, visit, by=CY, minutes=5)
    deliver(5)
    asked, confirmed = mailbox.to(ADA)
    assert (event(asked), event(confirmed)["SEQUENCE"]) == (None, 0)  # type: ignore[index]
    assert asked["Subject"].startswith("Not yet confirmed: ")
    assert methods(mailbox.to(BO)) == ["REQUEST"]


@pytest.mark.parametrize(
    ("action", "by", "subject"),
    [
        (appointments.decline, CY, "Not booked: "),
        (appointments.cancel, PATIENT, "Cancelled: "),
    ],
)
def test_the_end_of_a_request_is_a_plain_mail(
    make: Make, mailbox: Mailbox, deliver: Deliver, act: Act, action: Any, by: Caller, subject: str
) -> None:
    make.clinic(confirmation="request")
    visit = make.appointment("Wed 10:00")
    deliver()
    act(action, visit, by=by, minutes=5)
    deliver(5)
    assert methods(mailbox.to(ADA)) == [None, None]
    assert mailbox.to(ADA)[1]["Subject"].startswith(subject)


def test_a_request_that_nobody_answers_ends_with_a_mail(
    app: Flask, make: Make, mailbox: Mailbox, deliver: Deliver, now: datetime
) -> None:
    make.clinic(confirmation="request", request_lapses=60)
    make.appointment("Wed 10:00")
    deliver()
    with app.app_context():
        assert appointments.lapse(now + timedelta(hours=2)) == 1
    deliver(120)
    assert "was not answered in time" in mailbox.to(ADA)[1].get_body(("plain",)).get_content()  # type: ignore[union-attr]


def test_an_offered_time_waits_for_the_patients_word(make: Make, mailbox: Mailbox, deliver: Deliver, act: Act) -> None:
    make.clinic(confirmation="request")
    visit = make.appointment("Wed 10:00")
    deliver()
    act(appointments.offer, visit, make.at("Thu 11:00"), by=CY, message="Bo is away on Wednesday.", minutes=1)
    deliver(1)
    act(appointments.accept, visit, minutes=2)
    deliver(2)
    _, offered, booked = mailbox.to(ADA)
    assert offered["Subject"].startswith("Another time for you: Thu 14 Jan, 11:00")
    assert "Bo is away on Wednesday." in offered.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert methods([offered, booked]) == [None, "REQUEST"]


def test_what_was_cancelled_before_anything_was_sent_is_not_mentioned(
    make: Make, mailbox: Mailbox, deliver: Deliver, act: Act
) -> None:
    visit = make.appointment("Wed 10:00")
    act(appointments.cancel, visit)
    deliver()
    assert not mailbox.to(ADA)
    assert not mailbox.to(BO)


def test_a_visit_that_the_clinic_cancels_is_told_even_if_nothing_was_sent(
    make: Make, mailbox: Mailbox, deliver: Deliver, act: Act
) -> None:
    visit = make.appointment("Wed 10:00")
    act(appointments.cancel, visit, by=CY)
    deliver()
    (told,) = mailbox.to(ADA)
    assert event(told) is None
    assert told["Subject"].startswith("Cancelled: ")


def test_a_visit_moved_before_anything_was_sent_is_one_invite(
    make: Make, mailbox: Mailbox, deliver: Deliver, act: Act, rows: Rows
) -> None:
    visit = make.appointment("Wed 10:00")
    act(appointments.reschedule, visit, make.at("Wed 11:00"))
    deliver()
    (told,) = mailbox.to(ADA)
    found = event(told)
    assert found is not None
    assert (found["DTSTART"].dt, found["SEQUENCE"]) == (make.at("Wed 11:00"), 1)
    assert told["Subject"].startswith("Wed 13 Jan, 11:00: your visit")
    assert [row.state for row in rows(ADA)] == ["superseded", "sent"]


def test_the_desks_move_waits_three_minutes_and_can_be_undone_unnoticed(
    make: Make, mailbox: Mailbox, deliver: Deliver, act: Act, rows: Rows
) -> None:
    visit = make.appointment("Wed 10:00")
    deliver()
    act(appointments.reschedule, visit, make.at("Wed 11:00"), by=CY)
    deliver(2)
    assert len(mailbox.to(ADA)) == 1
    act(appointments.reschedule, visit, make.at("Wed 10:00"), by=CY, minutes=2)
    deliver(60)
    assert len(mailbox.to(ADA)) == 1
    assert len(mailbox.to(BO)) == 1
    assert [row.state for row in rows(ADA)] == ["sent", "superseded", "superseded"]


def test_the_desks_two_moves_are_told_as_one(make: Make, mailbox: Mailbox, deliver: Deliver, act: Act) -> None:
    visit = make.appointment("Wed 10:00")
    deliver()
    act(appointments.reschedule, visit, make.at("Wed 11:00"), by=CY)
    act(appointments.reschedule, visit, make.at("Wed 12:00"), by=CY, minutes=1)
    deliver(4.5)
    _, moved = mailbox.to(ADA)
    assert moved["Subject"].startswith("Moved to Wed 13 Jan, 12:00")
    assert "It was Wed 13 Jan, 10:00." in moved.get_body(("plain",)).get_content()  # type: ignore[union-attr]


def test_a_move_that_may_have_been_read_is_undone_in_words(
    make: Make, mailbox: Mailbox, deliver: Deliver, act: Act
) -> None:
    visit = make.appointment("Wed 10:00")
    deliver()
    act(appointments.reschedule, visit, make.at("Wed 11:00"))
    mailbox.answer = "451 later"
    deliver()
    act(appointments.reschedule, visit, make.at("Wed 10:00"))
    mailbox.answer = ""
    deliver(10)
    assert [one["Subject"][:24] for one in mailbox.to(ADA)] == ["Wed 13 Jan, 10:00: your ", "Moved to Wed 13 Jan, 10:"]


def test_the_end_is_told_of_the_time_that_was_heard_of(
    make: Make, mailbox: Mailbox, deliver: Deliver, act: Act
) -> None:
    visit = make.appointment("Wed 10:00")
    deliver()
    act(appointments.reschedule, visit, make.at("Wed 11:00"), by=CY)
    act(appointments.reschedule, visit, make.at("Wed 12:00"), by=CY, minutes=1)
    act(appointments.cancel, visit, by=CY, minutes=2)
    deliver(2)
    for address in (ADA, BO):
        _, cancelled = mailbox.to(address)
        found = event(cancelled)
        assert found is not None
        assert (found["METHOD"], found["DTSTART"].dt, found["SEQUENCE"]) == ("CANCEL", make.at("Wed 10:00"), 3)
        assert "Wed 13 Jan, 10:00" in cancelled["Subject"]


def test_the_old_address_hears_of_the_time_that_it_knows(
    app: Flask, make: Make, mailbox: Mailbox, deliver: Deliver, act: Act
) -> None:
    visit = make.appointment("Wed 10:00")
    deliver()
    act(appointments.reschedule, visit, make.at("Wed 11:00"), by=CY)
    with app.app_context():
        someone = db.session.get_one(Patient, visit.patient_id)
        person = make.person(email="ada@home.example")
        patients.change(make.elm, someone.public_id, person, expected=someone.version, by=CY, now=make.now)
    deliver()
    assert mailbox.to(ADA)[-1]["Subject"].startswith("Cancelled: Wed 13 Jan, 10:00")


def test_an_invite_asked_for_again_counts_the_move_that_nobody_was_told_of(
    app: Flask, make: Make, mailbox: Mailbox, deliver: Deliver, act: Act
) -> None:
    visit = make.appointment("Wed 10:00")
    deliver()
    asked = {"uid": visit.uid, "organizer": app.config["SETTINGS"].sender, "method": "REFRESH"}
    with app.app_context():
        inbox.receive(written("apple", **asked), make.now + timedelta(minutes=20))
    act(appointments.reschedule, visit, make.at("Wed 11:00"), by=CY, telling=Tell.NO, minutes=20)
    deliver(21)
    found = event(mailbox.to(ADA)[-1])
    assert found is not None
    assert (found["DTSTART"].dt, found["SEQUENCE"]) == (make.at("Wed 11:00"), 1)


def test_another_practitioner_takes_the_visit_over(make: Make, mailbox: Mailbox, deliver: Deliver, act: Act) -> None:
    visit = make.appointment("Tue 10:00")
    deliver()
    dee = make.wish(practitioner="dee").practitioner
    act(appointments.reschedule, visit, make.at("Tue 10:00"), by=CY, practitioner=dee)
    deliver(4)
    assert methods(mailbox.to(BO)) == ["REQUEST", "CANCEL"]
    _, changed = mailbox.to(ADA)
    assert changed["Subject"].startswith("Changed: ")
    found = event(changed)
    assert found is not None
    assert (found["METHOD"], found["SEQUENCE"]) == ("REQUEST", 1)
    assert "Dee Marsh" in found["DESCRIPTION"]


@pytest.mark.parametrize("end", [appointments.cancel, day.enter_in_error])
def test_what_goes_after_the_patient_came_leaves_the_calendars_too(
    make: Make, mailbox: Mailbox, deliver: Deliver, act: Act, end: Any
) -> None:
    visit = make.appointment("Mon 10:00")
    deliver()
    act(day.note, visit, Status.ARRIVED, by=CY, minutes=60)
    act(end, visit, by=CY, minutes=61)
    deliver(61)
    for address in (ADA, BO):
        events = [found for one in mailbox.to(address) if (found := event(one))]
        assert [(found["METHOD"], found["SEQUENCE"]) for found in events] == [("REQUEST", 0), ("CANCEL", 1)]


def test_who_is_here_needs_no_call(make: Make, act: Act, rows: Rows) -> None:
    visit = make.appointment("Mon 10:00", person=make.person(email=None, phone="+442079460123"))
    act(day.note, visit, Status.ARRIVED, by=CY, minutes=60)
    act(appointments.cancel, visit, by=CY, minutes=61)
    assert rows("") == []


def test_an_address_in_capitals_is_the_same_calendar(
    app: Flask, make: Make, mailbox: Mailbox, deliver: Deliver, act: Act
) -> None:
    visit = make.appointment("Wed 10:00", person=make.person(email="Ada@Example.com"))
    deliver()
    with app.app_context():
        someone = db.session.get_one(Patient, visit.patient_id)
        patients.change(make.elm, someone.public_id, make.person(), expected=someone.version, by=CY, now=make.now)
    act(appointments.reschedule, visit, make.at("Wed 11:00"), minutes=1)
    deliver(1)
    act(appointments.cancel, visit, minutes=2)
    deliver(2)
    assert methods(mailbox.to("Ada@Example.com") + mailbox.to(ADA)) == ["REQUEST", "REQUEST", "CANCEL"]
    assert mailbox.to(ADA)[0]["Subject"].startswith("Moved to ")


@pytest.mark.parametrize("lost", ["address", "invites", "word"])
def test_who_was_invited_hears_of_the_end_whatever_came_between(
    app: Flask, make: Make, mailbox: Mailbox, deliver: Deliver, act: Act, lost: str
) -> None:
    visit = make.appointment("Tue 10:00")
    deliver()
    if lost == "word":
        dee = make.wish(practitioner="dee").practitioner
        act(appointments.reschedule, visit, make.at("Tue 11:00"), by=CY, practitioner=dee, telling=Tell.NO)
    else:
        values = {"email": "bo@home.example"} if lost == "address" else {"invites": False}
        with app.app_context():
            transaction(db.session.execute)(sa.update(Actor).where(Actor.slug == "bo").values(**values))
    act(appointments.cancel, visit, by=CY, minutes=1)
    deliver(1)
    assert methods(mailbox.to(BO)) == ["REQUEST", "CANCEL"]
    cancel = event(mailbox.to(BO)[1])
    assert cancel is not None
    assert cancel["SEQUENCE"] == (2 if lost == "word" else 1)
    assert not [one for one in mailbox.to("bo@home.example") if event(one)]


def test_a_practitioner_who_wants_no_more_invites_is_not_told_that_the_visit_went(
    app: Flask, make: Make, mailbox: Mailbox, deliver: Deliver, act: Act
) -> None:
    visit = make.appointment("Tue 10:00")
    deliver()
    with app.app_context():
        transaction(db.session.execute)(sa.update(Actor).where(Actor.slug == "bo").values(invites=False))
    act(appointments.reschedule, visit, make.at("Tue 12:00"), minutes=1)
    deliver(1)
    [last] = mailbox.to(BO)[1:]
    assert last["Subject"] == "A visit's invitation no longer holds: Tue 12 Jan, 10:00"
    assert methods([last]) == ["CANCEL"]
    dee = make.wish(practitioner="dee").practitioner
    with app.app_context():
        transaction(db.session.execute)(sa.update(Actor).where(Actor.slug == "bo").values(invites=True))
    act(appointments.reschedule, visit, make.at("Tue 13:00"), minutes=2)
    deliver(2)
    act(appointments.reschedule, visit, make.at("Tue 13:00"), by=CY, practitioner=dee, minutes=3)
    deliver(10)
    assert mailbox.to(BO)[-1]["Subject"].startswith("A visit is no longer yours: ")


def test_an_invite_that_waits_for_who_wants_none_any_more_is_not_sent(
    app: Flask, make: Make, mailbox: Mailbox, deliver: Deliver, act: Act
) -> None:
    visit = make.appointment("Wed 10:00")
    with app.app_context():
        transaction(db.session.execute)(sa.update(Actor).where(Actor.slug == "bo").values(invites=False))
    act(appointments.cancel, visit)
    deliver()
    assert not mailbox.to(BO)


def test_a_clinic_that_wants_it_hears_of_visits_by_patients_alone(
    app: Flask, make: Make, mailbox: Mailbox, deliver: Deliver
) -> None:
    with app.app_context():
        transaction(db.session.execute)(sa.update(Clinic).where(Clinic.id == make.elm).values(notices="all"))
    make.appointment("Wed 10:00")
    make.appointment("Wed 11:00", by=CY, person=make.person("Eve Stone"))
    deliver()
    (notice,) = mailbox.to(ELM)
    assert notice["Subject"] == "New visit: Wed 13 Jan, 10:00"
    assert event(notice) is None


def test_a_patient_without_an_address_is_sent_nothing(make: Make, mailbox: Mailbox, deliver: Deliver) -> None:
    make.appointment("Wed 10:00", person=make.person(email=None, phone="+442079460123"))
    deliver()
    assert {address for envelope in mailbox.envelopes for address in envelope.rcpt_tos} == {BO}


def test_links_to_visits_and_limits_are_mailed_too(put: Put, mailbox: Mailbox, deliver: Deliver, make: Make) -> None:
    put(Kind.LIMIT)
    links = (Link("https://booking.example.com/a/mg_1", make.at("Wed 10:00"), "Europe/London", "Elm House"),)
    put(Kind.LOST_LINK, facts=Facts(links=links))
    deliver()
    limit, lost = mailbox.to(ADA)
    assert limit["Subject"] == "Please call us to book: Elm Clinic"
    assert "https://booking.example.com/a/mg_1" in lost.get_body(("plain",)).get_content()  # type: ignore[union-attr]


def test_a_sign_in_link_is_mailed_as_it_was_made(make: Make, mailbox: Mailbox, deliver: Deliver) -> None:
    make.session()
    deliver()
    (found,) = mailbox.to("cy@elm.example")
    assert "/login/li_" in found.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert found["Subject"] == "Sign in: Elm Clinic"


# When sending fails


def test_a_server_that_is_down_delays_mails_by_no_more_than_a_minute(
    make: Make, deliver: Deliver, rows: Rows, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    make.appointment("Wed 10:00")
    with monkeypatch.context() as down:
        down.setattr(mail, "send", lambda *_, **__: (_ for _ in ()).throw(mail.Unreachable("ConnectionRefusedError")))
        for minutes in (0, 1, 2, 60, 600):
            assert deliver(minutes) == 0
    assert {row.state for row in rows(ADA)} == {"queued"}
    deliver(601)
    assert len(mailbox.to(ADA)) == 1
    assert [row.state for row in rows(ADA)] == ["sent"]


def test_who_was_not_reached_is_told_of_no_end(
    make: Make, deliver: Deliver, act: Act, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was handed over while the server was down, so there is nothing to cancel."""
    visit, moved = make.appointment("Wed 10:00"), make.appointment("Thu 10:00")
    with monkeypatch.context() as down:
        down.setattr(mail, "send", lambda *_, **__: (_ for _ in ()).throw(mail.Unreachable("ConnectionRefusedError")))
        deliver()
        deliver(2)
    act(appointments.cancel, visit, minutes=3)
    act(appointments.reschedule, moved, make.at("Thu 11:00"), minutes=3)
    deliver(3)
    for address in (ADA, BO):
        assert [one["Subject"][:3] for one in mailbox.to(address)] == ["Thu" if address == ADA else "New"]
        assert methods(mailbox.to(address)) == ["REQUEST"]


@pytest.mark.parametrize("telling", [Tell.NO, None])
def test_a_reminder_that_could_not_be_sent_in_time_is_given_up(
    app: Flask, make: Make, deliver: Deliver, act: Act, mailbox: Mailbox, telling: Tell | None
) -> None:
    """It was written for the first try; by the next the visit is elsewhere, which nobody was to be told, or begins."""
    visit = make.appointment("Wed 10:00")
    deliver()
    day_before = 60 * 32
    with app.app_context():
        assert appointments.remind(make.now + timedelta(minutes=day_before)) == 1
    mailbox.answer = "451 later"
    deliver(day_before)
    mailbox.answer = ""
    if telling:
        at = make.at("Wed 11:00")
        act(appointments.reschedule, visit, at, by=CY, telling=telling, minutes=day_before + 1)
    deliver(day_before + (5 if telling else 24 * 60))
    assert len(mailbox.to(ADA)) == 1


def test_every_retry_sends_the_same_bytes(
    make: Make, mailbox: Mailbox, deliver: Deliver, act: Act, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    make.appointment("Wed 10:00")
    tried: list[tuple[str, bytes]] = []
    real = mail.send

    def watched(data: bytes, **options: Any) -> None:
        tried.append((options["to"], data))
        real(data, **options)

    monkeypatch.setattr(mail, "send", watched)
    mailbox.answer = "451 later"
    deliver()
    deliver(2)
    mailbox.answer = ""
    deliver(10)
    data = [data for to, data in tried if to == ADA]
    assert len(data) == 3
    assert len(set(data)) == 1
    assert mailbox.to(ADA)[0]["Message-ID"] == rows(ADA)[0].message_id


def test_waits_between_tries_grow(make: Make, mailbox: Mailbox, deliver: Deliver, rows: Rows, now: datetime) -> None:
    make.appointment("Wed 10:00")
    mailbox.answer = "451 later"
    at, waits = 0.0, []
    for _ in range(6):
        deliver(at)
        wait = (rows(ADA)[0].due_at - now).total_seconds() / 60 - at
        waits.append(wait)
        at += wait
    assert waits == [pytest.approx(minutes, rel=0.11) for minutes in (1, 5, 15, 60, 180, 180)]


def test_after_a_day_of_tries_a_message_has_failed(
    make: Make, mailbox: Mailbox, deliver: Deliver, rows: Rows, now: datetime
) -> None:
    make.appointment("Wed 10:00")
    mailbox.answer = "451 later"
    for _ in range(20):
        if rows(ADA)[0].state != "queued":
            break
        deliver((rows(ADA)[0].due_at - now).total_seconds() / 60)
    (row,) = rows(ADA)
    assert (row.state, row.error) == ("failed", "451")
    assert row.ended_at is not None
    assert timedelta(hours=24) <= row.ended_at - now < timedelta(hours=29)


def test_an_outage_of_the_worker_alone_costs_no_message(
    make: Make, mailbox: Mailbox, deliver: Deliver, rows: Rows
) -> None:
    make.appointment("Wed 10:00")
    mailbox.answer = "451 later"
    deliver(60 * 48)
    assert rows(ADA)[0].state == "queued"


def test_a_mail_refused_for_good_fails_at_once_and_stops_nobody(
    put: Put, mailbox: Mailbox, deliver: Deliver, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = mail.send

    def send(data: bytes, **options: Any) -> None:
        if options["to"] == ADA:
            raise mail.Permanent(550)
        real(data, **options)

    monkeypatch.setattr(mail, "send", send)
    put(address=ADA)
    put(address="eve@example.com")
    deliver()
    assert [(row.state, row.error) for row in rows(ADA)] == [("failed", "550")]
    assert len(mailbox.to("eve@example.com")) == 1


@pytest.mark.parametrize(
    "address", ["not an address", "a@example.com, b@example.com", "ada@example.com\r\nBcc: x@y.example"]
)
def test_a_message_that_can_not_be_written_fails_and_stops_nobody(
    put: Put, mailbox: Mailbox, deliver: Deliver, rows: Rows, address: str
) -> None:
    put(address=address)
    put(address=ADA)
    deliver()
    assert [(row.state, row.error) for row in rows(address)] == [("failed", "BadAddress")]
    assert len(mailbox.to(ADA)) == 1
    assert len(mailbox.envelopes) == 1


def test_a_row_that_makes_no_sense_fails_and_stops_nobody(
    app: Flask, put: Put, mailbox: Mailbox, deliver: Deliver, rows: Rows
) -> None:
    put(address="eve@example.com", facts=Facts(message="sealed"))
    put(address="mal@example.com")
    put(address=ADA)
    with app.app_context():
        transaction(db.session.execute)(
            sa.update(Message).where(Message.address == "eve@example.com").values(facts=b"\x01garbage" + bytes(40))
        )
        transaction(db.session.execute)(
            sa.update(Message).where(Message.address == "mal@example.com").values(kind="unheard-of")
        )
    deliver()
    assert [rows(address)[0].state for address in ("eve@example.com", "mal@example.com", ADA)] == [
        "failed",
        "failed",
        "sent",
    ]


def test_no_transaction_is_open_while_the_server_is_talked_to(
    make: Make, mailbox: Mailbox, deliver: Deliver, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bool] = []
    monkeypatch.setattr(mail, "send", lambda *_, **__: seen.append(db.session().in_transaction()))
    make.appointment("Wed 10:00")
    deliver()
    assert seen
    assert not any(seen)


def test_without_a_server_mail_is_kept_in_the_instance_folder(make: Make, deliver: Deliver, settings: Settings) -> None:
    make.appointment("Wed 10:00")
    sent = deliver()
    files = list((settings.instance / "mail").glob("*.eml"))
    assert len(files) == sent == 2
    assert any(b"To: ada@example.com\r\n" in file.read_bytes() for file in files)


# What waits, and for how long


def test_what_waits_is_sealed(make: Make, mailbox: Mailbox, deliver: Deliver, act: Act, rows: Rows) -> None:
    visit = make.appointment("Wed 10:00")
    mailbox.answer = "451 later"
    deliver()
    act(appointments.cancel, visit, by=CY, minutes=1)
    for row in rows(ADA):
        for sealed in (row.content, row.facts):
            assert b"Ada" not in (sealed or b"")
            assert b"Elm" not in (sealed or b"")
    assert rows(ADA)[0].content


def test_contents_are_wiped_a_week_after_the_last_try(
    app: Flask, make: Make, mailbox: Mailbox, deliver: Deliver, rows: Rows, now: datetime
) -> None:
    make.appointment("Wed 10:00")
    deliver()
    with app.app_context():
        assert sending.wipe(now + timedelta(days=6)) == 0
        assert sending.wipe(now + timedelta(days=7, minutes=1)) == 2
        assert sending.wipe(now + timedelta(days=8)) == 0
    (row,) = rows(ADA)
    assert (row.content, row.facts, row.state) == (None, None, "sent")


def test_what_was_not_sent_is_never_wiped(app: Flask, put: Put, rows: Rows, now: datetime) -> None:
    put(facts=Facts(message="kept"))
    with app.app_context():
        sending.wipe(now + timedelta(days=400))
    assert rows(ADA)[0].facts


# Leases and order, on both databases


@pytest.fixture
def claim(app: Flask, now: datetime) -> Callable[..., outbox.Claim | None]:
    def claim(minutes: float = 0) -> outbox.Claim | None:
        with app.app_context():
            return transaction(outbox.claim)(now + timedelta(minutes=minutes))

    return claim


Claiming = Callable[..., outbox.Claim | None]
both = pytest.mark.usefixtures("both_databases")


@both
def test_a_dead_workers_message_is_sent_by_another_after_two_minutes(
    app: Flask, put: Put, claim: Claiming, rows: Rows, now: datetime
) -> None:
    put()
    dead = claim()
    assert dead is not None
    assert dead.address == ADA
    assert claim(1.9) is None
    living = claim(2)
    assert living is not None
    assert (living.id, living.message_id, living.attempt) == (dead.id, dead.message_id, 2)
    with app.app_context():
        # It was not dead, only slow: its word no longer counts.
        assert transaction(outbox.failed)(dead, "late", now) is False
        assert transaction(outbox.rendered)(dead, b"late", details=None) is False
        assert transaction(outbox.retry)(dead, "late", now) is False
        assert transaction(outbox.sent)(living, now) is True
        assert transaction(outbox.sent)(living, now) is False
    assert rows(ADA)[0].state == "sent"


@both
def test_nothing_overtakes_an_earlier_message_to_the_same_reader(
    app: Flask, make: Make, mailbox: Mailbox, deliver: Deliver, act: Act, rows: Rows, claim: Claiming
) -> None:
    visit = make.appointment("Wed 10:00")
    make.appointment("Wed 12:00", person=make.person("Eve Stone"))
    deliver()
    act(appointments.cancel, visit, minutes=1)
    cancel = rows(ADA)[-1]
    with app.app_context():

        @transaction
        def queue_another() -> None:
            outbox.put(
                clinic_id=visit.clinic_id,
                appointment_id=visit.id,
                kind=Kind.CHANGED,
                role=Recipient.PATIENT,
                method=None,
                address=ADA,
                language="en",
                now=cancel.created_at,
            )
            db.session.execute(
                sa.update(Message).where(Message.id == cancel.id).values(due_at=cancel.due_at + timedelta(hours=1))
            )

        queue_another()
    claimed = []
    while (found := claim(2)) is not None:
        claimed.append((found.address, found.kind))
    assert claimed == [(BO, Kind.CANCELLED)]
    while (found := claim(70)) is not None:
        claimed.append((found.address, found.kind))
    assert (ADA, Kind.CANCELLED) in claimed
    assert (ADA, Kind.CHANGED) not in claimed


@both
def test_two_workers_never_send_the_same_message(app: Flask, put: Put, now: datetime) -> None:
    for number in range(20):
        put(address=f"ada{number}@example.com")
    claimed: list[int] = []
    start = threading.Barrier(4)

    def work() -> None:
        with app.app_context():
            start.wait()
            while (found := transaction(outbox.claim)(now)) is not None:
                claimed.append(found.id)
            db.session.remove()

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(claimed) == len(set(claimed)) == 20


@both
def test_a_visit_cancelled_while_its_invite_is_on_the_way_is_cancelled_after_it(
    app: Flask, make: Make, mailbox: Mailbox, deliver: Deliver, act: Act, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The action falls between the worker's claim and its sending, in another thread as in life."""
    visit = make.appointment("Wed 10:00")
    real, done = mail.send, []

    def send(data: bytes, **options: Any) -> None:
        if options["to"] == ADA and not done:
            done.append(True)
            other = threading.Thread(target=act, args=(appointments.cancel, visit), kwargs={"minutes": 0.5})
            other.start()
            other.join()
        real(data, **options)

    monkeypatch.setattr(mail, "send", send)
    deliver()
    deliver(1)
    events = [found for one in mailbox.to(ADA) if (found := event(one))]
    assert [(found["METHOD"], found["SEQUENCE"]) for found in events] == [("REQUEST", 0), ("CANCEL", 1)]
    assert events[0]["DTSTAMP"].dt < events[1]["DTSTAMP"].dt


# What the clinic itself changes


def moved_house(**location: Any) -> str:
    """Elm Clinic's file with its place changed."""
    file: Any = tomlkit.parse(ELM_FILE)
    file["locations"][0].update(location)
    return tomlkit.dumps(file)


@pytest.fixture
def outdated(make: Make) -> Callable[[], list[str]]:
    """Call it for the visits whose invites say something else than the settings."""

    def outdated() -> list[str]:
        with make.app.app_context():
            return sending.outdated(make.elm, make.now)

    return outdated


@pytest.mark.usefixtures("both_databases")
def test_a_new_address_reaches_the_calendars_of_all_who_were_invited(
    make: Make, mailbox: Mailbox, deliver: Deliver, act: Act, outdated: Callable[[], list[str]]
) -> None:
    visit, eves = make.appointment("Wed 10:00"), make.appointment("Tue 11:00", person=make.person("Eve Moneypenny"))
    deliver()
    assert outdated() == []
    make.clinic(moved_house(address=["2 Oak Lane", "London"], directions="Now next door."))
    assert outdated() == [eves.public_id, visit.public_id]

    assert act(sending.update, visit, message="We have more room now.", minutes=1)
    assert not act(sending.update, visit, minutes=1)
    deliver(1)
    assert outdated() == [eves.public_id]
    first, second = mailbox.to(ADA)
    old, new = event(first), event(second)
    assert old
    assert new
    assert (new["METHOD"], new["UID"], new["SEQUENCE"]) == ("REQUEST", old["UID"], old["SEQUENCE"])
    assert new["DTSTAMP"].dt > old["DTSTAMP"].dt
    assert "2 Oak Lane" in new["LOCATION"]
    assert new["DTSTART"] == old["DTSTART"]
    said = second.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert "We have more room now." in said
    assert "Now next door." in said
    assert "The time is the same." in said
    assert methods(mailbox.to(BO)) == ["REQUEST", "REQUEST", "REQUEST"]  # both visits, and this one's update


def test_what_is_changed_back_or_told_anyway_is_no_news(
    make: Make, mailbox: Mailbox, deliver: Deliver, act: Act, outdated: Callable[[], list[str]]
) -> None:
    visit = make.appointment("Wed 10:00")
    deliver()
    make.clinic(moved_house(phone="020 7946 0199"))
    assert outdated() == [visit.public_id]
    make.clinic()
    assert outdated() == []
    make.clinic(moved_house(phone="020 7946 0199"))
    act(appointments.reschedule, visit, make.at("Wed 11:00"), minutes=1)
    assert outdated() == []  # the mail of the move waits, and will say it
    deliver(1)
    assert outdated() == []
    make.clinic(horizon=50)
    make.clinic(moved_house(phone="020 7946 0199"))
    act(appointments.cancel, visit, minutes=2)
    make.clinic()
    assert outdated() == []
    assert not act(sending.update, visit, minutes=3)


def test_a_request_and_what_is_over_have_no_invite_to_update(
    make: Make, mailbox: Mailbox, deliver: Deliver, app: Flask
) -> None:
    visit = make.appointment("Mon 09:00")
    deliver()
    make.clinic(moved_house(address=["2 Oak Lane", "London"]))
    with app.app_context():
        assert sending.outdated(make.elm, visit.starts_at) == []
    make.clinic(confirmation="request")
    make.appointment("Tue 09:00", person=make.person("Eve Moneypenny"))
    deliver()
    make.clinic()
    with app.app_context():
        assert sending.outdated(make.elm, make.now + timedelta(hours=2)) == []
