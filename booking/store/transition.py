"""How a change of a visit is made: its rows locked, then changed, stamped, recorded and told, in one transaction.

Locks are taken in one order everywhere: actors (by id), the patient, the appointment.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from booking.domain.access import Caller
from booking.domain.appointment import Status, lapses_at
from booking.domain.message import Facts, Recipient, Transition, Was
from booking.domain.time import local
from booking.store import appointment as appointments
from booking.store import diary, outbox
from booking.store import hold as holds
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


def stand(appointment: Appointment, hold: Hold) -> None:
    """Make the appointment's row say when, where and with whom its hold is."""
    zone = diary.current_plan(hold.clinic_id).locations[hold.location_id].zone
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
) -> None:
    """Stamp, record and tell a change that the row has already."""
    appointment.updated_at = now
    moved_from = was.starts_at.isoformat() if was and was.starts_at != appointment.starts_at else None
    appointments.record(appointment, old, by=by, now=now, reason=reason, moved_from=moved_from, offered=offered)
    clinic = policy(appointment.clinic_id)
    someone = db.session.get_one(Patient, appointment.patient_id)
    tell(clinic, appointment, someone.email, old, by=by, now=now, was=was, message=message, offered=offered)


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
) -> None:
    """Queue what is to be said of the change from `old` (None: it is new) to the row's present status."""
    name, address = invited(appointment.practitioner_id)
    status = Status(appointment.status)
    moved = was is not None and _where_and_when(was) != _where_and_when(as_it_was(appointment))
    transition = Transition(
        old=old,
        new=status,
        by=by.kind,
        moved=moved,
        offered=offered,
        practitioner_changed=was is not None and was.practitioner != name,
        patient=bool(email),
        practitioner=bool(address),
        former_practitioner=bool(was and was.practitioner_address),
        clinic=clinic.notices == "all" or (clinic.notices == "requests" and Status.PENDING in (old, status)),
    )
    addresses = {
        Recipient.PATIENT: email or "",
        Recipient.PRACTITIONER: address,
        Recipient.CLINIC: clinic.email,
    }
    # DTSTAMP has whole seconds and has to grow with each message.
    appointment.stamped_at = max(now, appointment.stamped_at + timedelta(seconds=1)) if old else now
    outbox.tell(
        appointment,
        transition,
        addresses,
        facts=Facts(was=was, message=message),
        now=now,
        due_at=now + UNDO if by.is_desk and moved and old == Status.BOOKED else now,
    )
    bump_board(clinic.id)
