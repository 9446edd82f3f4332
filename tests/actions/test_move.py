"""The desk moves a visit and takes the move back: who hears of it, what stands afterwards; on both databases."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from booking.actions import appointment as actions
from booking.actions import patient as patients
from booking.domain.access import PATIENT, Caller
from booking.domain.errors import Changed, NotAllowed, NotOffered, SlotTaken, WrongStatus
from booking.domain.message import Tell
from booking.store.appointment import Appointment, by_public_id, changes
from booking.store.base import db
from booking.store.hold import HoldTick
from booking.store.outbox import Message
from booking.store.patient import Patient
from booking.store.practitioner import Actor
from tests.cast import ELM, Make

pytestmark = pytest.mark.usefixtures("both_databases", "context")

CY = Caller("staff", 1, "front-desk")
MINUTE = timedelta(minutes=1)
BEA = {"name": "Bea Potter"}
QUEUED = ["booked to patient", "booked to practitioner"]


def queued(visit: Appointment, *, due: datetime | None = None) -> list[str]:
    """What waits to be mailed about a visit, at this instant if one is given; in order."""
    query = sa.select(Message).where(Message.appointment_id == visit.id, Message.state == "queued")
    found = db.session.scalars(query.order_by(Message.id))
    return [f"{m.kind} to {m.role}" for m in found if due in (None, m.due_at)]


def actor(slug: str) -> int:
    return db.session.scalars(sa.select(Actor.id).where(Actor.slug == slug)).one()


def move(make: Make, visit: Appointment, start: str, *, minutes: int = 1, **to: Any) -> Appointment:
    return actions.reschedule(make.elm, visit.public_id, make.at(start), by=CY, now=make.now + minutes * MINUTE, **to)


def undo(make: Make, visit: Appointment, *, minutes: int = 2, **options: Any) -> Appointment:
    return actions.undo_move(make.elm, visit.public_id, by=CY, now=make.now + minutes * MINUTE, **options)


def place(visit: Appointment) -> tuple[Any, ...]:
    found = by_public_id(visit.clinic_id, visit.public_id)
    return found.starts_at, found.ends_at, found.practitioner_id, found.room_id, found.location_id


def ticks(visit: Appointment) -> set[tuple[int, int]]:
    query = sa.select(HoldTick.actor_id, HoldTick.tick).join(Appointment, Appointment.clinic_id == HoldTick.clinic_id)
    return {(who, tick) for who, tick in db.session.execute(query.where(Appointment.id == visit.id))}


def mark_sent() -> None:
    db.session.execute(sa.update(Message).values(state="sent", attempts=1))
    db.session.commit()


def test_a_move_undone_in_time_leaves_the_outbox_the_ticks_and_the_place_as_they_were(make: Make) -> None:
    for heard in (False, True):
        visit = make.appointment("Tue 10:00", person=make.person(f"Ada{heard}"))
        if heard:
            mark_sent()
        before = place(visit), ticks(visit), queued(visit)
        for to in ({}, {"practitioner": actor("dee")}):
            move(make, visit, "Tue 11:00", **to)
            assert queued(visit), "the move is told"
            undo(make, visit, expected=by_public_id(make.elm, visit.public_id).version)
            assert (place(visit), ticks(visit), queued(visit)) == before
        assert [bool(c.what.get("undone")) for c in changes(visit.id)] == [False, False, True, False, True]
        assert by_public_id(make.elm, visit.public_id).sequence == 4
        actions.cancel(make.elm, visit.public_id, by=CY, now=make.now)


def test_undoing_a_move_takes_back_nothing_that_was_said_since(make: Make) -> None:
    visit = make.appointment("Tue 10:00")
    mark_sent()
    move(make, visit, "Tue 11:00")
    someone = db.session.get_one(Patient, visit.patient_id)
    new = make.person(email="ada@home.example")
    patients.change(make.elm, someone.public_id, new, expected=someone.version, by=CY, now=make.now + 1.5 * MINUTE)
    undo(make, visit)
    told = db.session.execute(
        sa.select(Message.address, Message.method).where(Message.role == "patient", Message.state != "superseded")
    )
    assert [tuple(row) for row in told] == [
        ("ada@example.com", "REQUEST"),
        ("ada@example.com", "CANCEL"),
        ("ada@home.example", "REQUEST"),
    ]


def test_an_undo_undone_is_a_move_that_is_told(make: Make) -> None:
    visit = make.appointment("Tue 10:00")
    mark_sent()
    move(make, visit, "Tue 11:00")
    undo(make, visit)
    assert undo(make, visit, minutes=3).starts_at == make.at("Tue 11:00")
    assert queued(visit) == ["moved to patient", "moved to practitioner"]


def test_a_move_that_was_mailed_is_taken_back_by_another_mail(make: Make) -> None:
    visit = make.appointment("Tue 10:00")
    mark_sent()
    move(make, visit, "Tue 11:00")
    mark_sent()
    undo(make, visit, minutes=5)
    assert place(visit)[0] == make.at("Tue 10:00")
    assert queued(visit, due=make.now + 8 * MINUTE) == ["moved to patient", "moved to practitioner"]


@pytest.mark.parametrize(("telling", "minutes"), [(Tell.LATER, 4), (Tell.NOW, 1), (Tell.NO, None)])
def test_the_desk_says_when_a_move_is_told(make: Make, telling: Tell, minutes: int | None) -> None:
    visit = make.appointment("Tue 10:00")
    mark_sent()
    moved = move(make, visit, "Tue 10:00", practitioner=actor("dee"), telling=telling)
    assert moved.sequence == 1, "whatever invite comes next replaces the one that was sent"
    told = ["changed to patient", "replaced to practitioner"]
    assert queued(visit) == (told if minutes else [])
    if minutes:
        assert queued(visit, due=make.now + minutes * MINUTE) == told
    undo(make, visit)
    assert queued(visit) == []


def test_undoing_is_refused_when_it_is_not_the_desks_to_undo_or_the_time_went(make: Make) -> None:
    visit = make.appointment("Tue 10:00")
    with pytest.raises(WrongStatus):
        undo(make, visit)
    move(make, visit, "Tue 11:00")
    other = make.appointment("Tue 10:00", person=make.person(**BEA))
    waiting = queued(visit)
    with pytest.raises(SlotTaken):
        undo(make, visit)
    assert (place(visit)[0], queued(visit)) == (make.at("Tue 11:00"), waiting)
    actions.cancel(make.elm, other.public_id, by=CY, now=make.now)
    with pytest.raises(Changed):
        undo(make, visit, expected=1)
    with pytest.raises(NotOffered):
        undo(make, visit, minutes=60 * 48)
    actions.reschedule(make.elm, visit.public_id, make.at("Wed 10:00"), by=PATIENT, now=make.now)
    with pytest.raises(WrongStatus):
        undo(make, visit)


def test_a_full_time_takes_a_reason_and_a_squeezed_visit_goes_back_to_where_it_was_squeezed(make: Make) -> None:
    make.appointment("Tue 10:00", person=make.person(**BEA))
    visit = make.appointment("Tue 11:00")
    with pytest.raises(SlotTaken):
        move(make, visit, "Tue 10:00", practitioner=actor("bo"))
    with pytest.raises(NotAllowed):
        actions.reschedule(
            make.elm,
            visit.public_id,
            make.at("Tue 10:00"),
            by=Caller("staff", 2, "practitioner"),
            now=make.now,
            squeeze="x",
        )
    move(make, visit, "Tue 10:00", practitioner=actor("bo"), squeeze="In pain")
    assert changes(visit.id)[-1].what["squeezed"]
    move(make, visit, "Tue 12:00")
    assert "squeezed" not in changes(visit.id)[-1].what
    undo(make, visit)
    assert place(visit)[0] == make.at("Tue 10:00")
    assert changes(visit.id)[-1].what["squeezed"]
    with pytest.raises(NotOffered):
        move(make, visit, "Tue 17:00", squeeze="In pain")


def test_a_visit_goes_to_the_room_that_the_desk_names_and_back(make: Make) -> None:
    den = '[[rooms]]\nslug = "den"\nlocation = "main"\nplaces = 1\n\n[[services]]\nslug = "visit"'
    text = ELM.replace('[[services]]\nslug = "visit"', den).replace('rooms = ["ward"]', 'rooms = ["ward", "den"]')
    make.clinic(text)
    visit = make.appointment("Tue 10:00", service="needles")
    first = place(visit)
    move(make, visit, "Tue 10:00", practitioner=actor("bo"), room=actor("den"))
    assert place(visit) == (*first[:3], actor("den"), first[4])
    assert queued(visit) == QUEUED, "in which room is nobody's news"
    rival = make.appointment("Tue 10:15", service="needles", person=make.person(**BEA))
    with pytest.raises(SlotTaken):
        move(make, rival, "Tue 10:15", room=actor("den"))
    undo(make, visit)
    assert place(visit) == first
