"""The day of a visit: here, at a place, done, not come; what was noted by mistake; and what has to be said by phone.

Each is one transaction. Nobody is told of what is noted, except where a visit goes that should never have been there.
The desk says with `expected` which version of the visit it looked at; another one raises Changed.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from booking.domain.access import Caller
from booking.domain.appointment import (
    ASKED,
    TAKEN_BACK_FOR,
    Status,
    is_due,
    may_become,
    may_go_back_to,
    may_note,
)
from booking.domain.audit import Kind as Thing
from booking.domain.audit import thing
from booking.domain.errors import NotAllowed, PlaceTaken, WrongStatus
from booking.domain.message import Facts, Kind, Recipient
from booking.domain.time import TICK_MINUTES
from booking.store import appointment as appointments
from booking.store import audit, diary, history, outbox, overrun, phone, transition
from booking.store import hold as holds
from booking.store.appointment import Appointment
from booking.store.base import db, transaction
from booking.store.clinic import bump_board
from booking.store.patient import Patient
from booking.store.place import places

LONGER = 10  # minutes


@transaction
def note(
    clinic_id: int,
    public_id: str,
    status: Status,
    *,
    by: Caller,
    now: datetime,
    place: int | None = None,
    expected: int | None = None,
) -> Appointment:
    """Note that the patient has arrived, is checked in (at a `place` of the room), is done, or did not come.

    Noting the same again is harmless; at another place it moves the patient there. Raises NotAllowed for what the
    caller's role may not note, WrongStatus for what can't be so (yet), and PlaceTaken.
    """
    if not may_note(by.role, status):
        raise NotAllowed
    appointment, _ = transition.locked(clinic_id, public_id, expected=expected)
    old = Status(appointment.status)
    place = place if status == Status.CHECKED_IN else appointment.place
    if old == status and place == appointment.place:
        return appointment
    if old != status and not (may_become(old, status) and is_due(status, appointment.starts_at, appointment.zone, now)):
        raise WrongStatus(old)
    if place is not None and place != appointment.place and places(appointment).get(place) != "":
        raise PlaceTaken(place)
    appointment.status, appointment.place = status, place
    return _noted(appointment, old, by, now, place=place if status == Status.CHECKED_IN else None)


@transaction
def take_back(clinic_id: int, public_id: str, *, by: Caller, now: datetime, expected: int | None = None) -> Appointment:
    """Take the last step of the visit's day back: it is what it was before. That stays in its history.

    Raises WrongStatus if there is none, or it is too long ago; NotAllowed for one that the caller may not make.
    """
    appointment, _ = transition.locked(clinic_id, public_id, expected=expected)
    old = Status(appointment.status)
    before = may_go_back_to([entry.step for entry in history.of(appointment)], now)
    if before is None:
        raise WrongStatus(old)
    if not may_note(by.role, old):
        raise NotAllowed
    appointment.status = before
    if before != Status.CHECKED_IN or places(appointment).get(appointment.place or 0) != "":
        appointment.place = None  # or somebody else sits there by now
    return _noted(appointment, old, by, now, back=True)


@transaction
def enter_in_error(
    clinic_id: int, public_id: str, *, by: Caller, now: datetime, reason: str = "", expected: int | None = None
) -> Appointment:
    """The visit should never have been there: its time is free, and whoever was invited gets the CANCEL.

    Repeating it is harmless. Raises WrongStatus for one that was cancelled.
    """
    appointment, hold = transition.locked(clinic_id, public_id, expected=expected)
    old = Status(appointment.status)
    if old == Status.ENTERED_IN_ERROR:
        return appointment
    if not may_become(old, Status.ENTERED_IN_ERROR):
        raise WrongStatus(old)
    return transition.ended(appointment, hold, Status.ENTERED_IN_ERROR, by=by, now=now, reason=reason)


@transaction
def extend(clinic_id: int, public_id: str, *, by: Caller, now: datetime, expected: int | None = None) -> Appointment:
    """Let a visit that is under way stay ten minutes longer, if its practitioner and its place are free then.

    Raises SlotTaken if they are not (`store/overrun.waiting` says who waits), WrongStatus if nobody is checked in.
    """
    appointment, hold = transition.locked(clinic_id, public_id, expected=expected)
    status = Status(appointment.status)
    if status != Status.CHECKED_IN or hold is None:
        raise WrongStatus(status)
    wanted = overrun.longer(hold, LONGER // TICK_MINUTES)
    theirs = holds.lock(clinic_id, holds.actors_of(hold))
    longer = holds.place(wanted, theirs, now=now, owner=lambda _: appointment.id, instead_of=hold)
    transition.stand(appointment, longer, diary.current_plan(clinic_id))
    return _noted(appointment, status, by, now, extended=LONGER)


@transaction
def ask_to_choose(
    clinic_id: int, public_id: str, *, by: Caller, now: datetime, message: str = "", expected: int | None = None
) -> Appointment:
    """Ask the patient of a booked visit, which the clinic can't keep, to choose another time by the link in the mail.

    Until then it stands, marked for the desk, and the patient may move it whatever the clinic's notice says. Asking
    again is harmless. Raises WrongStatus.
    """
    appointment, _ = transition.locked(clinic_id, public_id, expected=expected)
    status = Status(appointment.status)
    if status != Status.BOOKED:
        raise WrongStatus(status)
    if appointment.needs_desk == ASKED:
        return appointment
    appointment.needs_desk = ASKED
    outbox.put(
        clinic_id=clinic_id,
        appointment_id=appointment.id,
        kind=Kind.CHOOSE,
        role=Recipient.PATIENT,
        method=None,
        address=db.session.get_one(Patient, appointment.patient_id).email or "",
        language=appointment.language,
        facts=Facts(message=message),
        now=now,
    )
    return _noted(appointment, status, by, now, asked=True)


@transaction
def told_by_phone(clinic_id: int, message: int, *, by: Caller, now: datetime) -> None:
    """The desk said by phone what this message, and those before it about the same visit, could not. Once is enough."""
    _phoned(clinic_id, phone.close(clinic_id, message, staff_id=by.id, now=now), "told-by-phone", by, now)


@transaction
def not_told_by_phone(clinic_id: int, message: int, *, by: Caller, now: datetime) -> None:
    """Take `told_by_phone` back, for a while; harmless after that."""
    _phoned(clinic_id, phone.reopen(clinic_id, message, since=now - TAKEN_BACK_FOR), "not-told-by-phone", by, now)


def _phoned(clinic_id: int, visit: int | None, what: str, by: Caller, now: datetime) -> None:
    if visit is None:
        return
    public_id = db.session.get_one(Appointment, visit).public_id
    audit.record(clinic_id, f"appointment.{what}", by=by, now=now, object=thing(Thing.APPOINTMENT, public_id))
    bump_board(clinic_id)


def _noted(appointment: Appointment, old: Status, by: Caller, now: datetime, **what: Any) -> Appointment:
    appointment.updated_at = now
    appointments.record(appointment, old, by=by, now=now, **what)
    bump_board(appointment.clinic_id)
    return appointment
