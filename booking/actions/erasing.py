"""Erasing a patient: who they are is forgotten, that a visit took place stays."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from booking.domain import audit as said
from booking.domain.access import Caller
from booking.domain.audit import Action, thing
from booking.domain.errors import BookingError
from booking.store import audit, erasure, record, takeout
from booking.store import patient as patients
from booking.store.appointment import Appointment
from booking.store.base import transaction
from booking.store.clinic import bump_board


class StillToCome(BookingError):
    """The patient has visits that are to come: they are cancelled first, so that everybody hears of it."""

    def __init__(self, visits: list[Appointment]) -> None:
        super().__init__(f"still to come: {len(visits)}")
        self.visits = visits


@dataclass(frozen=True, slots=True)
class Known:
    """How much is kept of a patient."""

    public_id: str
    records: int  # with those merged into it
    visits: int


def known(clinic_id: int, patient: str, now: datetime) -> Known:
    """What `erase` would erase, by public id or the reference of a visit. Raises NotFound and StillToCome."""
    someone = takeout.whose(clinic_id, patient)
    ids = takeout.records(someone.id)
    if coming := record.to_come(clinic_id, ids, now):
        raise StillToCome(coming)
    return Known(someone.public_id, len(ids), sum(len(record.belongings(id)["visits"]) for id in ids))


@transaction
def erase(clinic_id: int, patient: str, *, by: Caller, now: datetime) -> int:
    """Erase a patient by public id or the reference of a visit, and the records merged into theirs: name, contacts,
    notes, what they were mailed and why visits changed. Returns how many visits stay, as an erased patient's.

    Afterwards `erasure.scrub` takes it out of the files too. Raises NotFound and StillToCome.
    """
    someone = patients.by_public_id(clinic_id, takeout.whose(clinic_id, patient).public_id, lock=True)
    ids = takeout.records(someone.id)
    if coming := record.to_come(clinic_id, ids, now):
        raise StillToCome(coming)
    visits = erasure.forget(clinic_id, ids, now)
    object = thing(said.Kind.PATIENT, someone.id)
    audit.record(clinic_id, Action.PATIENT_ERASED, by=by, now=now, object=object, visits=str(visits))
    bump_board(clinic_id)
    return visits
