"""The day of a visit: every step by everybody from every status, taken back, at places, longer, and said by phone."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
import sqlalchemy as sa

from booking.actions import appointment as appointments
from booking.actions import outbox as deliveries
from booking.actions import visit as visits
from booking.domain.access import PATIENT, Caller
from booking.domain.appointment import ASKED, Status, Step, Why, is_late, may_go_back_to
from booking.domain.errors import BookingError, Changed, NotAllowed, PlaceTaken, SlotTaken, WrongStatus
from booking.domain.message import Kind, is_still_news
from booking.domain.time import tick_of
from booking.store import history, invariants, overrun, phone, transition
from booking.store.appointment import Appointment, by_public_id
from booking.store.base import db
from booking.store.outbox import Message
from booking.store.place import places
from tests.cast import Make

S = Status
MINUTE = timedelta(minutes=1)
CY, BO = Caller("staff", None, "front-desk"), Caller("staff", None, "practitioner")
EVE = {"email": None, "phone": "+442079460155"}
NINE = datetime(2027, 1, 11, 9, tzinfo=UTC)  # on Monday, which is today


# Rules


def made(*statuses: Status, back: int = 0) -> list[Step]:
    """Steps through these statuses, a minute apart; the last `back` of them took one back."""
    found = [Step(None, statuses[0], NINE)]
    for n, (old, new) in enumerate(pairwise(statuses), 1):
        found.append(Step(old, new, NINE + n * MINUTE, back=n >= len(statuses) - back))
    return found


@pytest.mark.parametrize(
    ("steps", "minutes", "expected"),
    [
        (made(S.BOOKED), 0, None),
        (made(S.BOOKED, S.ARRIVED), 1, S.BOOKED),
        (made(S.BOOKED, S.ARRIVED), 31, S.BOOKED),
        (made(S.BOOKED, S.ARRIVED), 32, None),
        (made(S.BOOKED, S.FULFILLED), 1, S.BOOKED),
        (made(S.BOOKED, S.NOSHOW, S.ARRIVED), 2, S.NOSHOW),
        (made(S.BOOKED, S.ARRIVED, S.CHECKED_IN, S.ARRIVED, back=1), 3, S.BOOKED),
        (made(S.BOOKED, S.ARRIVED, S.CHECKED_IN, S.ARRIVED, S.BOOKED, back=2), 4, None),
        (made(S.BOOKED, S.ARRIVED, S.BOOKED, S.ARRIVED), 3, S.BOOKED),
        (made(S.BOOKED, S.ARRIVED, S.ARRIVED), 2, S.BOOKED),
        (made(S.PENDING, S.BOOKED), 1, None),
        (made(S.BOOKED, S.CANCELLED), 1, None),
        (made(S.BOOKED, S.FULFILLED, S.ENTERED_IN_ERROR), 2, None),
    ],
)
def test_the_last_step_that_stands_may_be_taken_back(steps: list[Step], minutes: int, expected: Status | None) -> None:
    assert may_go_back_to(steps, NINE + minutes * MINUTE) == expected


@pytest.mark.parametrize(("minutes", "expected"), [(14, False), (15, True), (44, True), (45, False)])
def test_who_is_not_there_a_quarter_of_an_hour_after_the_start_is_late(minutes: int, expected: bool) -> None:
    ends = NINE + 30 * MINUTE
    assert is_late(S.BOOKED, NINE, ends, NINE + minutes * MINUTE) is expected
    assert not is_late(S.ARRIVED, NINE, ends, NINE + minutes * MINUTE)


def test_only_what_is_still_so_is_said_by_phone() -> None:
    news = {status: {kind for kind in Kind if is_still_news(kind, status)} for status in Status}
    assert Kind.MOVED in news[S.BOOKED]
    assert Kind.CHOOSE in news[S.BOOKED]
    assert Kind.CALLED_OFF not in news[S.BOOKED]
    assert news[S.PENDING] == {Kind.REQUESTED, Kind.OFFERED}
    assert news[S.CANCELLED] == {Kind.CALLED_OFF, Kind.DECLINED, Kind.LAPSED, Kind.MISTAKE}
    assert not news[S.ARRIVED] | news[S.FULFILLED]


# Steps


@pytest.fixture
def both(both_databases: str, context: None) -> str:
    return both_databases


def set_to(visit: Appointment, status: Status) -> None:
    db.session.execute(sa.update(Appointment).where(Appointment.id == visit.id).values(status=status))
    db.session.commit()


def now_of(make: Make, visit: Appointment) -> Appointment:
    db.session.rollback()
    return by_public_id(make.elm, visit.public_id)


def sound(make: Make) -> bool:
    """Whether nothing in the database is at odds with anything else."""
    db.session.rollback()
    return not [found for _, found in invariants.faults(tick_of(make.now)) if found]


def told(visit: Appointment) -> list[tuple[str, str, str | None]]:
    """Kind, state and method of the patient's messages about the visit, in order; superseded ones left out."""
    query = sa.select(Message.kind, Message.state, Message.method).where(
        Message.appointment_id == visit.id, Message.role == "patient", Message.state != "superseded"
    )
    return [(kind, state, method) for kind, state, method in db.session.execute(query.order_by(Message.id))]


MAY = {
    S.ARRIVED: {S.BOOKED, S.NOSHOW, S.CHECKED_IN},
    S.CHECKED_IN: {S.BOOKED, S.ARRIVED, S.FULFILLED},
    S.FULFILLED: {S.BOOKED, S.ARRIVED, S.CHECKED_IN},
    S.NOSHOW: {S.BOOKED, S.ARRIVED},
}


@pytest.mark.usefixtures("context")
def test_every_step_from_every_status_by_everybody(make: Make) -> None:
    visit = make.appointment("Mon 09:00")
    later = NINE + 20 * MINUTE
    for by in (CY, BO, Caller("staff", None, "owner")):
        for new in Status:
            for old in Status:
                set_to(visit, old)
                try:
                    became: object = visits.note(make.elm, visit.public_id, new, by=by, now=later).status
                except (WrongStatus, NotAllowed) as refusal:
                    became = type(refusal)
                is_theirs = new in MAY and (new != S.NOSHOW or by is not BO)
                expected = new if is_theirs and old in MAY[new] | {new} else WrongStatus if is_theirs else NotAllowed
                assert became == expected, (by, old, new)
    assert told(visit) == [("booked", "queued", "REQUEST")]  # of the day nobody is told


@pytest.mark.usefixtures("context")
def test_nobody_arrives_before_their_day_or_stays_away_before_their_time(make: Make) -> None:
    visit = make.appointment("Tue 09:00")
    start = make.at("Tue 09:00")
    for status, at, is_so in (
        (S.ARRIVED, start.replace(hour=0) - MINUTE, False),
        (S.NOSHOW, start - MINUTE, False),
        (S.NOSHOW, start, True),
        (S.ARRIVED, start.replace(hour=0), True),
        (S.CHECKED_IN, start + timedelta(days=1), True),
    ):
        set_to(visit, S.BOOKED)
        if is_so:
            assert visits.note(make.elm, visit.public_id, status, by=CY, now=at).status == status
        else:
            with pytest.raises(WrongStatus):
                visits.note(make.elm, visit.public_id, status, by=CY, now=at)


@pytest.mark.usefixtures("context")
def test_another_version_is_never_overwritten(make: Make) -> None:
    visit = make.appointment("Mon 09:00")
    visits.note(make.elm, visit.public_id, S.ARRIVED, by=CY, now=NINE, expected=visit.version)
    newer = now_of(make, visit).version
    assert newer > visit.version
    old: dict[str, Callable[[], object]] = {
        "note": lambda: visits.note(make.elm, visit.public_id, S.FULFILLED, by=CY, now=NINE, expected=1),
        "back": lambda: visits.take_back(make.elm, visit.public_id, by=CY, now=NINE, expected=1),
        "error": lambda: visits.enter_in_error(make.elm, visit.public_id, by=CY, now=NINE, expected=1),
        "extend": lambda: visits.extend(make.elm, visit.public_id, by=CY, now=NINE, expected=1),
        "ask": lambda: visits.ask_to_choose(make.elm, visit.public_id, by=CY, now=NINE, expected=1),
        "cancel": lambda: appointments.cancel(make.elm, visit.public_id, by=CY, now=NINE, expected=1),
    }
    for name, change in old.items():
        with pytest.raises(Changed):
            change()
        assert (now_of(make, visit).status, now_of(make, visit).version) == (S.ARRIVED, newer), name


@pytest.mark.usefixtures("context")
def test_steps_are_taken_back_one_by_one_and_stay_in_the_history(make: Make) -> None:
    visit = make.appointment("Mon 09:00")
    for status in (S.ARRIVED, S.CHECKED_IN, S.FULFILLED):
        visits.note(make.elm, visit.public_id, status, by=BO, now=NINE)
    for status in (S.CHECKED_IN, S.ARRIVED, S.BOOKED):
        assert visits.take_back(make.elm, visit.public_id, by=BO, now=NINE).status == status
    with pytest.raises(WrongStatus):
        visits.take_back(make.elm, visit.public_id, by=BO, now=NINE)
    entries = history.of(now_of(make, visit))
    assert [(e.old, e.new, bool(e.what.get("back"))) for e in entries][-2:] == [
        (S.CHECKED_IN, S.ARRIVED, True),
        (S.ARRIVED, S.BOOKED, True),
    ]
    assert told(visit) == [("booked", "queued", "REQUEST")]


@pytest.mark.usefixtures("context")
def test_a_practitioner_does_not_take_back_what_the_desk_noted(make: Make) -> None:
    visit = make.appointment("Mon 09:00")
    visits.note(make.elm, visit.public_id, S.NOSHOW, by=CY, now=NINE)
    with pytest.raises(NotAllowed):
        visits.take_back(make.elm, visit.public_id, by=BO, now=NINE)
    with pytest.raises(WrongStatus):
        visits.take_back(make.elm, visit.public_id, by=CY, now=NINE + 31 * MINUTE)
    assert visits.take_back(make.elm, visit.public_id, by=CY, now=NINE).status == S.BOOKED


# Places


@pytest.mark.usefixtures("context")
def test_a_place_is_given_to_one_at_a_time(make: Make) -> None:
    ada = make.appointment("Mon 09:00", service="needles")
    eve = make.appointment("Mon 09:15", service="needles", person=make.person("Eve Other"))

    def check_in(visit: Appointment, place: int | None) -> int | None:
        return visits.note(make.elm, visit.public_id, S.CHECKED_IN, by=BO, now=NINE, place=place).place

    assert check_in(ada, 2) == 2
    assert places(now_of(make, eve)) == {1: "", 2: "Ada Lovelace", 3: "", 4: "", 5: "", 6: ""}
    for wrong in (2, 0, 7):
        with pytest.raises(PlaceTaken):
            check_in(eve, wrong)
    assert check_in(eve, None) is None
    assert check_in(eve, 3) == 3
    assert check_in(ada, 1) == 1  # they changed chairs
    visits.note(make.elm, ada.public_id, S.FULFILLED, by=BO, now=NINE)
    assert now_of(make, ada).place == 1
    assert check_in(eve, 1) == 1
    assert visits.take_back(make.elm, ada.public_id, by=BO, now=NINE).place is None  # Eve sits there by now
    assert places(make.appointment("Mon 11:00")) == {}  # no room


# Ends


@pytest.mark.usefixtures("both")
@pytest.mark.parametrize("heard", [True, False])
def test_a_visit_entered_in_error_goes_as_if_it_had_never_been(make: Make, heard: bool) -> None:
    visit = make.appointment("Tue 09:00")
    if heard:
        db.session.execute(sa.update(Message).values(state="sent", attempts=1))
        db.session.commit()
    for _ in range(2):
        visits.enter_in_error(make.elm, visit.public_id, by=CY, now=make.now, reason="Wrong Ada")
    assert now_of(make, visit).status == S.ENTERED_IN_ERROR
    assert told(visit) == ([("booked", "sent", "REQUEST"), ("mistake", "queued", "CANCEL")] if heard else [])
    assert history.of(visit)[-1].reason == "Wrong Ada"
    assert make.appointment("Tue 09:00").id != visit.id
    assert sound(make)


@pytest.mark.usefixtures("context")
@pytest.mark.parametrize(
    ("why", "kind"), [(Why.PATIENT, "cancelled"), (Why.CLINIC, "called-off"), (None, "called-off")]
)
def test_the_mail_says_who_cancelled(make: Make, why: Why | None, kind: str) -> None:
    visit = make.appointment("Tue 09:00")
    db.session.execute(sa.update(Message).values(state="sent", attempts=1))
    db.session.commit()
    appointments.cancel(make.elm, visit.public_id, by=CY, now=make.now, why=why, reason="She rang", message="Sorry.")
    assert told(visit)[-1] == (kind, "queued", "CANCEL")
    assert history.of(visit)[-1].what.get("why") == why


@pytest.mark.usefixtures("context")
def test_only_the_desk_cancels_a_visit_whose_patient_is_here(make: Make) -> None:
    visit = make.appointment("Mon 09:00")
    visits.note(make.elm, visit.public_id, S.CHECKED_IN, by=CY, now=NINE)
    with pytest.raises(WrongStatus):
        appointments.cancel(make.elm, visit.public_id, by=PATIENT, now=NINE)
    with pytest.raises(WrongStatus):
        appointments.cancel(make.elm, visit.public_id, by=CY, now=NINE + 30 * MINUTE)
    assert appointments.cancel(make.elm, visit.public_id, by=CY, now=NINE).status == S.CANCELLED


# Longer


@pytest.mark.usefixtures("both")
def test_a_visit_stays_longer_while_nobody_waits(make: Make) -> None:
    ada = make.appointment("Mon 09:00")
    with pytest.raises(WrongStatus):
        visits.extend(make.elm, ada.public_id, by=BO, now=NINE)
    visits.note(make.elm, ada.public_id, S.CHECKED_IN, by=BO, now=NINE)
    longer = visits.extend(make.elm, ada.public_id, by=BO, now=NINE + 31 * MINUTE)
    assert longer.ends_at == NINE + 40 * MINUTE
    with pytest.raises(SlotTaken):
        make.hold("Mon 09:30")
    eve = make.appointment("Mon 10:00", person=make.person("Eve Other"))
    visits.extend(make.elm, ada.public_id, by=BO, now=NINE + 41 * MINUTE)
    visits.extend(make.elm, ada.public_id, by=BO, now=NINE + 51 * MINUTE)
    with pytest.raises(SlotTaken):
        visits.extend(make.elm, ada.public_id, by=BO, now=NINE + 61 * MINUTE)
    ada = now_of(make, ada)
    assert ada.ends_at == NINE + 60 * MINUTE
    assert [visit.id for visit, _ in overrun.waiting(ada, NINE + 70 * MINUTE)] == [eve.id]
    assert overrun.waiting(ada, NINE + 60 * MINUTE) == []
    assert told(ada) == [("booked", "queued", "REQUEST")]
    assert sound(make)


@pytest.mark.usefixtures("context")
def test_rest_and_turnover_move_with_a_longer_stay(make: Make) -> None:
    """Ten minutes of needles, thirty of rest, five to take them out, five of turnover: the end of each moves."""
    visit = make.appointment("Mon 09:00", service="needles")
    visits.note(make.elm, visit.public_id, S.CHECKED_IN, by=BO, now=NINE)
    visits.extend(make.elm, visit.public_id, by=BO, now=NINE)
    start = tick_of(NINE)
    ticks: dict[int, list[int]] = {}
    for actor, tick in db.session.execute(sa.text("select actor_id, tick from hold_tick order by tick")):
        ticks.setdefault(actor, []).append(tick - start)
    assert ticks == {visit.practitioner_id: [0, 1, 8, 9, 10], visit.room_id: list(range(12))}
    assert now_of(make, visit).ends_at == NINE + 55 * MINUTE


# By phone


def calls(make: Make) -> list[tuple[str, Kind]]:
    db.session.rollback()
    return [(call.patient.name, call.kind) for call in phone.calls(make.elm, make.now)]


@pytest.mark.usefixtures("both")
def test_who_has_no_address_is_phoned_about_what_the_clinic_changed(make: Make) -> None:
    eve = make.person("Eve Other", **EVE)
    visit = make.appointment("Tue 09:00", person=eve)
    assert calls(make) == []  # Eve booked it herself
    appointments.reschedule(make.elm, visit.public_id, make.at("Wed 09:00"), by=CY, now=make.now)
    appointments.reschedule(make.elm, visit.public_id, make.at("Thu 09:00"), by=CY, now=make.now)
    [call] = phone.calls(make.elm, make.now)
    assert (call.kind, call.has_no_address, call.urgent_at) == (Kind.MOVED, True, make.at("Tue 09:00"))
    appointments.reschedule(make.elm, visit.public_id, make.at("Tue 09:00"), by=CY, now=make.now)
    assert calls(make) == []  # where Eve thinks that it is
    appointments.cancel(make.elm, visit.public_id, by=CY, now=make.now)
    assert calls(make) == [("Eve Other", Kind.CALLED_OFF)]
    [call] = phone.calls(make.elm, make.now)
    visits.told_by_phone(make.elm, call.message, by=CY, now=make.now)
    assert calls(make) == []
    visits.told_by_phone(make.elm, call.message, by=CY, now=make.now)
    visits.not_told_by_phone(make.elm, call.message, by=CY, now=make.now + 30 * MINUTE)
    assert calls(make) == [("Eve Other", Kind.CALLED_OFF)]
    other = make.clinic(slug="oak", name="Oak Clinic")
    visits.told_by_phone(other, call.message, by=CY, now=make.now)
    assert calls(make) == [("Eve Other", Kind.CALLED_OFF)]
    assert phone.calls(make.elm, make.at("Thu 09:31")) == []  # it is past


@pytest.mark.usefixtures("context")
def test_who_asked_for_it_or_hears_it_at_the_desk_is_not_phoned(make: Make) -> None:
    eve = make.person("Eve Other", **EVE)
    make.appointment("Tue 09:00", person=eve, by=CY)
    asked = make.appointment("Tue 10:00", person=eve)
    appointments.cancel(make.elm, asked.public_id, by=CY, now=make.now, why=Why.PATIENT)
    wrong = make.appointment("Tue 11:00", person=eve)
    visits.enter_in_error(make.elm, wrong.public_id, by=CY, now=make.now)
    assert calls(make) == []


@pytest.mark.usefixtures("context")
def test_a_mail_that_failed_is_said_by_phone_until_a_later_one_arrives(make: Make) -> None:
    visit = make.appointment("Tue 09:00")
    patients = sa.update(Message).where(Message.role == "patient")
    db.session.execute(patients.values(state="failed", attempts=1))
    db.session.commit()
    assert calls(make) == [("Ada Lovelace", Kind.BOOKED)]
    appointments.reschedule(make.elm, visit.public_id, make.at("Wed 09:00"), by=PATIENT, now=make.now)
    assert calls(make) == [("Ada Lovelace", Kind.BOOKED)]
    db.session.execute(patients.where(Message.state == "queued").values(state="sent", attempts=1))
    db.session.commit()
    assert calls(make) == []


@pytest.mark.usefixtures("both")
def test_who_is_asked_to_choose_may_move_the_visit_whatever_the_notice(make: Make) -> None:
    visit = make.appointment("Mon 09:00")
    late = NINE - 10 * MINUTE
    for _ in range(2):
        visits.ask_to_choose(make.elm, visit.public_id, by=CY, now=late, message="Bo is ill.")
    assert told(visit) == [("booked", "queued", "REQUEST"), ("choose", "queued", None)]
    assert now_of(make, visit).needs_desk == ASKED
    assert appointments.remind(make.now + timedelta(hours=1, minutes=20)) == 0
    assert deliveries.deliver(late) == 3  # Bo's invite too
    moved = appointments.reschedule(make.elm, visit.public_id, make.at("Wed 09:00"), by=PATIENT, now=late)
    assert (moved.needs_desk, moved.starts_at) == (None, make.at("Wed 09:00"))
    assert told(visit)[-1] == ("moved", "queued", "REQUEST")


# Two at once: on SQLite a writer locks first, so that one waits for the other.


@pytest.mark.usefixtures("context")
@pytest.mark.parametrize("both_databases", ["postgresql", "sqlite"], indirect=True)
@pytest.mark.parametrize("versions", [True, False])
def test_a_check_in_and_a_cancel_at_once_end_in_one_of_them(
    make: Make, monkeypatch: pytest.MonkeyPatch, both_databases: str, versions: bool
) -> None:
    visit = make.appointment("Mon 09:00")
    expected = visit.version if versions else None
    lock, gate = transition.locked, threading.Barrier(2)

    def together(*args: Any, **kwargs: Any) -> object:
        if both_databases == "postgresql":
            with suppress(threading.BrokenBarrierError):  # the transaction that is tried again has no rival
                gate.wait(2)
        return lock(*args, **kwargs)

    monkeypatch.setattr(transition, "locked", together)
    ends: list[str] = []

    def run(change: Callable[[], Appointment]) -> None:
        with make.app.app_context():
            try:
                ends.append(change().status)
            except BookingError as refusal:
                ends.append(type(refusal).__name__)

    changes: list[Callable[[], Appointment]] = [
        lambda: visits.note(make.elm, visit.public_id, S.FULFILLED, by=CY, now=NINE, expected=expected),
        lambda: appointments.cancel(make.elm, visit.public_id, by=CY, now=NINE, expected=expected),
    ]
    threads = [threading.Thread(target=run, args=(change,)) for change in changes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    stands = now_of(make, visit).status
    assert sorted(ends) == sorted([stands, "Changed" if versions else "WrongStatus"])
    assert len(history.of(visit)) == 2
    assert sound(make)
