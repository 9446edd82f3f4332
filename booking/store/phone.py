"""What could not be mailed to patients and has to be said by phone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

import sqlalchemy as sa
from sqlalchemy.orm import aliased

from booking.domain.message import Facts, Kind, Recipient, Was, is_still_news
from booking.store.appointment import Appointment
from booking.store.base import db
from booking.store.clinic import Location
from booking.store.outbox import NO_ADDRESS, Message, facts_of
from booking.store.patient import Patient
from booking.store.practitioner import Actor

KEPT = timedelta(days=1)  # so long after the visit it is of no use any more


@dataclass(frozen=True, slots=True)
class Call:
    """A patient to phone, and what about: the newest news of a visit, and where they still think that it is."""

    message: int  # id; it and what failed before it about this visit count as said together
    kind: Kind
    visit: Appointment
    patient: Patient
    practitioner: str
    was: Was | None
    words: str  # the desk's own, with an offer or a refusal
    has_no_address: bool
    since: datetime

    @property
    def urgent_at(self) -> datetime:
        """When the patient would come, by what they know or by how it stands."""
        return min(self.visit.starts_at, self.was.starts_at) if self.was else self.visit.starts_at


MISSED = (
    Message.role == Recipient.PATIENT.value,
    Message.state == sa.literal_column("'failed'"),  # said as it is for the partial index
    Message.appointment_id.is_not(None),
)


later = aliased(Message)
# Whatever reached the patient afterwards told them how the visit stands.
HEARD = sa.exists().where(
    later.appointment_id == Message.appointment_id,
    later.role == Message.role,
    later.state == "sent",
    later.id > Message.id,
)
# Asked for every page of the desk, which says how many there are.
CALLS = (
    sa.select(Message, Appointment, Patient, Actor.name, Location.name)
    .join(Appointment, Appointment.id == Message.appointment_id)
    .join(Patient, Patient.id == Appointment.patient_id)
    .join(Actor, Actor.id == Appointment.practitioner_id)
    .join(Location, Location.id == Appointment.location_id)
    .where(
        Message.clinic_id == sa.bindparam("clinic"),
        *MISSED,
        Message.phoned_at.is_(None),
        Appointment.ends_at > sa.bindparam("after"),
        ~HEARD,
    )
    .order_by(Message.appointment_id, Message.id)
)


def calls(clinic_id: int, now: datetime) -> list[Call]:
    """Whom the desk has to phone, the most urgent first; one call for each visit."""
    rows_found = db.session.execute(CALLS, {"clinic": clinic_id, "after": now - KEPT})
    found = []
    for _, rows in groupby(rows_found, key=lambda row: row[0].appointment_id):
        missed = list(rows)
        _message, visit, patient, practitioner, location = missed[-1]
        call = _call([row[0] for row in missed], visit, patient, practitioner, location)
        if call is not None:
            found.append(call)
    return sorted(found, key=lambda call: (call.urgent_at, call.message))


def _call(
    missed: Sequence[Message], visit: Appointment, patient: Patient, practitioner: str, location: str
) -> Call | None:
    """What these messages about a visit, oldest first, come to; None if there is nothing left to say."""
    kind = Kind(missed[-1].kind)
    if not is_still_news(kind, visit.status):
        return None
    facts = [facts_of(message) for message in missed]
    was = _known(facts)
    if kind in (Kind.MOVED, Kind.CHANGED) and was is not None:
        stands = (visit.starts_at, visit.ends_at, location, practitioner)
        if stands == (was.starts_at, was.ends_at, was.location, was.practitioner):
            return None  # it was moved to and fro
    return Call(
        message=missed[-1].id,
        kind=kind,
        visit=visit,
        patient=patient,
        practitioner=practitioner,
        was=was,
        words=facts[-1].message,
        has_no_address=missed[-1].error == NO_ADDRESS,
        since=missed[-1].created_at,
    )


def _known(facts: Sequence[Facts]) -> Was | None:
    """Where the visit stood before the first change that the patient did not hear of."""
    return next((said.was for said in facts if said.was is not None), None)


def close(clinic_id: int, message: int, *, staff_id: int | None, now: datetime) -> int | None:
    """Note that somebody said it by phone, with what had failed before about the same visit.

    Returns the id of the visit; None if there is no such message, or it was said already.
    """
    return _mark(clinic_id, message, Message.phoned_at.is_(None), phoned_at=now, phoned_by=staff_id)


def reopen(clinic_id: int, message: int, *, since: datetime) -> int | None:
    """Take `close` back, if it was done since then. Returns the id of the visit, None if nothing changed."""
    return _mark(clinic_id, message, Message.phoned_at >= since, phoned_at=None, phoned_by=None)


def _mark(clinic_id: int, message: int, only: sa.ColumnElement[bool], **values: object) -> int | None:
    visit = db.session.scalar(
        sa.select(Message.appointment_id).where(Message.clinic_id == clinic_id, Message.id == message, *MISSED)
    )
    if visit is None:
        return None
    changed = (
        sa.update(Message)
        .where(Message.clinic_id == clinic_id, Message.appointment_id == visit, Message.id <= message, *MISSED, only)
        .values(**values)
    )
    return visit if db.session.execute(changed).rowcount else None  # type: ignore[attr-defined]
