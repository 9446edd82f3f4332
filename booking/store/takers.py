"""Who has time that somebody else wants: the visits, and the holds of those who fill in a form, behind full ticks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from booking.domain.appointment import OPEN
from booking.domain.time import Window
from booking.store.appointment import Appointment
from booking.store.base import db
from booking.store.hold import GRACE, Hold, HoldTick
from booking.store.patient import Patient, Person


@dataclass(frozen=True, slots=True)
class Taker:
    """Somebody's visit; or, without `public_id` and `patient`, a hold that ends at `until` if it becomes none."""

    public_id: str | None
    patient: str | None
    starts_at: datetime
    ends_at: datetime
    practitioner: int
    room: int | None
    until: datetime | None = None


def of(clinic_id: int, full: Iterable[tuple[int, Window]], now: datetime) -> list[Taker]:
    """Who takes any of these actors' ticks, each once, by start."""
    wanted = sa.or_(
        *(
            sa.and_(HoldTick.actor_id == actor, HoldTick.tick >= ticks.start, HoldTick.tick < ticks.stop)
            for actor, ticks in full
        ),
        sa.false(),
    )
    alive = sa.or_(HoldTick.expires_at.is_(None), HoldTick.expires_at > now - GRACE)
    holds = sa.select(HoldTick.hold_id).where(HoldTick.clinic_id == clinic_id, wanted, alive)
    query = (
        sa.select(
            Appointment.public_id,
            Patient.name,
            Hold.starts_at,
            Hold.ends_at,
            Hold.practitioner_id,
            Hold.room_id,
            Hold.expires_at,
        )
        .outerjoin_from(Hold, Appointment, Appointment.id == Hold.appointment_id)
        .outerjoin(Patient, Patient.id == Appointment.patient_id)
        .where(Hold.clinic_id == clinic_id, Hold.id.in_(holds))
        .order_by(Hold.starts_at, Hold.id)
    )
    return [Taker(*row) for row in db.session.execute(query)]


def of_person(clinic_id: int, person: Person, starts_at: datetime, ends_at: datetime) -> list[Taker]:
    """The visits still to come between two instants of whoever has this name and one of these contacts, by start."""
    contacts = [Patient.email == person.email] if person.email else []
    contacts += [Patient.phone == person.phone] if person.phone else []
    query = (
        sa.select(
            Appointment.public_id,
            Patient.name,
            Appointment.starts_at,
            Appointment.ends_at,
            Appointment.practitioner_id,
            Appointment.room_id,
        )
        .join(Patient, Patient.id == Appointment.patient_id)
        .where(
            Appointment.clinic_id == clinic_id,
            sa.or_(*contacts, sa.false()),
            Appointment.status.in_(OPEN),
            Appointment.starts_at < ends_at,
            Appointment.ends_at > starts_at,
        )
        .order_by(Appointment.starts_at, Appointment.id)
    )
    found = [Taker(*row) for row in db.session.execute(query)]
    return [taker for taker in found if (taker.patient or "").casefold() == person.name.casefold()]
