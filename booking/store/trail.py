"""What the audit's screen asks beside the chain: what entries are about, and which are about one patient or visit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from booking.domain.audit import Kind, thing
from booking.store.appointment import Appointment
from booking.store.base import db
from booking.store.patient import Patient
from booking.store.staff import Staff


@dataclass(frozen=True, slots=True)
class Thing:
    """What an entry is about, by its name today. A visit has its start, in its zone, and its patient's name."""

    kind: Kind
    name: str
    public_id: str = ""  # of a visit or a patient
    starts_at: datetime | None = None
    zone: str = "UTC"


def of_patient(clinic_id: int, public_id: str) -> tuple[str, tuple[str, ...]] | None:
    """A patient's name, and the objects of the entries about their record and visits; None if there is no such one."""
    query = sa.select(Patient.id, Patient.name).where(Patient.clinic_id == clinic_id, Patient.public_id == public_id)
    found = db.session.execute(query).one_or_none()
    if found is None:
        return None
    visits = sa.select(Appointment.public_id).where(Appointment.patient_id == found.id)
    objects = [thing(Kind.APPOINTMENT, visit) for visit in db.session.scalars(visits)]
    return found.name, (thing(Kind.PATIENT, found.id), *objects)


def of_visit(clinic_id: int, text: str) -> tuple[str, ...]:
    """The objects of the entries about a visit, named by its reference in any letter case or by its public id."""
    query = sa.select(Appointment.public_id).where(
        Appointment.clinic_id == clinic_id,
        sa.or_(Appointment.reference == text.replace("-", "").upper(), Appointment.public_id == text),
    )
    return tuple(thing(Kind.APPOINTMENT, public_id) for public_id in db.session.scalars(query))


def things(clinic_id: int, objects: Iterable[str]) -> dict[str, Thing]:
    """What these objects of the clinic's entries are; those that are not rows of the clinic are left out."""
    ids: dict[str, list[str]] = {}
    for object in objects:
        kind, _, id = object.partition(":")
        ids.setdefault(kind, []).append(id)
    visits = (
        sa.select(Appointment.public_id, Appointment.starts_at, Appointment.zone, Patient.name)
        .join(Patient, Patient.id == Appointment.patient_id)
        .where(Appointment.clinic_id == clinic_id, Appointment.public_id.in_(ids.get(Kind.APPOINTMENT, [])))
    )
    patients = sa.select(Patient.id, Patient.public_id, Patient.name).where(
        Patient.clinic_id == clinic_id, Patient.id.in_(_numbers(ids.get(Kind.PATIENT, [])))
    )
    people = sa.select(Staff.id, Staff.name).where(Staff.id.in_(_numbers(ids.get(Kind.STAFF, []))))
    found = {
        thing(Kind.APPOINTMENT, row.public_id): Thing(
            Kind.APPOINTMENT, row.name, row.public_id, row.starts_at, row.zone
        )
        for row in db.session.execute(visits)
    }
    found |= {
        thing(Kind.PATIENT, row.id): Thing(Kind.PATIENT, row.name, row.public_id)
        for row in db.session.execute(patients)
    }
    return found | {thing(Kind.STAFF, row.id): Thing(Kind.STAFF, row.name) for row in db.session.execute(people)}


def _numbers(texts: Iterable[str]) -> list[int]:
    return [int(text) for text in texts if text.isdecimal()]
