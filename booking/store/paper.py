"""The visits of a day as they go on paper."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import sqlalchemy as sa

from booking.domain.appointment import OVER
from booking.domain.message import DaySheet, Expected
from booking.domain.time import local
from booking.store.appointment import Appointment
from booking.store.base import db
from booking.store.clinic import Clinic, locations
from booking.store.patient import Patient
from booking.store.practitioner import Actor

ZONES = timedelta(hours=15)  # no zone is further from UTC


def on_day(
    clinic_id: int, since: date, until: date, *, practitioner: int | None = None
) -> list[tuple[Appointment, Patient]]:
    """The visits that stand, of local dates from `since` until `until` (exclusive), by start; with their patients.

    Each counts by the calendar of the place where it is.
    """
    first, end = (datetime.combine(on, time()) for on in (since, until))
    earliest, latest = (first - ZONES).replace(tzinfo=UTC), (end + ZONES).replace(tzinfo=UTC)
    query = (
        sa.select(Appointment, Patient)
        .join(Patient, Patient.id == Appointment.patient_id)
        .where(
            Appointment.clinic_id == clinic_id,
            Appointment.starts_at.between(earliest, latest),
            Appointment.start_time >= first,
            Appointment.start_time < end,
            Appointment.status.not_in(OVER),
        )
        .order_by(Appointment.starts_at, Appointment.id)
    )
    if practitioner is not None:
        query = query.where(Appointment.practitioner_id == practitioner)
    return [(appointment, patient) for appointment, patient in db.session.execute(query)]


def sheets(clinic_id: int, on: date) -> tuple[DaySheet, ...]:
    """The day of each practitioner who has visits then, in the clinic's order: times and names, nothing else."""
    found: dict[int, list[Expected]] = {}
    for visit, patient in on_day(clinic_id, on, on + timedelta(days=1)):
        found.setdefault(visit.practitioner_id, []).append(Expected(visit.starts_at, visit.zone, patient.name))
    actors = db.session.execute(
        sa.select(Actor.id, Actor.name).where(Actor.id.in_(found)).order_by(Actor.position, Actor.id)
    )
    return tuple(DaySheet(name, tuple(found[id])) for id, name in actors)


def zone(clinic_id: int) -> str:
    """The zone by which the clinic's days and evenings are counted: that of its first location."""
    places = locations(clinic_id)
    return places[0].zone if places else "UTC"


def tomorrow(at: datetime, zone: str) -> date:
    """The date of the sheet that is mailed at an instant."""
    return local(at, zone).date() + timedelta(days=1)


def mailed() -> list[int]:
    """The clinics that want their day sheet by mail."""
    return list(db.session.scalars(sa.select(Clinic.id).where(Clinic.day_sheet)))


def locked(clinic_id: int) -> Clinic:
    """The clinic, locked: two workers don't both find that nothing was sent yet."""
    query = sa.select(Clinic).where(Clinic.id == clinic_id).with_for_update()
    return db.session.scalars(query.execution_options(populate_existing=True)).one()
