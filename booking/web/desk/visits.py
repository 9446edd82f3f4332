"""A visit as the desk reads it: its row with names, the note opened, and the state of its mail."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from flask import g

from booking.domain.appointment import Status, is_late, is_running_over, may_become
from booking.store import appointment as appointments
from booking.store import board
from booking.store.appointment import Appointment
from booking.store.base import db
from booking.store.board import Names, Told
from booking.store.clinic import Text
from booking.store.patient import Patient
from booking.web.desk import words
from booking.web.desk.blueprint import is_patients_turn


@dataclass(frozen=True, slots=True)
class Visit:
    row: Appointment
    patient: Patient
    service: Text
    practitioner: str
    room: str
    location: str
    note: str
    told: Told | None
    now: datetime

    @property
    def is_late(self) -> bool:
        """Booked, a quarter of an hour ago, and nobody has come."""
        return is_late(self.row.status, self.row.starts_at, self.row.ends_at, self.now)

    @property
    def minutes_over(self) -> int:
        """How long ago a visit that still goes on should have ended; 0 if it should not."""
        if not is_running_over(self.row.status, self.row.ends_at, self.now):
            return 0
        return max(int((self.now - self.row.ends_at).total_seconds()) // 60, 1)

    @property
    def waits_for_patient(self) -> bool:
        return self.row.status == Status.PENDING and is_patients_turn(self.row.waits_for)

    @property
    def waits_for_desk(self) -> bool:
        return self.row.status == Status.PENDING and not self.waits_for_patient

    @property
    def may_cancel(self) -> bool:
        """Not over yet; a request is declined."""
        status = Status(self.row.status)
        return status != Status.PENDING and may_become(status, Status.CANCELLED) and self.row.ends_at > self.now

    @property
    def status(self) -> str:
        return words.status_words(Status(self.row.status))

    @property
    def glyph(self) -> str:
        return words.GLYPHS[Status(self.row.status)]

    @property
    def mail(self) -> str:
        return words.mail_words(self.told, self.patient)

    @property
    def mark(self) -> str:
        return words.mark_words(self.row.needs_desk) if self.row.needs_desk else ""


def of(rows: Iterable[tuple[Appointment, Patient]]) -> list[Visit]:
    """The visits of the clinic at hand with all that the desk reads of them, in the same order."""
    found = list(rows)
    told = board.told(g.clinic.id, [row.id for row, _patient in found])
    names = board.names(g.clinic.id)
    return [_visit(row, patient, names, told.get(row.id)) for row, patient in found]


def one(public_id: str) -> Visit:
    """One visit of the clinic at hand. Raises NotFound."""
    row = appointments.by_public_id(g.clinic.id, public_id)
    return of([(row, db.session.get_one(Patient, row.patient_id))])[0]


def _visit(row: Appointment, patient: Patient, names: Names, told: Told | None) -> Visit:
    return Visit(
        row=row,
        patient=patient,
        service=names.services[row.service_id],
        practitioner=names.actors[row.practitioner_id],
        room=names.actors[row.room_id] if row.room_id else "",
        location=names.locations[row.location_id],
        note=appointments.note_of(row),
        told=told,
        now=g.now,
    )
