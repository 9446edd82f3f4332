"""All that is kept of a clinic or of one patient, opened and in portions, so that memory stays flat.

What is asked within one `snapshot` is as it was at one moment, however long the reading takes.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from booking.domain.access import REFERENCE_LENGTH
from booking.domain.errors import NotFound
from booking.domain.reply import Outcome
from booking.domain.time import local
from booking.store.answer import IS_UNHEARD, Received, comment_place, opened
from booking.store.appointment import Appointment, Change
from booking.store.audit import Entry
from booking.store.base import db, dialect, table
from booking.store.clinic import Location
from booking.store.outbox import Message
from booking.store.patient import Patient
from booking.store.practitioner import Actor, Service
from booking.store.record import PatientNote
from booking.store.sealed import unseal
from booking.store.staff import Role, Staff

PORTION = 500  # rows read at once

Record = dict[str, Any]
appointment, patient, message = table(Appointment), table(Patient), table(Message)
change, note, entry, staff = table(Change), table(PatientNote), table(Entry), table(Staff)
answer = table(Received)
service, practitioner, location = table(Service), table(Actor), table(Location)
room = practitioner.alias("room")


@contextmanager
def snapshot() -> Iterator[Connection]:
    """A connection that sees the database as it was at its first question."""
    isolation = {"isolation_level": "REPEATABLE READ"} if dialect() == "postgresql" else {}
    with db.engine.connect().execution_options(**isolation) as connection, connection.begin():
        yield connection


def whose(clinic_id: int, text: str) -> Patient:
    """The patient of that public id, or of the visit with that reference; the record that a merged one is part of.

    Raises NotFound.
    """
    reference = re.sub(r"[\W_]", "", text).upper()
    found = db.session.scalar(sa.select(Patient).where(Patient.public_id == text, Patient.clinic_id == clinic_id))
    if found is None and len(reference) == REFERENCE_LENGTH:
        query = sa.select(Patient).join(Appointment, Appointment.patient_id == Patient.id)
        found = db.session.scalar(
            query.where(Appointment.reference == reference, Appointment.clinic_id == clinic_id).limit(1)
        )
    if found is None:
        raise NotFound
    return db.session.get_one(Patient, found.merged_into_id) if found.merged_into_id else found


def records(patient_id: int) -> list[int]:
    """The ids of the record and of those that were merged into it."""
    return [patient_id, *db.session.scalars(sa.select(Patient.id).where(Patient.merged_into_id == patient_id))]


def patients(connection: Connection, clinic_id: int, only: Collection[int] | None = None) -> Iterator[Record]:
    """The clinic's patients, oldest first, each with the staff's notes about them."""
    into = patient.alias()
    query = (
        sa.select(patient, into.c.public_id.label("merged_into"))
        .outerjoin(into, into.c.id == patient.c.merged_into_id)
        .where(patient.c.clinic_id == clinic_id)
    )
    if only is not None:
        query = query.where(patient.c.id.in_(only))
    for rows in _portions(connection, query, patient.c.id):
        notes: dict[int, list[Record]] = {}
        about = (
            sa.select(note, staff.c.email)
            .join(staff, staff.c.id == note.c.staff_id)
            .where(note.c.patient_id.in_([row.id for row in rows]))
            .order_by(note.c.id)
        )
        for row in connection.execute(about):
            text = unseal(row.text, f"patient_note.text:{row.public_id}").decode()
            said = {"written_at": row.written_at.isoformat(), "by": row.email, "text": text}
            notes.setdefault(row.patient_id, []).append(said)
        for row in rows:
            yield {
                "id": row.public_id,
                "name": row.name,
                "email": row.email,
                "phone": row.phone,
                "language": row.language,
                "created_at": row.created_at.isoformat(),
                "merged_into": row.merged_into,
                "notes": notes.get(row.id, []),
            }


def visits(connection: Connection, clinic_id: int, only: Collection[int] | None = None) -> Iterator[Record]:
    """The clinic's visits, or those of some patients, in the order in which they were made, each with its history and
    with what was answered from calendars; of the whole clinic also with what does not count of that and waits for the
    desk. Its senders are unknown, so it is none of the data that a patient is given.

    Times are ISO 8601 with the location's offset.
    """
    query = (
        sa.select(
            appointment,
            patient.c.public_id.label("patient"),
            patient.c.name,
            patient.c.email,
            patient.c.phone,
            service.c.slug.label("service"),
            practitioner.c.slug.label("practitioner"),
            location.c.slug.label("location"),
            room.c.slug.label("room"),
        )
        .join(patient, patient.c.id == appointment.c.patient_id)
        .join(service, service.c.id == appointment.c.service_id)
        .join(practitioner, practitioner.c.id == appointment.c.practitioner_id)
        .join(location, location.c.id == appointment.c.location_id)
        .outerjoin(room, room.c.id == appointment.c.room_id)
        .where(appointment.c.clinic_id == clinic_id)
    )
    if only is not None:
        query = query.where(appointment.c.patient_id.in_(only))
    for rows in _portions(connection, query, appointment.c.id):
        ids = {row.id: row.public_id for row in rows}
        histories, answers = _histories(connection, ids), _answers(connection, ids)
        unheard = _unheard(connection, ids) if only is None else {}
        for row in rows:
            yield {
                "id": row.public_id,
                "reference": row.reference,
                "status": row.status,
                "start": local(row.starts_at, row.zone).isoformat(),
                "end": local(row.ends_at, row.zone).isoformat(),
                "zone": row.zone,
                "minutes": int((row.ends_at - row.starts_at).total_seconds()) // 60,
                "service": row.service,
                "practitioner": row.practitioner,
                "location": row.location,
                "room": row.room,
                "new": row.new_patient,
                "patient": row.patient,
                "name": row.name,
                "email": row.email,
                "phone": row.phone,
                "language": row.language,
                "note": unseal(row.note, f"appointment.note:{row.public_id}").decode() if row.note else "",
                "needs_desk": row.needs_desk,
                "uid": row.uid,
                "sequence": row.sequence,
                "created_at": row.created_at.isoformat(),
                "updated_at": row.updated_at.isoformat(),
                "history": histories.get(row.id, []),
                "answers": answers.get(row.id, []),
                **({"not_counted": unheard.get(row.id, [])} if only is None else {}),
            }


def _histories(connection: Connection, visits: dict[int, str]) -> dict[int, list[Record]]:
    found: dict[int, list[Record]] = {}
    query = sa.select(change).where(change.c.appointment_id.in_(list(visits))).order_by(change.c.id)
    for row in connection.execute(query):
        place = f"change.reason:{visits[row.appointment_id]}"
        step = {
            "at": row.at.isoformat(),
            "by": row.by_kind if row.by_id is None else f"{row.by_kind}:{row.by_id}",
            "old": row.old_status,
            "new": row.new_status,
            "what": row.what,
            "reason": unseal(row.reason, place).decode() if row.reason else "",
        }
        found.setdefault(row.appointment_id, []).append(step)
    return found


def _answers(connection: Connection, visits: dict[int, str]) -> dict[int, list[Record]]:
    found: dict[int, list[Record]] = {}
    taken = answer.c.appointment_id.in_(list(visits)), answer.c.outcome == Outcome.TAKEN.value
    for row in connection.execute(sa.select(answer).where(*taken).order_by(answer.c.id)):
        said = {
            "at": row.received_at.isoformat(),
            "by": row.sender_role,
            "answer": row.wants,
            "comment": unseal(row.comment, comment_place(visits[row.appointment_id])).decode() if row.comment else "",
            "start": row.starts_at.isoformat() if row.starts_at else None,
            "end": row.ends_at.isoformat() if row.ends_at else None,
        }
        found.setdefault(row.appointment_id, []).append(said)
    return found


def _unheard(connection: Connection, visits: dict[int, str]) -> dict[int, list[Record]]:
    found: dict[int, list[Record]] = {}
    theirs = sa.select(answer).where(answer.c.appointment_id.in_(list(visits)), IS_UNHEARD)
    for row in connection.execute(theirs.order_by(answer.c.id)):
        known = opened(row.comment, visits[row.appointment_id])
        said = {
            "at": row.received_at.isoformat(),
            "by": known.sender,
            "why": list(known.doubts),
            "answer": row.wants,
            "comment": known.comment,
            "start": row.starts_at.isoformat() if row.starts_at else None,
            "end": row.ends_at.isoformat() if row.ends_at else None,
        }
        found.setdefault(row.appointment_id, []).append(said)
    return found


def messages(connection: Connection, clinic_id: int, only: Collection[int] | None = None) -> Iterator[Record]:
    """What was mailed to whom and when, oldest first; never what it said. Of some patients: about their visits."""
    query = (
        sa.select(message, appointment.c.public_id.label("visit"))
        .outerjoin(appointment, appointment.c.id == message.c.appointment_id)
        .where(message.c.clinic_id == clinic_id)
    )
    if only is not None:
        query = query.where(appointment.c.patient_id.in_(only))
    for rows in _portions(connection, query, message.c.id):
        for row in rows:
            yield {
                "visit": row.visit,
                "kind": row.kind,
                "role": row.role,
                "method": row.method,
                "address": row.address,
                "state": row.state,
                "created_at": row.created_at.isoformat(),
                "ended_at": row.ended_at.isoformat() if row.ended_at else None,
                "message_id": row.message_id,
                "error": row.error,
            }


def people(connection: Connection, clinic_id: int) -> Iterator[Record]:
    """The clinic's staff, without anything that lets somebody in."""
    role = table(Role)
    query = sa.select(staff.c.email, staff.c.name, role.c.role).join(role, role.c.staff_id == staff.c.id)
    for row in connection.execute(query.where(role.c.clinic_id == clinic_id).order_by(staff.c.email)):
        yield {"email": row.email, "name": row.name, "role": row.role}


def chain(connection: Connection, clinic_id: int) -> Iterator[Record]:
    """The clinic's audit by number."""
    query = sa.select(entry).where(entry.c.clinic_id == clinic_id)
    for rows in _portions(connection, query, entry.c.seq):
        for row in rows:
            yield {
                "number": row.seq,
                "at": row.at.isoformat(),
                "by": row.by_kind if row.by_id is None else f"{row.by_kind}:{row.by_id}",
                "action": row.action,
                "object": row.object,
                "facts": row.facts,
                "hash": row.hash.hex(),
            }


def _portions(connection: Connection, query: sa.Select[Any], key: sa.Column[Any]) -> Iterator[list[sa.Row[Any]]]:
    query = query.order_by(key).limit(PORTION)
    rows = list(connection.execute(query))
    while rows:
        yield rows
        last = rows[-1]._mapping[key]
        rows = list(connection.execute(query.where(key > last)))
