"""How a change of a visit is made: its rows locked, then changed, stamped, recorded and told, in one transaction.

Locks are taken in one order everywhere: actors (by id), the patient, the appointment.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from booking.domain.access import Caller
from booking.domain.appointment import NOTED, Status, Why, lapses_at
from booking.domain.availability import Plan
from booking.domain.message import Facts, Recipient, Tell, Transition, Was
from booking.domain.time import local
from booking.store import appointment as appointments
from booking.store import hold as holds
from booking.store import news
from booking.store.appointment import Appointment
from booking.store.base import Stale, db
from booking.store.clinic import Location, Policy, bump_board, policy
from booking.store.hold import Hold
from booking.store.patient import Patient
from booking.store.practitioner import invited

UNDO = timedelta(minutes=3)  # a desk's move is mailed after this, so that it can be undone unnoticed


def locked(clinic_id: int, public_id: str, *, expected: int | None = None) -> tuple[Appointment, Hold | None]:
    """The appointment and its hold, with their actors locked, as they are after the lock.

    `expected` is the version of the row that the caller looked at. Raises NotFound, and Changed for another version.
    """
    appointment = appointments.by_public_id(clinic_id, public_id)
    hold = holds.of_appointment(appointment.id)
    if hold is None:
        return appointments.by_public_id(clinic_id, public_id, lock=True, expected=expected), None
    actors = holds.actors_of(hold)
    holds.lock(clinic_id, actors)
    appointment = appointments.by_public_id(clinic_id, public_id, lock=True, expected=expected)
    hold = holds.of_appointment(appointment.id)
    if hold is None or holds.actors_of(hold) != actors:
        raise Stale  # it was moved or ended while we waited
    return appointment, hold


def stand(appointment: Appointment, hold: Hold, plan: Plan) -> None:
    """Make the appointment's row say when, where and with whom its hold is."""
    zone = plan.locations[hold.location_id].zone
    appointment.practitioner_id = hold.practitioner_id
    appointment.room_id = hold.room_id
    appointment.location_id = hold.location_id
    appointment.starts_at = hold.starts_at
    appointment.ends_at = hold.ends_at
    appointment.start_time = local(hold.starts_at, zone).replace(tzinfo=None)
    appointment.zone = zone


def wait(appointment: Appointment, whom: str, clinic: Policy, now: datetime) -> None:
    """Make a pending visit wait for the desk's or the patient's answer, until it lapses."""
    appointment.waits_for = whom
    appointment.lapses_at = lapses_at(
        now, appointment.starts_at, request_lapses=clinic.request_lapses, minimum_notice=clinic.minimum_notice
    )


def as_it_was(appointment: Appointment) -> Was:
    """The visit as it stands now, for the mails that tell of what it is no more."""
    someone = db.session.get_one(Patient, appointment.patient_id)
    name, address = invited(appointment.practitioner_id)
    return Was(
        starts_at=appointment.starts_at,
        ends_at=appointment.ends_at,
        location=db.session.get_one(Location, appointment.location_id).name,
        practitioner=name,
        practitioner_address=address,
        patient_address=someone.email or "",
        uid=appointment.uid,
        sequence=appointment.sequence,
    )


def ended(
    appointment: Appointment,
    hold: Hold | None,
    status: Status,
    *,
    by: Caller,
    now: datetime,
    reason: str = "",
    message: str = "",
    why: Why | None = None,
) -> Appointment:
    """End the visit with this status, give its time back and tell of it; `message` goes to the patient."""
    old = Status(appointment.status)
    was = as_it_was(appointment)
    if hold:
        holds.release(hold)
    appointment.status = status
    appointment.waits_for = appointment.lapses_at = appointment.needs_desk = None
    if old in NOTED:
        appointment.sequence += 1
    changed(appointment, old, was, by=by, now=now, reason=reason, message=message, why=why)
    return appointment


def _where_and_when(was: Was) -> tuple[datetime, datetime, str]:
    return was.starts_at, was.ends_at, was.location


def changed(
    appointment: Appointment,
    old: Status,
    was: Was | None,
    *,
    by: Caller,
    now: datetime,
    reason: str = "",
    message: str = "",
    offered: bool = False,
    why: Why | None = None,
    details: bool = False,
    telling: Tell = Tell.LATER,
    **codes: Any,
) -> None:
    """Stamp, record and tell a change that the row has already; `why` says on whose account a visit ended.

    With `details` it is no change of the row, but of what its invites say beside. The `codes` are recorded with it.
    """
    appointment.updated_at = now
    moved_from = was.starts_at.isoformat() if was and was.starts_at != appointment.starts_at else None
    codes |= {"moved_from": moved_from, "offered": offered, "why": why, "details": details}
    appointments.record(appointment, old, by=by, now=now, reason=reason, **codes)
    if telling is Tell.NO:
        bump_board(appointment.clinic_id)
        return
    clinic = policy(appointment.clinic_id)
    someone = db.session.get_one(Patient, appointment.patient_id)
    tell(
        clinic,
        appointment,
        someone.email,
        old,
        by=by,
        now=now,
        was=was,
        message=message,
        offered=offered,
        why=why,
        details=details,
        telling=telling,
    )


def tell(
    clinic: Policy,
    appointment: Appointment,
    email: str | None,
    old: Status | None,
    *,
    by: Caller,
    now: datetime,
    was: Was | None = None,
    message: str = "",
    offered: bool = False,
    why: Why | None = None,
    details: bool = False,
    telling: Tell = Tell.LATER,
) -> None:
    """Queue what is to be said of the change from `old` (None: it is new) to the row's present status."""
    name, address = invited(appointment.practitioner_id)
    status = Status(appointment.status)
    moved = was is not None and _where_and_when(was) != _where_and_when(as_it_was(appointment))
    other_practitioner = was is not None and (was.practitioner, was.practitioner_address) != (name, address)
    may_be_undone = by.is_desk and not offered and (moved or other_practitioner) and old == status
    transition = Transition(
        old=old,
        new=status,
        by="patient" if why is Why.PATIENT else by.kind,
        moved=moved,
        offered=offered,
        practitioner_changed=other_practitioner,
        address_changed=was is not None and was.uid != appointment.uid,
        details_changed=details,
        patient=bool(email),
        practitioner=bool(address),
        former_practitioner=bool(was and was.practitioner_address),
        former_patient=bool(was and was.patient_address),
        clinic=not by.is_desk and _is_noticed(clinic, old, status),
    )
    addresses = {
        Recipient.PATIENT: email or "",
        Recipient.PRACTITIONER: address,
        Recipient.CLINIC: clinic.email,
    }
    if old:
        # DTSTAMP has whole seconds and has to grow with each message.
        appointment.stamped_at = max(now, appointment.stamped_at + timedelta(seconds=1))
    news.tell(
        appointment,
        transition,
        addresses,
        language=clinic.language,
        facts=Facts(was=was, message=message),
        now=now,
        due_at=now + UNDO if may_be_undone and telling is Tell.LATER else now,
    )
    bump_board(clinic.id)


def _is_noticed(clinic: Policy, *statuses: Status | None) -> bool:
    return clinic.notices == "all" or (clinic.notices == "requests" and Status.PENDING in statuses)
