"""What a patient asks for beside booking, and what the desk does with a patient's record.

Locks are taken in the order of `store/transition`: patients (by id), then appointments (by id).
"""

from __future__ import annotations

import uuid
from datetime import datetime

from booking.domain import audit as said
from booking.domain.access import Caller, new_id, token
from booking.domain.appointment import Status
from booking.domain.audit import Action
from booking.domain.errors import Changed, NotAllowed, NotFound
from booking.domain.message import Facts, Kind, Link, Recipient, Tell, Was
from booking.store import appointment as appointments
from booking.store import audit, outbox, record, transition
from booking.store import patient as patients
from booking.store.appointment import Appointment
from booking.store.base import db, settings, transaction
from booking.store.clinic import Location, bump_board
from booking.store.patient import Patient, Person
from booking.store.record import Merge, PatientNote


@transaction
def send_links(clinic_id: int, email: str, *, language: str, now: datetime) -> None:
    """Mail the links of an address's future visits to that address; nothing happens where it has none."""
    visits = appointments.of_contact(clinic_id, email, now)
    if not visits:
        return
    outbox.put(
        clinic_id=clinic_id,
        appointment_id=None,
        kind=Kind.LOST_LINK,
        role=Recipient.PATIENT,
        method=None,
        address=email,
        language=language,
        facts=Facts(links=tuple(_link(visit) for visit in visits)),
        now=now,
    )


def _link(visit: Appointment) -> Link:
    known = settings()
    secret = token(known.secret_key, "manage", visit.clinic_id, visit.public_id, visit.link_version)
    place = db.session.get_one(Location, visit.location_id)
    return Link(f"{known.public_url}/a/{secret}", visit.starts_at, visit.zone, place.name)


def write_keys(*, batch: int = 1000) -> int:
    """Make the keys of the patients that have none yet, or have them by older rules. Returns of how many.

    `batch` patients are one transaction, so that a big clinic works on meanwhile.
    """
    written = 0
    while count := _write_keys(batch):
        written += count
    return written


@transaction
def _write_keys(batch: int) -> int:
    waiting = patients.without_keys(batch)
    patients.rekey(waiting)
    return len(waiting)


# The record


@transaction
def change(clinic_id: int, public_id: str, person: Person, *, expected: int, by: Caller, now: datetime) -> Patient:
    """Correct a patient's name, contacts and language. Where nothing differs nothing happens.

    Visits to come follow to another e-mail address: the old one gets a CANCEL, the new one a REQUEST with a new UID,
    and the links that the old one was sent open nothing any more. Raises NotFound, and Changed where the record has
    not the `expected` version.
    """
    someone = patients.by_public_id(clinic_id, public_id, lock=True)
    if someone.version != expected or someone.merged_into_id is not None:
        raise Changed(someone.version)
    new = {"name": person.name, "phone": person.phone, "email": person.email, "language": person.language}
    changed = [name for name, value in new.items() if getattr(someone, name) != value]
    if not changed:
        return someone
    coming = _coming(clinic_id, [someone.id], now)
    identity = patients.identity_of(person.name, person.email, person.phone)
    if not patients.is_known(clinic_id, identity):
        someone.identity = identity  # else two records say the same; the desk may merge them
    for name in changed:
        setattr(someone, name, new[name])
    db.session.flush()
    patients.rekey([someone.id])
    for visit, _ in coming:
        visit.language = person.language
    _follow(coming, by=by, now=now, revoke=True)
    audit.record(
        clinic_id, Action.PATIENT_CHANGED, by=by, now=now, object=_object(someone.id), fields=",".join(changed)
    )
    bump_board(clinic_id)
    return someone


@transaction
def write_note(clinic_id: int, public_id: str, text: str, *, by: Caller, now: datetime) -> None:
    """Keep a note about a patient, for the staff alone. Raises NotFound, and NotAllowed for who is no staff user."""
    someone = patients.by_public_id(clinic_id, public_id, lock=True)
    if by.kind != "staff" or by.id is None:
        raise NotAllowed
    note_id = new_id()
    note = PatientNote(
        public_id=note_id,
        clinic_id=clinic_id,
        patient_id=someone.merged_into_id or someone.id,
        staff_id=by.id,
        written_at=now,
        text=record.seal_note(note_id, text),
    )
    db.session.add(note)
    audit.record(clinic_id, Action.NOTE_WRITTEN, by=by, now=now, object=_object(note.patient_id), note=note_id)


@transaction
def remove_note(clinic_id: int, public_id: str, note: str, *, by: Caller, now: datetime) -> None:
    """Throw a note away. Its author and the owner may. Raises NotFound and NotAllowed."""
    someone = patients.by_public_id(clinic_id, public_id, lock=True)
    found = record.note_by_public_id(clinic_id, someone.id, note)
    if by.role != "owner" and by.id != found.staff_id:
        raise NotAllowed
    db.session.delete(found)
    audit.record(clinic_id, Action.NOTE_REMOVED, by=by, now=now, object=_object(someone.id), note=note)


# Two records of one person


@transaction
def merge(clinic_id: int, kept: str, merged: str, *, by: Caller, now: datetime) -> Merge:
    """Make one record part of another, both by public id: its visits and notes move, and contacts that the kept one
    lacks are taken over. The mails' links go on working. The same merge again is harmless.

    Visits whose mails go to another address from now on are mailed there anew. Raises NotFound, and Changed where
    one of the two was merged otherwise meanwhile.
    """
    first, second = _both(clinic_id, kept, merged)
    if second.merged_into_id == first.id:
        return record.merge_that_stands(second.id)
    if first.id == second.id or first.merged_into_id is not None or second.merged_into_id is not None:
        raise Changed(second.version)
    coming = _coming(clinic_id, [first.id, second.id], now)
    filled = [name for name in ("phone", "email") if not getattr(first, name) and getattr(second, name)]
    moved = Merge(
        public_id=new_id(),
        clinic_id=clinic_id,
        kept_id=first.id,
        merged_id=second.id,
        **record.belongings(second.id),
        filled=filled,
        staff_id=by.id,
        merged_at=now,
    )
    db.session.add(moved)
    for name in filled:
        setattr(first, name, getattr(second, name))
    second.merged_into_id = first.id
    db.session.flush()
    record.hand_over(moved, from_id=second.id, to_id=first.id)
    patients.rekey([first.id, second.id])
    _follow(coming, by=by, now=now)
    audit.record(clinic_id, Action.PATIENT_MERGED, by=by, now=now, object=_object(first.id), merged=_object(second.id))
    bump_board(clinic_id)
    return moved


@transaction
def unmerge(clinic_id: int, public_id: str, *, by: Caller, now: datetime) -> Merge:
    """Take a merge back: what it moved moves back, if the kept record still has it. What came since stays.

    Undoing it again is harmless. Raises NotFound, and Changed where the kept record was itself merged since: that
    comes first.
    """
    moved = record.merge_by_public_id(clinic_id, public_id)
    first, second = record.both(clinic_id, moved.kept_id, moved.merged_id)
    db.session.refresh(moved)
    if moved.undone_at is not None:
        return moved
    if first.merged_into_id is not None:
        raise Changed(first.version)
    coming = _coming(clinic_id, [first.id], now)
    for name in moved.filled:
        if getattr(first, name) == getattr(second, name):
            setattr(first, name, None)
    second.merged_into_id = None
    moved.undone_at = now
    db.session.flush()
    record.hand_over(moved, from_id=first.id, to_id=second.id)
    patients.rekey([first.id, second.id])
    _follow(coming, by=by, now=now)
    audit.record(
        clinic_id, Action.PATIENT_UNMERGED, by=by, now=now, object=_object(first.id), merged=_object(second.id)
    )
    bump_board(clinic_id)
    return moved


@transaction
def tell_apart(clinic_id: int, one: str, other: str, *, by: Caller, now: datetime) -> None:
    """Note that two records that look like one person's are two. Harmless again. Raises NotFound."""
    first, second = sorted((_both(clinic_id, one, other)), key=_id)
    if first.id == second.id:
        raise NotFound
    if record.tell_apart(clinic_id, first.id, second.id):
        audit.record(
            clinic_id, Action.PATIENTS_TOLD_APART, by=by, now=now, object=_object(first.id), other=_object(second.id)
        )


def _both(clinic_id: int, one: str, other: str) -> tuple[Patient, Patient]:
    ids = [patients.by_public_id(clinic_id, public_id).id for public_id in (one, other)]
    return record.both(clinic_id, *ids)


def _id(someone: Patient) -> int:
    return someone.id


def _object(patient_id: int) -> str:
    return said.thing(said.Kind.PATIENT, patient_id)


def _coming(clinic_id: int, ids: list[int], now: datetime) -> list[tuple[Appointment, Was]]:
    """The visits to come of these records, locked, each with how it stands."""
    return [(visit, transition.as_it_was(visit)) for visit in record.to_come(clinic_id, ids, now)]


def _follow(coming: list[tuple[Appointment, Was]], *, by: Caller, now: datetime, revoke: bool = False) -> None:
    """Let the mails of these visits go where their patients' rows say now: an event can't change whom it is for, so
    a new one takes its place. With `revoke` the links that were sent before open nothing any more."""
    db.session.flush()
    for visit, was in coming:
        db.session.refresh(visit)
        email = db.session.get_one(Patient, visit.patient_id).email or ""
        if email.casefold() == was.patient_address.casefold():
            continue
        visit.uid = f"{uuid.uuid4()}@{settings().mail_domain}"
        visit.sequence = 0
        if revoke:
            visit.link_version += 1
        transition.changed(visit, Status(visit.status), was, by=by, now=now, telling=Tell.NOW, address_changed=True)
