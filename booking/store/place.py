"""Who sits where: the places of a room, given at check-in."""

from __future__ import annotations

import sqlalchemy as sa

from booking.domain.appointment import Status
from booking.store.appointment import Appointment
from booking.store.base import db
from booking.store.patient import Patient
from booking.store.practitioner import Actor


def places(visit: Appointment) -> dict[int, str]:
    """The places of the visit's room, from 1, each with the name of whoever else sits there now; empty if nobody does.

    None at all for a visit without a room.
    """
    capacity = db.session.scalar(
        sa.select(Actor.capacity).where(Actor.clinic_id == visit.clinic_id, Actor.id == visit.room_id)
    )
    seated = (
        sa.select(Appointment.place, Patient.name)
        .join(Patient, Patient.id == Appointment.patient_id)
        .where(
            Appointment.clinic_id == visit.clinic_id,
            Appointment.room_id == visit.room_id,
            Appointment.status == Status.CHECKED_IN,
            Appointment.place.is_not(None),
            Appointment.id != visit.id,
        )
    )
    names = {row.place: row.name for row in db.session.execute(seated)}
    return {place: names.get(place, "") for place in range(1, (capacity or 0) + 1)}
